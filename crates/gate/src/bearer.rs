//! Tokens of programs, as `Authorization: Bearer` (RFC 6750, section 2.1).

use cell_control::caller::Credential;
use cell_model::secret::Secret;
use http::HeaderMap;
use http::header::AUTHORIZATION;

/// Tokens have 31 characters; what is much longer is not worth a call to the core.
const MAX_TOKEN: usize = 128;

/// The token of exactly one such header. `None` without any: then a cookie may count. Another scheme, or two headers, are
/// nobody: a program that means to show a token shall not be taken for whoever has a cookie.
pub(crate) fn credential(headers: &HeaderMap) -> Option<Credential> {
    let mut lines = headers.get_all(AUTHORIZATION).iter();
    let line = lines.next()?;
    let only = lines.next().is_none();
    let token = line.to_str().ok().filter(|_| only).and_then(token);
    Some(token.map_or(Credential::Nobody, |token| {
        Credential::Token(Secret::new(token.to_owned()))
    }))
}

fn token(line: &str) -> Option<&str> {
    let (scheme, token) = line.split_once(' ')?;
    let token = token.trim_matches(' ');
    let is_one = !token.is_empty()
        && token.len() <= MAX_TOKEN
        && token.bytes().all(|byte| byte.is_ascii_graphic());
    (scheme.eq_ignore_ascii_case("bearer") && is_one).then_some(token)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What lines of the header show: `None` for none, otherwise the token, or nothing for nobody.
    fn shown(lines: &[&'static str]) -> Option<String> {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(AUTHORIZATION, http::HeaderValue::from_static(line));
        }
        credential(&headers).map(|credential| match credential {
            Credential::Token(token) => token.expose().clone(),
            _ => String::new(),
        })
    }

    #[test]
    fn one_token_counts_and_anything_else_is_nobody() {
        assert_eq!(shown(&[]), None);
        for line in ["Bearer cell_abc", "bearer cell_abc", "BEARER  cell_abc "] {
            assert_eq!(shown(&[line]).as_deref(), Some("cell_abc"), "{line}");
        }
        for lines in [
            &["Basic YTpi"][..],
            &["Bearer"],
            &["Bearer "],
            &["Bearer a b"],
            &[""],
            &["Bearer cell_abc", "Bearer cell_abc"],
        ] {
            assert_eq!(shown(lines).as_deref(), Some(""), "{lines:?}");
        }
    }
}
