//! Signing in with an identity provider: the whole way, and every way it is refused.

use std::time::Duration;

use chrono::TimeDelta;
use devstack::{DataDir, Postgres, PostgresOptions};
use headcount_api::{Oidc, OidcError, OidcSettings, PublicUrl, SigningKey};
use serde_json::json;

use super::provider::{CLIENT_ID, CLIENT_SECRET, Grant, REDIRECT_URI, Signer, TestProvider};
use super::*;

const BROWSER: &str = "192.0.2.1:50000";
const HTML: (&str, &str) = ("accept", "text/html");

fn settings(issuer: &str) -> OidcSettings {
    OidcSettings {
        issuer: issuer.to_owned(),
        client_id: CLIENT_ID.to_owned(),
        client_secret: Some(CLIENT_SECRET.to_owned()),
        scopes: vec!["email".to_owned()],
        groups_claim: "groups".to_owned(),
        members: Members {
            viewer_email_domains: vec!["corp.example".to_owned()],
            operator_groups: vec!["sre".to_owned()],
            ..Members::default()
        },
        session: Duration::from_secs(8 * 3600),
    }
}

fn public_url() -> PublicUrl {
    PublicUrl::parse("https://headcount.example").unwrap()
}

/// The API beside a provider, and a browser's way through them.
struct Site {
    router: Router,
    clock: Arc<ManualClock>,
}

impl Site {
    fn new(settings: OidcSettings) -> Self {
        let key = SigningKey::new(&[7; 32]).unwrap();
        Self::beside(settings, nowhere(), Some(key))
    }

    fn beside(settings: OidcSettings, store: Store, signing_key: Option<SigningKey>) -> Self {
        let oidc = Oidc::new(settings, public_url()).unwrap();
        let config = Config {
            signing_key,
            public_url: Some(public_url()),
            ..config(Access::from(Ways {
                oidc: Some(oidc),
                ..Ways::default()
            }))
        };
        let clock = clock();
        let router = guarded_router(&config, context(store, Arc::clone(&clock)));
        Self { router, clock }
    }

    async fn get(&self, uri: &str, cookie: &str) -> Answer {
        ask(
            &self.router,
            Method::GET,
            uri,
            BROWSER,
            &[HTML, ("cookie", cookie)],
        )
        .await
    }

    /// Goes to the provider: where to, and the cookie that was set.
    async fn begin(&self, back: &str) -> (String, String) {
        let uri = format!("/auth/login?to={back}");
        let sent = self.get(&uri, "").await;
        assert_eq!(sent.status, 303, "{}", sent.text);
        let cookie = cookie_of(&sent, "__Host-headcount-sign-in").unwrap();
        (sent.header(&header::LOCATION).to_owned(), cookie)
    }

    /// Comes back from it.
    async fn come_back(&self, grant: &Grant, cookie: &str) -> Answer {
        let uri = format!("/auth/callback?code=the-code&state={}", grant.state);
        self.get(&uri, cookie).await
    }

    /// All of it; the answer at the end.
    async fn sign_in(&self, provider: &TestProvider) -> Answer {
        let (location, cookie) = self.begin("/c/ph").await;
        let grant = provider.authorize(&location);
        self.come_back(&grant, &cookie).await
    }
}

/// `name=value` of a cookie that an answer sets, attributes checked.
fn cookie_of(answer: &Answer, name: &str) -> Option<String> {
    let set = answer.headers.get_all(header::SET_COOKIE).iter();
    let set = set.map(|value| value.to_str().unwrap());
    let cookie = set
        .into_iter()
        .find(|text| text.starts_with(&format!("{name}=")))?;
    for attribute in [
        "; Path=/",
        "; HttpOnly",
        "; SameSite=Lax",
        "; Secure",
        "; Max-Age=",
    ] {
        assert!(cookie.contains(attribute), "{cookie}");
    }
    assert!(!cookie.contains("Domain"), "{cookie}");
    let (pair, _) = cookie.split_once(';').unwrap();
    (!pair.ends_with('=')).then(|| pair.to_owned())
}

