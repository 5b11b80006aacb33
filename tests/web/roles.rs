//! Every operation against every role, from the table the operations are served from.

use cell_api::{Operation, operations};
use cell_gate::Access;
use cell_testkit::{Client, Request};

use crate::cell::{Cell, ROLES, role};

fn admits(access: Access, word: &str) -> bool {
    access.admits(role(word))
}

/// A path with something in each of its places that is not there, so that what is allowed does nothing.
fn nowhere(operation: &Operation) -> String {
    operation
        .path
        .split('/')
        .map(|part| {
            if part.starts_with('{') {
                "nowhere"
            } else {
                part
            }
        })
        .collect::<Vec<_>>()
        .join("/")
}

fn status(client: &Client, operation: &Operation) -> u16 {
    // Without a token a change that the role may make stops right behind the role.
    client
        .send(&Request::new(operation.method.as_str(), nowhere(operation)))
        .unwrap()
        .status
}

#[test]
fn every_role_gets_to_what_it_may_use_and_to_nothing_else() {
    let cell = Cell::set_up();
    let clients = ROLES.map(|role| (role, cell.signed_in(role)));
    let nobody = cell.client();
    for operation in operations() {
        let what = format!("{} {}", operation.method, operation.path);
        let signed_in = matches!(
            operation.access,
            Access::SignedIn | Access::AtLeast(_) | Access::Only(_)
        );
        let to_nobody = status(&nobody, &operation);
        assert_eq!(
            to_nobody == 401,
            signed_in,
            "{what} answers nobody {to_nobody}"
        );
        if !signed_in {
            continue;
        }
        for (role, client) in &clients {
            let reply = client
                .send(&Request::new(
                    operation.method.as_str(),
                    nowhere(&operation),
                ))
                .unwrap();
            let refused = reply.status == 403 && reply.json()["code"] == "wrong_role";
            assert_eq!(
                refused,
                !admits(operation.access, role),
                "{what} for {role}: {}",
                reply.text()
            );
        }
    }
}

#[test]
fn headers_alone_change_nothing() {
    let cell = Cell::set_up();
    cell.slots.keep_trial_log("it ends\n");
    let owner = cell.signed_in("owner");
    // From now on the file of the phone is an old one.
    let answers = serde_json::json!({ "cell": {
        "name": "hut", "timezone": "UTC", "endpoint": "hut.example.net",
    }});
    let reply = owner.put("/api/config", &answers).unwrap();
    assert_eq!(reply.status, 200, "{}", reply.text());
    let records = || owner.get("/api/audit").unwrap().json()["items"].clone();
    let (before, audit) = (cell.state(&owner), records());
    let peers = owner.get("/api/peers").unwrap();
    assert_eq!(peers.json()["items"][0]["reinstall_needed"], true);
    for operation in operations() {
        let wanted = operation.method == "GET" && admits(operation.access, "owner");
        if !wanted {
            continue;
        }
        let path = operation
            .path
            .replace("{name}", "phone")
            .replace("{username}", "member")
            .replace("{number}", "1")
            .replace("{service}", "files")
            .replace("{part}", "dns")
            .replace("{connection}", "6f1c7c9e-7a0b-4b52-9b0a-0d4a2f6f2f11");
        let head = owner.send(&Request::new("HEAD", &path)).unwrap();
        // No service is installed, mail neither, and the phone is the household's.
        let absent = [
            "/api/peer/devices/{name}",
            "/api/peer/mail",
            "/api/cells/{name}",
            "/api/connectivity/connections/{connection}",
            "/api/mail/records",
            "/api/mail/check",
        ];
        let absent = absent.iter().any(|path| operation.path.starts_with(path));
        let absent = (absent || operation.path.contains("{service}")) && head.status == 404;
        let required = operation.query.iter().any(|field| field.required);
        let fits = head.status < 300 || required || absent;
        assert!(fits, "{path}: {}", head.status);
    }
    assert_eq!(cell.state(&owner), before);
    assert_eq!(records(), audit);
    let missing = owner
        .send(&Request::new("HEAD", "/api/peers/nowhere/config"))
        .unwrap();
    assert_eq!(missing.status, 404);
    // And the body that HEAD stands for does count.
    let file = owner.get("/api/peers/phone/config").unwrap();
    assert_eq!(file.status, 200, "{}", file.text());
    assert_ne!(cell.state(&owner), before);
}
