//! Cookies of ours: for this host alone, out of reach of scripts, and not sent along by other sites
//! but for following a link.

use axum::http::{HeaderMap, HeaderValue, header};

/// A cookie of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Cookie {
    /// Its name where the page is served over HTTPS. A browser takes a `__Host-` cookie from the
    /// host itself only, over HTTPS only, and for the whole host: no neighbour can plant one.
    secure_name: &'static str,
    /// Its name on loopback, where there is no HTTPS.
    plain_name: &'static str,
}

/// Who is signed in.
pub(super) const SESSION: Cookie = Cookie {
    secure_name: "__Host-headcount-session",
    plain_name: "headcount-session",
};

/// A sign-in under way.
pub(super) const SIGN_IN: Cookie = Cookie {
    secure_name: "__Host-headcount-sign-in",
    plain_name: "headcount-sign-in",
};

impl Cookie {
    fn name(self, is_https: bool) -> &'static str {
        if is_https {
            self.secure_name
        } else {
            self.plain_name
        }
    }

    /// Its value in a request. One that is there twice was planted, and is nobody's.
    pub(super) fn read(self, headers: &HeaderMap, is_https: bool) -> Option<&str> {
        let mut values = headers
            .get_all(header::COOKIE)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(';'))
            .filter_map(|pair| pair.trim().split_once('='))
            .filter(|(name, _)| *name == self.name(is_https))
            .map(|(_, value)| value);
        let value = values.next()?;
        values.next().is_none().then_some(value)
    }

    /// The header that has a browser keep it for so long. The value is one of ours, of letters,
    /// digits, `-`, `_` and dots.
    pub(super) fn set(self, value: &str, max_age_secs: i64, is_https: bool) -> Option<HeaderValue> {
        let name = self.name(is_https);
        let secure = if is_https { "; Secure" } else { "" };
        let text = format!(
            "{name}={value}; Path=/; Max-Age={max_age_secs}; HttpOnly; SameSite=Lax{secure}"
        );
        HeaderValue::from_str(&text).ok()
    }

    /// The header that has a browser forget it.
    pub(super) fn forget(self, is_https: bool) -> Option<HeaderValue> {
        self.set("", 0, is_https)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cookie_is_ours_by_its_full_name_and_once() {
        let read = |values: &[&str], is_https| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(header::COOKIE, value.parse().unwrap());
            }
            SESSION.read(&headers, is_https).map(str::to_owned)
        };
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(read(&["headcount-session=a.b"], false), some("a.b"));
        assert_eq!(read(&["x=1; headcount-session=a; y"], false), some("a"));
        assert_eq!(
            read(&["x=1", "__Host-headcount-session=a"], true),
            some("a")
        );
        for planted in [
            &["headcount-session=a; headcount-session=b"][..],
            &["headcount-session=a", "headcount-session=a"],
            &["Headcount-Session=a"],
            &["__Host-headcount-session=a"],
            &["headcount-session"],
            &[],
        ] {
            assert_eq!(read(planted, false), None, "{planted:?}");
        }
        assert_eq!(read(&["headcount-session=a"], true), None);
        assert_eq!(
            SESSION.set("a", 60, true).unwrap(),
            "__Host-headcount-session=a; Path=/; Max-Age=60; HttpOnly; SameSite=Lax; Secure"
        );
        assert_eq!(
            SIGN_IN.forget(false).unwrap(),
            "headcount-sign-in=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax"
        );
    }
}
