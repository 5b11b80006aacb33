//! What Caddy is told, as values. Pure. Names of fields and handlers are those of Caddy 2.11's JSON.
//!
//! A name that is not in the spec gets as far as its name: a TLS handshake without a certificate, or the status 421. To
//! the internet, so does every name that is not public, and to another cell every one that is not shared with it either.

mod admin;
mod handlers;
mod hosts;
#[cfg(test)]
pub(crate) mod sample;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use cell_model::spec::{HTTPS_PORT, ProxyHostSpec, ProxySpec};
use serde_json::{Value, json};

use self::handlers::{LASTING, at_home, only_for, status};
use crate::Certificates;

/// What certificate and listener know each other by.
const TAG: &str = "cell";
/// Time for the lines of a request that come before its body.
const READ_HEADER: &str = "10s";
/// Time a connection may be left without a request.
const IDLE: &str = "2m";
/// Bytes of a request before its body. Four times what programs behind a proxy usually take.
const MAX_HEADER_BYTES: u32 = 32 * 1024;
/// Lines of one kind that are logged about requests in a minute.
const LOGGED_A_MINUTE: u32 = 20;
/// In nanoseconds: here Caddy takes no words.
const MINUTE_NS: u64 = 60_000_000_000;

/// The whole config. With nothing to answer there is no HTTP in it, and no certificate.
pub(crate) fn config(spec: &ProxySpec, certificates: &Certificates) -> Value {
    let mut config = json!({
        "admin": {
            "listen": format!("unix/{}|0600", spec.control),
            "config": { "persist": false },
        },
        "logging": logging(),
    });
    let names = names(spec);
    if !names.is_empty() {
        config["apps"] = json!({
            "http": {
                "http_port": spec.http_port,
                "https_port": spec.https_port,
                "grace_period": LASTING,
                "servers": {
                    "http": plain(spec, &names),
                    "https": secure(spec, &names),
                },
            },
            "tls": {
                "certificates": {
                    "load_pem": [{
                        "certificate": certificates.chain(),
                        "key": certificates.key().expose(),
                        "tags": [TAG],
                    }],
                },
                // Certificates are the vault's business: none is looked after here, and nobody is asked about one.
                "disable_ocsp_stapling": true,
                "disable_storage_check": true,
                "disable_storage_clean": true,
            },
        });
    }
    config
}

/// All names that are answered.
fn names(spec: &ProxySpec) -> BTreeSet<&str> {
    let hosts = spec.hosts.iter().flat_map(|host| &host.names);
    let admin = spec.admin.iter().flat_map(|admin| &admin.names);
    hosts.chain(admin).map(|name| name.as_str()).collect()
}

/// Those that the internet may know of.
fn public_names(spec: &ProxySpec) -> BTreeSet<&str> {
    let public = spec.hosts.iter().filter(|host| host.public);
    let names = public.flat_map(|host| &host.names);
    names.map(|name| name.as_str()).collect()
}

/// Hosts that people of other cells may know of, and whom none else but those at home may.
fn shared(spec: &ProxySpec) -> impl Iterator<Item = &ProxyHostSpec> {
    let hosts = spec.hosts.iter();
    hosts.filter(|host| !host.public && !host.guests.is_empty())
}

/// Who comes without TLS is sent to where there is TLS.
fn plain(spec: &ProxySpec, names: &BTreeSet<&str>) -> Value {
    let port = match spec.outside_https_port {
        HTTPS_PORT => String::new(),
        port => format!(":{port}"),
    };
    let mut redirect = status(308);
    redirect["headers"] = json!({
        "Location": [format!("https://{{http.request.host}}{port}{{http.request.uri}}")],
    });
    let mut server = server(spec.http_port, &["h1"]);
    let mut routes = vec![
        json!({ "handle": [handlers::nameless()] }),
        at_home(
            only_for(names.iter().copied(), vec![redirect.clone()]),
            spec,
        ),
    ];
    let public = public_names(spec);
    routes.extend((!public.is_empty()).then(|| only_for(public, vec![redirect.clone()])));
    routes.extend(shared(spec).map(|host| {
        let names = host.names.iter().map(|name| name.as_str());
        handlers::from(only_for(names, vec![redirect.clone()]), &host.guests)
    }));
    routes.push(misdirected());
    server["routes"] = json!(routes);
    server
}

fn secure(spec: &ProxySpec, names: &BTreeSet<&str>) -> Value {
    let mut routes = vec![json!({ "handle": [handlers::untold(spec)] })];
    let hosts = spec.hosts.iter();
    routes.extend(hosts.map(|host| hosts::route(host, spec)));
    let admin = spec.admin.iter();
    routes.extend(admin.map(|admin| admin::route(admin, spec)));
    routes.push(misdirected());
    let mut server = server(spec.https_port, &["h1", "h2", "h3"]);
    server["routes"] = json!(routes);
    // Who names one host to TLS and another to HTTP is answered 421.
    server["strict_sni_host"] = json!(true);
    let policy =
        |matched: Value| json!({ "match": matched, "certificate_selection": { "any_tag": [TAG] } });
    let home = policy(json!({ "sni": names, "remote_ip": handlers::home(spec) }));
    let public = public_names(spec);
    let public = (!public.is_empty()).then(|| policy(json!({ "sni": public })));
    let shared = shared(spec).map(|host| {
        policy(json!({ "sni": host.names, "remote_ip": handlers::within(&host.guests) }))
    });
    let policies = [home].into_iter().chain(public).chain(shared);
    server["tls_connection_policies"] = policies.collect();
    server
}

/// What is the same for both.
fn server(port: u16, protocols: &[&str]) -> Value {
    json!({
        "listen": [format!(":{port}")],
        "protocols": protocols,
        "automatic_https": { "disable": true },
        "read_header_timeout": READ_HEADER,
        "idle_timeout": IDLE,
        "max_header_bytes": MAX_HEADER_BYTES,
        "errors": { "routes": [{ "handle": [handlers::nameless()] }] },
    })
}

/// For whom no route was meant.
fn misdirected() -> Value {
    let mut refusal = status(421);
    refusal["close"] = json!(true);
    json!({ "handle": [refusal] })
}

/// What an operator has to know, on standard error: no requests but those that Caddy itself could not answer, and of
/// those neither what is asked for in detail nor who asks with which password.
fn logging() -> Value {
    let encoder = json!({
        "format": "filter",
        "wrap": { "format": "json" },
        "fields": {
            "request>headers": { "filter": "delete" },
            "request>uri": { "filter": "regexp", "regexp": "\\?.*", "value": "" },
        },
    });
    json!({
        "logs": {
            "default": {
                "level": "WARN",
                "exclude": ["http.log.error"],
                "writer": { "output": "stderr" },
                "encoder": encoder,
            },
            // All of them are of this level where there are routes for errors.
            "requests": {
                "level": "DEBUG",
                "include": ["http.log.error"],
                "writer": { "output": "stderr" },
                "encoder": encoder,
                "sampling": { "interval": MINUTE_NS, "first": LOGGED_A_MINUTE, "thereafter": 0 },
            },
        },
    })
}
