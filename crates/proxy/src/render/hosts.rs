//! Hosts of services.

use cell_model::name::ServiceId;
use cell_model::spec::{AnswersSpec, DocumentSpec, ProxyHostSpec, ProxySpec};
use serde_json::{Value, json};

use super::handlers::{ACCOUNT, from, literal, only_for, pass, status};

/// In seconds: a service that is updated is rarely away for longer.
const AGAIN: &str = "30";
const MIB: u64 = 1024 * 1024;
/// The most bytes of a question that is only sent on.
const QUESTION: u64 = 16 * 1024;
/// A year, in seconds: browsers use TLS without having been told so.
const STRICT_TRANSPORT: &str = "max-age=31536000";
/// Time for the box to say whose a request is. It looks nothing up on a disk.
const ANSWER: &str = "10s";
/// Headers that are the service's business, or about a body or a connection that the box does not get.
const NOT_ASKED: [&str; 6] = [
    "Accept*",
    "Connection",
    "Content-*",
    "Cookie",
    "Expect",
    "Upgrade",
];

/// All that happens to a request for a service, in this order.
pub(super) fn route(host: &ProxyHostSpec, spec: &ProxySpec) -> Value {
    let mut routes = vec![json!({ "handle": [strict_transport(host)] })];
    routes.extend(refused(host));
    let backend = match &host.answers {
        AnswersSpec::Backend(backend) => backend,
        AnswersSpec::Later => {
            routes.push(json!({ "handle": [later()] }));
            return named(host, spec, routes);
        }
        AnswersSpec::Documents(documents) => {
            routes.extend(documents.iter().map(document));
            routes.push(json!({ "handle": [status(404)] }));
            return named(host, spec, routes);
        }
    };
    routes.extend(well_known(host));
    let most = u64::from(host.max_body_mib) * MIB;
    routes.push(too_large(most));
    let mut handle = vec![json!({ "handler": "request_body", "max_size": most })];
    let mut service = pass(&backend.to_string());
    // Where a client found it, as URLs of its own have it: Radicale moves nothing without knowing that. What else there
    // is to tell, Caddy tells by itself.
    let port = spec.outside_https_port.to_string();
    let mut headers = json!({ "set": { "X-Forwarded-Port": [port] } });
    if let Some(header) = &host.account_header {
        handle.push(ask(&host.service, spec));
        // Set here and not before: a client that calls the header one of its connection's would have it taken away.
        headers["set"][header] = json!(["{http.vars.account}"]);
        headers["delete"] = json!(["Authorization"]);
    }
    service["headers"] = json!({ "request": headers });
    handle.push(service);
    routes.push(json!({ "handle": handle }));
    named(host, spec, routes)
}

fn named(host: &ProxyHostSpec, spec: &ProxySpec, routes: Vec<Value>) -> Value {
    let names = host.names.iter().map(|name| name.as_str());
    let subroute = json!({ "handler": "subroute", "routes": routes });
    let route = only_for(names, vec![subroute]);
    match host.public {
        true => route,
        false => from(route, &spec.sources.union(&host.guests).copied().collect()),
    }
}

/// Clients are told when to come again (RFC 9110, section 15.6.4).
fn later() -> Value {
    let mut answer = status(503);
    answer["headers"] = json!({ "Retry-After": [AGAIN] });
    answer
}

/// Devices that were not given the service are told so, before anything else.
fn refused(host: &ProxyHostSpec) -> Option<Value> {
    (!host.refused.is_empty()).then(|| {
        json!({
            "match": [{ "remote_ip": { "ranges": host.refused } }],
            "handle": [status(403)],
        })
    })
}

/// Where the internet reaches a host, browsers shall never try it without TLS. Elsewhere no service may ask for that:
/// the name may be somebody else's in another home.
fn strict_transport(host: &ProxyHostSpec) -> Value {
    match host.public {
        false => not_strict(),
        true => json!({
            "handler": "headers",
            "response": {
                "deferred": true,
                "set": { "Strict-Transport-Security": [STRICT_TRANSPORT] },
            },
        }),
    }
}

/// Whoever answers, browsers are not told to insist on TLS.
pub(super) fn not_strict() -> Value {
    let response = json!({ "deferred": true, "delete": ["Strict-Transport-Security"] });
    json!({ "handler": "headers", "response": response })
}

/// A text is answered however it is asked for: some programs say for whom they want to know it.
fn document((path, document): (&String, &DocumentSpec)) -> Value {
    let mut answer = status(200);
    answer["headers"] = json!({
        "Content-Type": [format!("{}; charset=utf-8", document.media_type)],
        "X-Content-Type-Options": ["nosniff"],
    });
    answer["body"] = json!(literal(&document.text));
    let [bounded, read] = question();
    json!({ "match": [{ "path": [path] }], "handle": [bounded, read, answer] })
}

/// Reads what is asked, as far as it may go: an answer that overtakes it ends the stream in HTTP/2 (RFC 9113, section 8.1),
/// which some clients (curl 7.88) take for a failure.
fn question() -> [Value; 2] {
    [
        json!({ "handler": "request_body", "max_size": QUESTION }),
        json!({ "handler": "vars", "question": "{http.request.body}" }),
    ]
}

/// Devices that only know the host are sent on (RFC 6764, section 5), before anybody asks who they are.
fn well_known(host: &ProxyHostSpec) -> impl Iterator<Item = Value> {
    host.well_known.iter().map(|(name, to)| {
        let path = format!("/.well-known/{name}");
        let mut redirect = status(301);
        redirect["headers"] = json!({ "Location": [literal(to)] });
        let [bounded, read] = question();
        json!({
            "match": [{ "path": [path, format!("{path}/")] }],
            "handle": [bounded, read, redirect],
        })
    })
}

/// Refuses a body that is said to be too large before it is sent. One that is not is cut off where the limit is.
fn too_large(most: u64) -> Value {
    let length = "{http.request.header.Content-Length}";
    json!({
        "match": [{ "expression": format!("{length} != '' && int({length}) > {most}") }],
        "handle": [status(413)],
    })
}

/// Asks the box whose the request is. What it says goes on in the variable `account`; anything but its yes is the answer
/// to the client, and when it cannot be asked, that is 502. Its yes must have no body: one would keep the connection to the
/// box for as long as the request takes.
fn ask(service: &ServiceId, spec: &ProxySpec) -> Value {
    let account = format!("{{http.reverse_proxy.header.{ACCOUNT}}}");
    let nobody = json!({
        "match": [{ "vars": { &account: [""] } }],
        "handle": [status(503)],
    });
    let somebody = json!({ "handle": [{ "handler": "vars", "account": account }] });
    let mut ask = pass(&format!("unix/{}", spec.ask));
    ask["transport"]["response_header_timeout"] = json!(ANSWER);
    ask["rewrite"] = json!({ "method": "GET", "uri": format!("/check?service={service}") });
    ask["headers"] = json!({
        "request": {
            "delete": NOT_ASKED,
            "set": {
                "X-Forwarded-For": ["{http.request.remote.host}"],
                "X-Forwarded-Host": ["{http.request.hostport}"],
                "X-Forwarded-Method": ["{http.request.method}"],
                "X-Forwarded-Uri": ["{http.request.uri}"],
            },
        },
    });
    ask["handle_response"] = json!([{
        "match": { "status_code": [2] },
        "routes": [nobody, somebody],
    }]);
    ask
}