fn session_of(answer: &Answer) -> Option<String> {
    cookie_of(answer, "__Host-headcount-session")
}

#[tokio::test]
async fn somebody_signs_in_looks_around_and_signs_out() {
    for (signer, in_form) in [(Signer::es256(), false), (Signer::rs256(), true)] {
        let provider = TestProvider::start(signer).await;
        provider.with(|script| script.takes_secret_in_form = in_form);
        let site = Site::new(settings(&provider.issuer));
        // Strangers see a page that leads to the sign-in and back; programs a problem.
        let stranger = site.get("/c/ph?from=a&to=b", "").await;
        assert_eq!(stranger.status, 401);
        let link = "href=\"/auth/login?to=%2Fc%2Fph%3Ffrom%3Da%26to%3Db\"";
        assert!(stranger.text.contains(link), "{}", stranger.text);
        let program = site.get("/api/v1/countries", "").await;
        assert_eq!(program.status, 401);
        program.problem();

        let (location, cookie) = site.begin("%2Fc%2Fph%3Ffrom%3Da").await;
        let grant = provider.authorize(&location);
        assert_eq!(grant.response_type, "code");
        assert_eq!(grant.client_id, CLIENT_ID);
        assert_eq!(grant.redirect_uri, REDIRECT_URI);
        assert_eq!(grant.scope, "openid email");
        assert_eq!(grant.code_challenge_method, "S256");
        assert_ne!(grant.state, grant.nonce);
        assert!(grant.state.len() >= 43 && grant.nonce.len() >= 43);
        let welcome = site.come_back(&grant, &cookie).await;
        assert_eq!(welcome.status, 303, "{}", welcome.text);
        assert_eq!(welcome.header(&header::LOCATION), "/c/ph?from=a");
        assert_eq!(welcome.header(&header::CACHE_CONTROL), "no-store");
        let session = session_of(&welcome).unwrap();
        assert_eq!(site.get(COUNTS, &session).await.status, 200);
        assert_eq!(site.get(DEVICE, &session).await.status, 403);
        // The sign-in is over: neither the cookie nor the code is good again.
        assert_eq!(site.come_back(&grant, &cookie).await.status, 400);

        let bye = async |origin: &str| {
            let shown = [("cookie", session.as_str()), ("sec-fetch-site", origin)];
            ask(&site.router, Method::POST, "/auth/logout", BROWSER, &shown).await
        };
        assert_eq!(bye("cross-site").await.status, 403);
        let gone = bye("same-origin").await;
        assert_eq!(gone.status, 303);
        assert_eq!(session_of(&gone), None);
        assert!(gone.header(&header::SET_COOKIE).contains("Max-Age=0"));
        assert_eq!(site.get("/auth/logout", &session).await.status, 405);
        assert_eq!(site.get("/auth/nothing", &session).await.status, 404);
    }
}

#[tokio::test]
async fn a_role_comes_from_what_the_provider_vouches_for() {
    let provider = TestProvider::start(Signer::es256()).await;
    let site = Site::new(settings(&provider.issuer));
    let cases = [
        (json!({"groups": ["dev", "sre"]}), Some(503)),
        (json!({"groups": "sre", "email": null}), Some(503)),
        (json!({"groups": ["dev"]}), Some(403)),
        (json!({"email": "A@CORP.example"}), Some(403)),
        (json!({"email_verified": "true"}), Some(403)),
        (json!({"email_verified": false}), None),
        (json!({"email_verified": null}), None),
        (json!({"email": "a@else.example"}), None),
        (json!({"email": null, "sub": "a@corp.example"}), None),
        (
            json!({"email": "a@else.example", "groups": {"sre": true}}),
            None,
        ),
    ];
    for (claims, at_device) in cases {
        provider.with(|script| script.claims = claims.clone());
        let answer = site.sign_in(&provider).await;
        match at_device {
            Some(status) => {
                let session = session_of(&answer).unwrap();
                assert_eq!(site.get(DEVICE, &session).await.status, status, "{claims}");
            }
            None => {
                assert_eq!(answer.status, 403, "{claims}");
                assert_eq!(session_of(&answer), None);
                assert!(answer.text.contains("no access"), "{}", answer.text);
            }
        }
    }
}

