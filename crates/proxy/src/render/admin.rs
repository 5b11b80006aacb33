//! The admin page, for those at home.

use cell_model::name::Domain;
use cell_model::spec::AdminRouteSpec;
use serde_json::{Value, json};

use super::handlers::{only_for, pass, status};
use crate::Certificates;

/// One route a name: the page shows its certificate to whoever asks for that name.
pub(super) fn routes<'a>(
    admin: &'a AdminRouteSpec,
    certificates: &'a Certificates,
) -> impl Iterator<Item = Value> {
    let route = move |name: &'a Domain| {
        let routes = json!([
            {
                "match": [{ "remote_ip": { "ranges": admin.sources } }],
                "handle": [page(name, admin, certificates)],
            },
            { "handle": [status(403)] },
        ]);
        let subroute = json!({ "handler": "subroute", "routes": routes });
        only_for([name.as_str()], vec![subroute])
    };
    admin.names.iter().map(route)
}

/// Every request on a connection of its own: which of them came after a change is what confirms it.
fn page(name: &Domain, admin: &AdminRouteSpec, certificates: &Certificates) -> Value {
    let mut page = pass(&admin.backend.to_string());
    page["transport"]["keep_alive"] = json!({ "enabled": false });
    page["transport"]["tls"] = json!({
        "server_name": name,
        "ca": { "provider": "inline", "trusted_ca_certs": [certificates.authority()] },
    });
    // Over TLS Caddy would otherwise write the address there.
    page["headers"] = json!({ "request": { "set": { "Host": ["{http.request.hostport}"] } } });
    page
}
