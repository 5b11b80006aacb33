//! The admin page, for those at home.

use cell_model::spec::{AdminRouteSpec, ProxySpec};
use serde_json::{Value, json};

use super::handlers::{at_home, only_for, pass};
use super::hosts::not_strict;

/// The header that says since when a connection may have been open, in microseconds since boot.
const OPENED_AFTER: &str = "X-Forwarded-Since";

/// The page under all its names; for anybody else they are names like any other that is not there.
pub(super) fn route(admin: &AdminRouteSpec, spec: &ProxySpec) -> Value {
    let names = admin.names.iter().map(|name| name.as_str());
    at_home(only_for(names, vec![not_strict(), page(admin)]), spec)
}

/// The page is told where a client is and how old its connection can be at most: Caddy goes on serving a connection as
/// it was told when that was opened. So the time is that of the config, and not of the request.
fn page(admin: &AdminRouteSpec) -> Value {
    let mut page = pass(&format!("unix/{}", admin.socket));
    // An upload that the page refuses half-way must not be taken for the next request.
    page["transport"]["keep_alive"] = json!({ "enabled": false });
    page["headers"] = json!({
        "request": {
            "set": {
                "X-Forwarded-For": ["{http.request.remote.host}"],
                OPENED_AFTER: [admin.opened_after.as_micros().to_string()],
            },
        },
    });
    page
}
