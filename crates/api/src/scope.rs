//! What a token must be good for to use an operation.

use cell_gate::Access;
use cell_model::scope::{Area, Scope};

use crate::row::Row;

/// Areas by what paths start with; the first that fits counts.
const AREAS: [(&str, Area); 24] = [
    ("/api/openapi.json", Area::Status),
    ("/api/status", Area::Status),
    ("/api/parts", Area::Status),
    ("/api/auth", Area::People),
    ("/api/app-passwords", Area::People),
    ("/api/groups", Area::People),
    ("/api/peers", Area::Peers),
    ("/api/connectivity/peers", Area::Peers),
    ("/api/connectivity", Area::Connectivity),
    ("/api/peer/mail", Area::Mail),
    ("/api/peer/", Area::Peers),
    ("/api/mail", Area::Mail),
    ("/api/wireguard", Area::Peers),
    ("/api/config", Area::Config),
    ("/api/cells", Area::Cells),
    ("/api/services", Area::Services),
    ("/api/store", Area::Services),
    ("/api/firmware", Area::Firmware),
    ("/api/system", Area::Firmware),
    ("/api/logs", Area::Logs),
    ("/api/audit", Area::Audit),
    ("/api/network", Area::Status),
    ("/api/setup", Area::Config),
    ("/health", Area::Status),
];

/// Operations about a session or a password, of which a token has none, and about tokens themselves.
const OF_SESSIONS: [&str; 9] = [
    "logout",
    "reauthenticate",
    "reauthenticateWithPasskey",
    "passkeys",
    "csrfToken",
    "changePassword",
    "revokeSession",
    "apiTokens",
    "removeApiToken",
];

/// `GET`s that change something: whoever fetches a file is noted to have it.
const CHANGE_ALL_THE_SAME: [&str; 2] = ["peerFile", "ownPeerFile"];

/// What it is; `None`: no token is good for it. What is dangerous needs a password that was proven.
pub(crate) fn of(row: &Row) -> Option<Scope> {
    let is_open = matches!(row.access, Access::Open | Access::Setup | Access::SignIn);
    if is_open || row.dangerous || OF_SESSIONS.contains(&row.id) {
        return None;
    }
    let mut areas = AREAS.iter();
    let (_, area) = areas.find(|(prefix, _)| row.path.starts_with(prefix))?;
    // What a part says is a part of the log.
    let area = match row.path {
        "/api/parts/{part}/logs" => &Area::Logs,
        _ => area,
    };
    let changes = row.changes() || CHANGE_ALL_THE_SAME.contains(&row.id);
    Some(if changes { area.write() } else { area.read() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::rows;

    #[test]
    fn every_path_has_its_area() {
        for row in rows() {
            let known = AREAS.iter().any(|(prefix, _)| row.path.starts_with(prefix));
            assert!(known, "{}", row.path);
        }
        for id in OF_SESSIONS.iter().chain(&CHANGE_ALL_THE_SAME) {
            assert!(rows().any(|row| row.id == *id), "{id}");
        }
    }

    #[test]
    fn no_token_is_good_for_what_is_dangerous() {
        for row in rows().filter(|row| row.dangerous) {
            assert_eq!(of(row), None, "{}", row.id);
        }
    }
}
