//! The session cookie. `__Host-` makes the browser insist on Secure, `Path=/` and no domain, so no other host
//! and no plain-HTTP page can plant one (RFC 6265bis, section 4.1.3.2).

use cell_control::caller::Credential;
use cell_model::secret::Secret;
use http::HeaderMap;
use http::header::{self, HeaderValue};

/// Its name.
const NAME: &str = "__Host-cell";
const ATTRIBUTES: &str = "Path=/; Secure; HttpOnly; SameSite=Strict";
/// Tokens have 43 characters; what is much longer is not worth a call to the core.
const MAX_TOKEN: usize = 128;

/// What the caller shows: the token of exactly one session cookie, else nothing. Two of them mean that somebody
/// planted one, and which counts would be chance.
pub(crate) fn credential(headers: &HeaderMap) -> Credential {
    let mut tokens = headers
        .get_all(header::COOKIE)
        .iter()
        .flat_map(|line| line.as_bytes().split(|&byte| byte == b';'))
        .filter_map(|pair| {
            let pair = std::str::from_utf8(pair).ok()?.trim_matches([' ', '\t']);
            let (name, value) = pair.split_once('=')?;
            (name == NAME).then_some(value)
        });
    match (tokens.next(), tokens.next()) {
        (Some(token), None)
            if !token.is_empty()
                && token.len() <= MAX_TOKEN
                && token.bytes().all(|byte| byte.is_ascii_graphic()) =>
        {
            Credential::Session(Secret::new(token.to_owned()))
        }
        _ => Credential::Nobody,
    }
}

/// `Set-Cookie` that hands a token out. `None` when the token is not fit for a header, which ours are.
pub(crate) fn session(token: &Secret<String>) -> Option<HeaderValue> {
    let mut value =
        HeaderValue::from_str(&format!("{NAME}={}; {ATTRIBUTES}", token.expose())).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// `Set-Cookie` that takes the token away.
pub(crate) fn no_session() -> HeaderValue {
    HeaderValue::from_static("__Host-cell=; Path=/; Secure; HttpOnly; SameSite=Strict; Max-Age=0")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(lines: &[&'static str]) -> Option<String> {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(header::COOKIE, HeaderValue::from_static(line));
        }
        match credential(&headers) {
            Credential::Session(token) => Some(token.expose().clone()),
            _ => None,
        }
    }

    #[test]
    fn token_is_found_among_other_cookies() {
        assert_eq!(token(&["a=b; __Host-cell=abc;c=d"]).as_deref(), Some("abc"));
        assert_eq!(token(&["a=b", "__Host-cell=abc"]).as_deref(), Some("abc"));
    }

    #[test]
    fn only_the_exact_name_counts() {
        for line in [
            "cell=abc",
            "__Host-cell2=abc",
            "__host-cell=abc",
            "x__Host-cell=abc",
            "__Host-cell",
            "",
        ] {
            assert_eq!(token(&[line]), None, "{line}");
        }
    }

    #[test]
    fn two_sessions_are_none() {
        assert_eq!(token(&["__Host-cell=abc; __Host-cell=def"]), None);
        assert_eq!(token(&["__Host-cell=abc", "__Host-cell=abc"]), None);
    }

    #[test]
    fn garbage_is_not_carried_to_the_core() {
        assert_eq!(token(&["__Host-cell="]), None);
        assert_eq!(token(&["__Host-cell=a b"]), None);
        let long = format!("__Host-cell={}", "x".repeat(129));
        let headers =
            HeaderMap::from_iter([(header::COOKIE, HeaderValue::from_str(&long).unwrap())]);
        assert!(matches!(credential(&headers), Credential::Nobody));
    }

    #[test]
    fn cookie_has_what_its_prefix_asks_for() {
        let cookie = session(&Secret::new("abc".to_owned())).unwrap();
        assert_eq!(
            cookie,
            "__Host-cell=abc; Path=/; Secure; HttpOnly; SameSite=Strict"
        );
        assert!(cookie.is_sensitive());
        assert!(no_session().to_str().unwrap().contains("Max-Age=0"));
    }
}