#[tokio::test]
async fn a_token_that_is_not_ours_lets_nobody_in() {
    let now = NOW.parse::<Instant>().unwrap().timestamp();
    let provider = TestProvider::start(Signer::es256()).await;
    let site = Site::new(settings(&provider.issuer));
    for claims in [
        json!({"nonce": "another"}),
        json!({"nonce": null}),
        json!({"exp": now - 61}),
        json!({"exp": null}),
        json!({"exp": "never"}),
        json!({"iat": now + 61}),
        json!({"nbf": now + 61}),
        json!({"aud": "another"}),
        json!({"aud": []}),
        json!({"aud": null}),
        json!({"aud": [CLIENT_ID, "another"]}),
        json!({"azp": "another"}),
        json!({"iss": "https://evil.example"}),
        json!({"iss": null}),
        json!({"sub": null}),
    ] {
        provider.with(|script| script.claims = claims.clone());
        let answer = site.sign_in(&provider).await;
        assert!(
            answer.status == 400 || answer.status == 503,
            "{claims}: {}",
            answer.status
        );
        assert_eq!(session_of(&answer), None, "{claims}");
    }
    // What is just within bounds is taken.
    for claims in [
        json!({"exp": now - 59}),
        json!({"iat": now + 59}),
        json!({"exp": 4_102_444_800.5}),
        json!({"aud": [CLIENT_ID]}),
        json!({"aud": [CLIENT_ID, "another"], "azp": CLIENT_ID}),
    ] {
        provider.with(|script| script.claims = claims.clone());
        assert!(
            session_of(&site.sign_in(&provider).await).is_some(),
            "{claims}"
        );
    }
}

#[tokio::test]
async fn a_signature_that_the_provider_did_not_make_is_none() {
    for signer in [Signer::None, Signer::hs256()] {
        let provider = TestProvider::start(signer).await;
        let site = Site::new(settings(&provider.issuer));
        let answer = site.sign_in(&provider).await;
        assert_eq!(answer.status, 503, "{}", answer.text);
        assert_eq!(session_of(&answer), None);
    }
    // A key of another's, published under no name at all.
    let provider = TestProvider::start(Signer::es256()).await;
    let site = Site::new(settings(&provider.issuer));
    provider.with(|script| {
        script.published = Some(json!({"kty": "EC", "crv": "P-256", "kid": "first",
            "x": "AAAA", "y": "AAAA"}));
    });
    assert_eq!(site.sign_in(&provider).await.status, 503);
}

#[tokio::test]
async fn keys_may_change_at_any_time() {
    let provider = TestProvider::start(Signer::es256()).await;
    let site = Site::new(settings(&provider.issuer));
    assert!(session_of(&site.sign_in(&provider).await).is_some());
    assert!(session_of(&site.sign_in(&provider).await).is_some());
    assert_eq!(
        provider.with(|script| (script.descriptions, script.key_sets)),
        (1, 1)
    );
    for (signer, kid) in [(Signer::rs256(), "second"), (Signer::es256(), "second")] {
        provider.with(|script| {
            script.signer = signer;
            script.kid = kid.to_owned();
        });
        let answer = site.sign_in(&provider).await;
        assert!(session_of(&answer).is_some(), "{}", answer.text);
    }
    assert_eq!(
        provider.with(|script| (script.descriptions, script.key_sets)),
        (1, 3)
    );
}

