//! The first of two layers against requests that another site makes a browser send (OWASP CSRF, Fetch Metadata).

use cell_model::problem::Problem;
use http::header::ORIGIN;
use http::{HeaderMap, Method};
use subtle::ConstantTimeEq;

/// The header programs carry the token in.
pub(crate) const TOKEN_HEADER: &str = "x-csrf-token";
/// The field forms carry the token in.
pub(crate) const TOKEN_FIELD: &str = "csrf_token";

/// Whether a method can change anything.
pub(crate) fn changes(method: &Method) -> bool {
    matches!(
        *method,
        Method::POST | Method::PUT | Method::PATCH | Method::DELETE
    )
}

/// Refuses what a browser says comes from another site. A program that says nothing passes: the token decides.
pub(crate) fn check(headers: &HeaderMap, authority: &str) -> Result<(), Problem> {
    let site = headers.get_all("sec-fetch-site").iter();
    let origin = headers.get_all(ORIGIN).iter();
    let own_site = |value: &http::HeaderValue| value == "same-origin" || value == "none";
    let own_origin = |value: &http::HeaderValue| {
        let host = value
            .to_str()
            .ok()
            .and_then(|text| text.strip_prefix("https://"));
        host.is_some_and(|host| {
            without_default_port(host).eq_ignore_ascii_case(without_default_port(authority))
        })
    };
    if site
        .map(own_site)
        .chain(origin.map(own_origin))
        .all(|own| own)
    {
        Ok(())
    } else {
        Err(refused())
    }
}

/// Whether the token sent is the session's; takes the same time for every wrong one.
pub(crate) fn token_matches(expected: &str, sent: &str) -> bool {
    !expected.is_empty() && bool::from(expected.as_bytes().ct_eq(sent.as_bytes()))
}

/// 403: another site's request, or a form that is too old.
pub(crate) fn refused() -> Problem {
    Problem::new(
        403,
        "csrf",
        "The request does not come from a page of this box",
        "Load the page again and send it once more. Programs send the token of GET /api/auth/csrf-token \
         as X-CSRF-Token.",
    )
}

/// Browsers leave the default port out of `Origin`; a program may write it in `Host`.
fn without_default_port(authority: &str) -> &str {
    authority.strip_suffix(":443").unwrap_or(authority)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passes(lines: &[(&'static str, &'static str)], authority: &str) -> bool {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(*name, http::HeaderValue::from_static(value));
        }
        check(&headers, authority).is_ok()
    }

    #[test]
    fn own_pages_and_silent_programs_pass() {
        let host = "box.local:8443";
        assert!(passes(&[], host));
        assert!(passes(&[("origin", "https://box.local:8443")], host));
        assert!(passes(
            &[("origin", "https://box.local:8443")],
            "BOX.local:8443"
        ));
        assert!(passes(&[("sec-fetch-site", "same-origin")], host));
        assert!(passes(&[("sec-fetch-site", "none")], host));
        assert!(passes(&[("origin", "https://box.local")], "box.local:443"));
    }

    #[test]
    fn other_sites_are_refused() {
        let host = "box.local:8443";
        for origin in [
            "null",
            "",
            "http://box.local:8443",
            "https://box.local",
            "https://box.local:84430",
            "https://evil.example",
            "https://box.local:8443.evil.example",
            "https://box.local:8443/",
        ] {
            assert!(!passes(&[("origin", origin)], host), "{origin}");
        }
        for site in ["cross-site", "same-site", "", "Same-Origin"] {
            assert!(!passes(&[("sec-fetch-site", site)], host), "{site}");
        }
    }

    #[test]
    fn one_foreign_word_among_own_ones_is_enough() {
        let own = ("origin", "https://a");
        assert!(!passes(&[own, ("origin", "https://b")], "a"));
        assert!(!passes(&[own, ("sec-fetch-site", "cross-site")], "a"));
    }

    #[test]
    fn token_must_be_there_and_equal() {
        assert!(token_matches("abc", "abc"));
        assert!(!token_matches("abc", "abd"));
        assert!(!token_matches("abc", "ab"));
        assert!(!token_matches("", ""));
    }
}
