//! Every operation against every role, from the table the operations are served from.

use cell_api::{Operation, operations};
use cell_gate::Access;
use cell_model::account::Role;
use cell_testkit::{Client, Request};

use crate::cell::{Cell, ROLES};

fn admits(access: Access, role: &str) -> bool {
    let role = match role {
        "owner" => Role::Owner,
        "admin" => Role::Admin,
        "helper" => Role::Helper,
        _ => Role::Member,
    };
    access.admits(role)
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
