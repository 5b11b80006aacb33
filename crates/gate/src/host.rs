//! Whose name a request was sent to. Rebinding attacks need a name of their own, so only our names pass, and
//! addresses, which no attacker's DNS can rebind.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, Ipv6Addr};

use cell_model::problem::Problem;
use http::header::HOST;
use http::request::Parts;

/// The host and port the request was sent to, as written, when it is ours. 400 when that cannot be told,
/// 421 when it is somebody else's.
pub(crate) fn check(parts: &Parts, own: &BTreeSet<String>) -> Result<String, Problem> {
    let authority = authority(parts).ok_or_else(bad_host)?;
    if parts
        .uri
        .scheme_str()
        .is_some_and(|scheme| scheme != "https")
    {
        return Err(foreign_host());
    }
    let host = host(authority).ok_or_else(bad_host)?;
    let ours = match host.strip_prefix('[') {
        Some(rest) => {
            let address = rest.strip_suffix(']').ok_or_else(bad_host)?;
            address.parse::<Ipv6Addr>().map_err(|_| bad_host())?;
            true
        }
        None => {
            let name = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
            host.parse::<Ipv4Addr>().is_ok() || name == "localhost" || own.contains(&name)
        }
    };
    if ours {
        Ok(authority.to_owned())
    } else {
        Err(foreign_host())
    }
}

/// The one authority the request names. HTTP/2 carries it in the request target, HTTP/1.1 in `Host`; where both are
/// there they must agree, or what we check is not what another reader of the request would see.
fn authority(parts: &Parts) -> Option<&str> {
    let target = parts.uri.authority().map(http::uri::Authority::as_str);
    let mut lines = parts.headers.get_all(HOST).iter();
    let header = match lines.next() {
        Some(line) => Some(line.to_str().ok()?),
        None => None,
    };
    if lines.next().is_some() {
        return None;
    }
    match (target, header) {
        (Some(target), Some(header)) => target.eq_ignore_ascii_case(header).then_some(target),
        (one, other) => one.or(other),
    }
}

/// The authority without its port. `None` when it is not a host with, perhaps, a port.
fn host(authority: &str) -> Option<&str> {
    let host = match authority.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => {
            let digits = !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
            (digits && port.parse::<u16>().is_ok()).then_some(host)?
        }
        _ => authority,
    };
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    let inside = match host
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
    {
        Some(inner) => return inner.contains(':').then_some(host),
        None => host,
    };
    (!inside.is_empty() && inside.bytes().all(fits)).then_some(host)
}

fn bad_host() -> Problem {
    Problem::new(
        400,
        "bad_host",
        "The request does not say which host it is for",
        "Send one Host header with a host name or address.",
    )
}

fn foreign_host() -> Problem {
    Problem::new(
        421,
        "foreign_host",
        "This box does not answer to that name",
        "Open it by its address or by one of its own names.",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::Request;

    fn status(uri: &str, hosts: &[&str]) -> u16 {
        let mut request = Request::builder().uri(uri);
        for host in hosts {
            request = request.header(HOST, *host);
        }
        let (parts, ()) = request.body(()).unwrap().into_parts();
        let own = BTreeSet::from(["box.home.cell".to_owned(), "box.local".to_owned()]);
        check(&parts, &own).map_or_else(|problem| problem.status, |_| 200)
    }

    #[test]
    fn addresses_localhost_and_own_names_pass_on_any_port() {
        for host in [
            "10.0.0.1",
            "10.0.0.1:99",
            "[::1]",
            "[fd00::1]:8443",
            "localhost",
            "LOCALHOST:1",
            "localhost.",
            "box.home.cell",
            "Box.Home.Cell.:8443",
            "box.local",
        ] {
            assert_eq!(status("/", &[host]), 200, "{host}");
        }
    }

    #[test]
    fn foreign_names_are_misdirected() {
        for host in [
            "evil.example",
            "192.168.1.1.evil.example",
            "box.home.cell.evil.example",
            "evil.localhost",
            "evilbox.local",
            "0x7f000001",
            "2130706433",
            "127.1",
            "010.0.0.1",
            "box.home.cell..",
        ] {
            assert_eq!(status("/", &[host]), 421, "{host}");
        }
    }

    #[test]
    fn what_is_no_host_is_refused() {
        for host in [
            "",
            ":",
            ":8443",
            "[",
            "[]",
            "[::1",
            "[10.0.0.1]",
            "::1",
            "[::1]x",
            "[fe80::1%25eth0]",
            "box.local:",
            "box.local:port",
            "box.local:65536",
            "box.local:+1",
            "user@box.local",
            "box.local/",
            "box.local, box.local",
            "box local",
            "b\u{f6}x.local",
        ] {
            assert_eq!(status("/", &[host]), 400, "{host}");
        }
        assert_eq!(status("/", &[]), 400);
        assert_eq!(status("/", &["box.local", "box.local"]), 400);
        assert_eq!(status("/", &["box.local", "evil.example"]), 400);
    }

    #[test]
    fn absolute_target_must_agree_with_the_header() {
        assert_eq!(status("https://box.local/x", &[]), 200);
        assert_eq!(status("https://box.local:8443/x", &["BOX.local:8443"]), 200);
        assert_eq!(status("https://evil.example/x", &["box.local"]), 400);
        assert_eq!(status("https://box.local/x", &["evil.example"]), 400);
        assert_eq!(status("https://evil.example/x", &["evil.example"]), 421);
        assert_eq!(status("http://box.local/x", &["box.local"]), 421);
    }
}
