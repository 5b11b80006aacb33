//! What routes are made of.

use std::collections::BTreeSet;

use cell_model::spec::ProxySpec;
use ipnet::IpNet;
use serde_json::{Value, json};

/// How long requests that are under way may take when something else is loaded: an upload over a slow line.
pub(super) const LASTING: &str = "1h";
/// Time to reach a program on this box.
const DIAL: &str = "5s";
/// The header in which the box says whose a request is.
pub(super) const ACCOUNT: &str = "X-Account";
/// Headers of requests that only a proxy may set. Names with an underscore are among them: many programs take `_` and
/// `-` for the same, and would take one for the header that is set here.
const OF_PROXIES: [&str; 9] = [
    "*_*",
    ACCOUNT,
    "Forwarded",
    "Proxy",
    "X-Forwarded-*",
    "X-Original-*",
    "X-Real-Ip",
    "X-Rewrite-Url",
    "X-Script-Name",
];

/// Takes from every request what its client must not say, and from every answer what nobody needs to know.
pub(super) fn untold(spec: &ProxySpec) -> Value {
    let accounts = spec.hosts.iter();
    let accounts = accounts.filter_map(|host| host.account_header.as_deref());
    let taken: BTreeSet<&str> = accounts.chain(OF_PROXIES).collect();
    // Clients are told the port that they use, which is not always the one of the listener.
    let http3 = format!("h3=\":{}\"; ma=2592000", spec.outside_https_port);
    json!({
        "handler": "headers",
        "request": { "delete": taken },
        "response": {
            "deferred": true,
            "delete": ["Server", "Via"],
            "set": { "Alt-Svc": [http3] },
        },
    })
}

/// Takes from an answer who gives it.
pub(super) fn nameless() -> Value {
    json!({
        "handler": "headers",
        "response": { "deferred": true, "delete": ["Server"] },
    })
}

/// Passes a request on. Nothing is kept back: bodies go through piece by piece, and so do answers without a length.
pub(super) fn pass(dial: &str) -> Value {
    json!({
        "handler": "reverse_proxy",
        "upstreams": [{ "dial": dial }],
        "transport": {
            "protocol": "http",
            "versions": ["1.1"],
            "dial_timeout": DIAL,
            "compression": false,
        },
        "stream_close_delay": LASTING,
    })
}

/// An answer with nothing but a status.
pub(super) fn status(status: u16) -> Value {
    json!({ "handler": "static_response", "status_code": status })
}

/// A route for these names alone.
pub(super) fn only_for<'a>(names: impl IntoIterator<Item = &'a str>, handle: Vec<Value>) -> Value {
    let names: Vec<&str> = names.into_iter().collect();
    json!({
        "match": [{ "host": names }],
        "handle": handle,
        "terminal": true,
    })
}

/// A route for people at home and devices alone.
pub(super) fn at_home(route: Value, spec: &ProxySpec) -> Value {
    from(route, &spec.sources)
}

/// A route for these networks alone.
pub(super) fn from(mut route: Value, networks: &BTreeSet<IpNet>) -> Value {
    route["match"][0]["remote_ip"] = within(networks);
    route
}

/// Matches clients at home.
pub(super) fn home(spec: &ProxySpec) -> Value {
    within(&spec.sources)
}

/// Matches clients in these networks. No list at all would match everybody, so where there are none it has an address
/// that no packet is from.
pub(super) fn within(networks: &BTreeSet<IpNet>) -> Value {
    const NOWHERE: &str = "0.0.0.0/32";
    match networks.is_empty() {
        true => json!({ "ranges": [NOWHERE] }),
        false => json!({ "ranges": networks }),
    }
}

/// A text in which Caddy shall see no placeholder.
pub(super) fn literal(text: &str) -> String {
    text.replace('{', "\\{")
}