#[tokio::test]
async fn a_sign_in_ends_in_the_browser_and_the_minutes_it_began_in() {
    let provider = TestProvider::start(Signer::es256()).await;
    let site = Site::new(settings(&provider.issuer));
    let (location, cookie) = site.begin("/").await;
    let grant = provider.authorize(&location);
    let (_, of_another_tab) = site.begin("/").await;
    let state = grant.state.as_str();
    for (uri, cookie) in [
        (format!("/auth/callback?code=the-code&state={state}"), ""),
        (
            format!("/auth/callback?code=the-code&state={state}"),
            of_another_tab.as_str(),
        ),
        ("/auth/callback?code=the-code&state=x".to_owned(), &cookie),
        ("/auth/callback?code=the-code".to_owned(), &cookie),
        (format!("/auth/callback?state={state}"), &cookie),
        (
            format!("/auth/callback?error=access_denied&state={state}"),
            &cookie,
        ),
        (
            format!("/auth/callback?error=x&code=the-code&state={state}"),
            &cookie,
        ),
        (format!("/auth/callback?code=wrong&state={state}"), &cookie),
        (
            format!("/auth/callback?code=the-code&state={state}&iss=https://evil.example"),
            &cookie,
        ),
        ("/auth/callback".to_owned(), &cookie),
        (
            format!("/auth/callback?code=the-code&code=b&state={state}"),
            &cookie,
        ),
    ] {
        let answer = site.get(&uri, cookie).await;
        assert_eq!(answer.status, 400, "{uri}: {}", answer.text);
        assert!(answer.text.contains("/auth/login"), "{}", answer.text);
        assert_eq!(session_of(&answer), None, "{uri}");
    }
    let grant = provider.authorize(&location);
    let at = |secs| NOW.parse::<Instant>().unwrap() + TimeDelta::seconds(secs);
    site.clock.set(at(600));
    assert_eq!(site.come_back(&grant, &cookie).await.status, 400);
    // A sign-in that nobody finished still can be, within its ten minutes.
    site.clock.set(at(59));
    let answer = site.come_back(&grant, &cookie).await;
    let session = session_of(&answer).unwrap();
    for (secs, status) in [(59 + 8 * 3600 - 1, 200), (59 + 8 * 3600, 401)] {
        site.clock.set(at(secs));
        assert_eq!(site.get(COUNTS, &session).await.status, status);
    }
    // Nor does a session outlive a change of who may come in, or an edit by whoever holds it.
    site.clock.set(at(60));
    let mut stricter = settings(&provider.issuer);
    stricter.members.operator_groups.clear();
    assert_eq!(Site::new(stricter).get(COUNTS, &session).await.status, 401);
    assert_eq!(
        site.get(COUNTS, &session.replace("session=e", "session=f"))
            .await
            .status,
        401
    );
    let as_sign_in = cookie.replace("sign-in", "session");
    assert_eq!(site.get(COUNTS, &as_sign_in).await.status, 401);
}

#[tokio::test]
async fn nobody_is_led_to_another_site() {
    let provider = TestProvider::start(Signer::es256()).await;
    let site = Site::new(settings(&provider.issuer));
    for target in [
        "https://evil.example",
        "//evil.example",
        "/%5Cevil.example",
        "/%0d%0aX:y",
    ] {
        let (location, cookie) = site.begin(target).await;
        let grant = provider.authorize(&location);
        let answer = site.come_back(&grant, &cookie).await;
        assert_eq!(answer.header(&header::LOCATION), "/", "{target}");
    }
}

