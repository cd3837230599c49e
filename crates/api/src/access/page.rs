//! The few pages that a browser gets instead of what it asked for: sign in, you may not, come back.
//!
//! They are complete in themselves, because strangers get no other file from here, and they hold
//! nothing but fixed text.

use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::digest;

const STYLE: &str = "html{color-scheme:light dark;font:1rem/1.6 system-ui,sans-serif}\
    body{max-width:30rem;margin:15vh auto;padding:0 1.5rem}\
    h1{font-size:1.35rem}\
    a{display:inline-block;margin-top:1rem;padding:.55rem 1.2rem;border-radius:.4rem;\
    background:#1f5fbf;color:#fff;text-decoration:none}";

/// When to try again where the identity provider does not answer.
const RETRY_AFTER_SECS: u64 = 10;

/// What a page says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Message {
    /// Sign in with the identity provider.
    SignIn,
    /// The browser itself asks for name and password.
    Password,
    /// The proxy in front signs people in.
    ThroughProxy,
    /// The sign-in was not completed: too late, in another browser, or refused.
    StartAgain,
    /// Signed in, and without a role here.
    NotAMember,
    /// The identity provider does not answer, or not as it should.
    ProviderAway,
}

impl Message {
    fn status(self) -> StatusCode {
        match self {
            Self::SignIn | Self::Password | Self::ThroughProxy => StatusCode::UNAUTHORIZED,
            Self::StartAgain => StatusCode::BAD_REQUEST,
            Self::NotAMember => StatusCode::FORBIDDEN,
            Self::ProviderAway => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// Title, text, and what the link to sign in is called, where there is one.
    fn english(self) -> [&'static str; 3] {
        match self {
            Self::SignIn => [
                "Device connections",
                "Please sign in with your company's account to see this page. A link that was shared \
                 with you may have expired.",
                "Sign in",
            ],
            Self::Password => [
                "Device connections",
                "This page needs a name and a password. Load it again to be asked for them.",
                "",
            ],
            Self::ThroughProxy => [
                "Device connections",
                "Please open this page at its usual address, where you sign in with your company's \
                 account. If you did, your account may lack access.",
                "",
            ],
            Self::StartAgain => [
                "The sign-in was not completed",
                "It took too long, was started in another browser, or was refused. Nothing is lost: \
                 please start again.",
                "Sign in again",
            ],
            Self::NotAMember => [
                "No access",
                "Your sign-in worked, but your account has no access to this page. Ask whoever runs it \
                 to add you.",
                "Sign in with another account",
            ],
            Self::ProviderAway => [
                "The sign-in service does not answer",
                "Your company's sign-in service cannot be reached from here at the moment. Counting \
                 goes on. Please try again shortly.",
                "Try again",
            ],
        }
    }

    fn japanese(self) -> [&'static str; 3] {
        match self {
            Self::SignIn => [
                "接続台数",
                "このページを見るには、会社のアカウントでサインインしてください。共有されたリンクは期限が切れている\
                 場合があります。",
                "サインイン",
            ],
            Self::Password => [
                "接続台数",
                "このページには名前とパスワードが必要です。再読み込みすると入力画面が表示されます。",
                "",
            ],
            Self::ThroughProxy => [
                "接続台数",
                "いつものアドレスからこのページを開き、会社のアカウントでサインインしてください。それでも表示されない\
                 場合は、アカウントに権限がありません。",
                "",
            ],
            Self::StartAgain => [
                "サインインが完了しませんでした",
                "時間切れ、別のブラウザーでの操作、または拒否のためです。もう一度やり直してください。",
                "もう一度サインイン",
            ],
            Self::NotAMember => [
                "権限がありません",
                "サインインはできましたが、このアカウントにはこのページの権限がありません。管理者に追加を依頼して\
                 ください。",
                "別のアカウントでサインイン",
            ],
            Self::ProviderAway => [
                "サインインのサービスが応答しません",
                "会社のサインインのサービスに接続できません。計測は続いています。しばらくしてからもう一度お試しくだ\
                 さい。",
                "もう一度試す",
            ],
        }
    }
}

/// Whether a request is one for a page that a person will see, rather than for data.
pub(super) fn is_wanted(method: &Method, path: &str, headers: &HeaderMap) -> bool {
    let accepts = headers
        .get(header::ACCEPT)
        .and_then(|accept| accept.to_str().ok())
        .is_some_and(|accept| accept.contains("text/html"));
    accepts && (method == Method::GET || method == Method::HEAD) && !path.starts_with("/api/")
}

/// A page in the reader's language. `sign_in` is where its link leads, an address of ours.
pub(super) fn answer(message: Message, headers: &HeaderMap, sign_in: Option<&str>) -> Response {
    let is_japanese = headers
        .get(header::ACCEPT_LANGUAGE)
        .and_then(|languages| languages.to_str().ok())
        .is_some_and(prefers_japanese);
    let (lang, [title, text, action]) = if is_japanese {
        ("ja", message.japanese())
    } else {
        ("en", message.english())
    };
    let link = match sign_in {
        Some(target) if !action.is_empty() => {
            format!("<a href=\"{}\">{action}</a>", escaped(target))
        }
        _ => String::new(),
    };
    let document = format!(
        "<!doctype html><html lang=\"{lang}\"><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width\"><title>{title}</title>\
         <style>{STYLE}</style><h1>{title}</h1><p>{text}</p>{link}</html>"
    );
    let mut response = (message.status(), document).into_response();
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CACHE_CONTROL, "no-store"),
        (header::REFERRER_POLICY, "no-referrer"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.append(header::VARY, HeaderValue::from_static("accept, cookie"));
    if let Ok(policy) = HeaderValue::from_str(&policy()) {
        headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    if message == Message::ProviderAway {
        headers.insert(header::RETRY_AFTER, HeaderValue::from(RETRY_AFTER_SECS));
    }
    response
}

/// Nothing runs, nothing is loaded, and only this very style applies.
fn policy() -> String {
    let style = STANDARD.encode(digest::digest(&digest::SHA256, STYLE.as_bytes()));
    format!(
        "default-src 'none'; style-src 'sha256-{style}'; base-uri 'none'; form-action 'none'; \
         frame-ancestors 'none'"
    )
}

/// Whether Japanese comes before English in a list of languages; browsers send the best first.
fn prefers_japanese(languages: &str) -> bool {
    languages
        .split(',')
        .map(|language| language.trim().get(..2).unwrap_or_default())
        .find(|language| {
            ["en", "ja"]
                .iter()
                .any(|known| language.eq_ignore_ascii_case(known))
        })
        .is_some_and(|language| language.eq_ignore_ascii_case("ja"))
}

/// Text as part of a document, also inside a quoted attribute.
pub(crate) fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            _ => safe.push(character),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_page_speaks_the_readers_language_and_runs_nothing() {
        for (languages, expected) in [
            ("", "Sign in"),
            ("fr-FR,ja;q=0.7,en;q=0.5", "サインイン"),
            ("en-US,ja;q=0.9", "Sign in"),
            ("JA", "サインイン"),
            ("日本", "Sign in"),
        ] {
            let mut headers = HeaderMap::new();
            let value = HeaderValue::from_bytes(languages.as_bytes()).unwrap();
            headers.insert(header::ACCEPT_LANGUAGE, value);
            let target = "/auth/login?to=%2F\"><script>";
            let response = answer(Message::SignIn, &headers, Some(target));
            assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
            let policy = response.headers()[header::CONTENT_SECURITY_POLICY]
                .to_str()
                .unwrap();
            assert!(policy.contains("frame-ancestors 'none'"), "{policy}");
            assert!(!policy.contains("unsafe"), "{policy}");
            let body = axum::body::to_bytes(response.into_body(), 1 << 16)
                .await
                .unwrap();
            let body = String::from_utf8(body.to_vec()).unwrap();
            assert!(
                body.contains(&format!(">{expected}</a>")),
                "{languages}: {body}"
            );
            assert!(!body.contains("<script>"), "{body}");
        }
    }
}