#[tokio::test]
async fn a_provider_that_is_away_is_said_to_be_and_sessions_go_on() {
    // One refuses connections, one takes them and says nothing, one is somebody else.
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let silent_issuer = format!("http://{}", silent.local_addr().unwrap());
    let other = TestProvider::start(Signer::es256()).await;
    other.with(|script| script.issuer = Some("https://evil.example".to_owned()));
    for issuer in ["http://127.0.0.1:1", &silent_issuer, &other.issuer] {
        let site = Site::new(settings(issuer));
        let answer = site.get("/auth/login?to=/c/ph", "").await;
        assert_eq!(answer.status, 503, "{issuer}");
        assert_eq!(answer.header(&header::RETRY_AFTER), "10");
        assert!(answer.text.contains("does not answer"), "{}", answer.text);
        assert!(
            answer.text.contains("/auth/login?to=%2Fc%2Fph"),
            "{}",
            answer.text
        );
        assert_eq!(site.get("/livez", "").await.status, 200);
    }
    let provider = TestProvider::start(Signer::es256()).await;
    let site = Site::new(settings(&provider.issuer));
    let session = session_of(&site.sign_in(&provider).await).unwrap();
    let (location, cookie) = site.begin("/").await;
    let grant = provider.authorize(&location);
    drop(provider);
    assert_eq!(site.come_back(&grant, &cookie).await.status, 503);
    assert_eq!(site.get(COUNTS, &session).await.status, 200);
}

#[test]
fn a_provider_is_described_safely_or_not_at_all() {
    let refused = |change: &dyn Fn(&mut OidcSettings), url: &str| {
        let mut settings = settings("https://login.example/realm");
        change(&mut settings);
        Oidc::new(settings, PublicUrl::parse(url).unwrap()).err()
    };
    let ours = "https://headcount.example";
    assert_eq!(refused(&|_| {}, ours), None);
    assert_eq!(refused(&|_| {}, "http://127.0.0.1:8080"), None);
    assert_eq!(
        refused(&|_| {}, "http://headcount.example"),
        Some(OidcError::PublicUrl)
    );
    for issuer in [
        "",
        "login.example",
        "http://login.example",
        "https://a@b",
        "https://a/?b",
    ] {
        let change = |settings: &mut OidcSettings| issuer.clone_into(&mut settings.issuer);
        assert_eq!(refused(&change, ours), Some(OidcError::Issuer), "{issuer}");
    }
    assert_eq!(
        refused(&|s| s.client_id.clear(), ours),
        Some(OidcError::ClientId)
    );
    let nobody = |settings: &mut OidcSettings| settings.members = Members::default();
    assert_eq!(refused(&nobody, ours), Some(OidcError::Nobody));
}

#[tokio::test]
async fn processes_that_share_a_database_share_its_sessions() {
    let folder = DataDir::temporary().unwrap();
    let start = move || Postgres::start(&folder, PostgresOptions::fast()).map(|it| (it, folder));
    let (server, _folder) = tokio::task::spawn_blocking(start).await.unwrap().unwrap();
    server.create_database("keys").unwrap();
    let store = store_at(server.url("keys"));
    store.migrate().await.unwrap();
    let provider = TestProvider::start(Signer::es256()).await;
    let site = |store: &Store| Site::beside(settings(&provider.issuer), store.clone(), None);
    let (one, two) = (site(&store), site(&store));
    let first = session_of(&one.sign_in(&provider).await).unwrap();
    let second = session_of(&two.sign_in(&provider).await).unwrap();
    for session in [&first, &second] {
        assert_eq!(one.get(COUNTS, session).await.status, 200);
        assert_eq!(two.get(COUNTS, session).await.status, 200);
    }
    // A process that does not get at the key says so, and asks nobody to sign in again.
    let lost = site(&nowhere());
    assert_eq!(lost.get(COUNTS, &first).await.status, 503);
    assert_eq!(lost.get("/livez", &first).await.status, 200);
    // What somebody else made first is what counts, whoever asks.
    let kept = store.keep_secret("another", b"first").await.unwrap();
    assert_eq!(kept, b"first");
    assert_eq!(
        store.keep_secret("another", b"second").await.unwrap(),
        b"first"
    );
}
