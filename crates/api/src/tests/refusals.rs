//! Who is refused what, and that nothing reaches the core then.

use cell_control::query::Query;
use cell_model::problem::Problem;
use cell_model::scope::Area;

use super::*;

#[tokio::test]
async fn role_decides_by_the_table_alone() {
    for operation in operations() {
        if !operation.access.needs_identity() {
            continue;
        }
        for role in [Role::Member, Role::Helper, Role::Admin, Role::Owner] {
            let body = operation.example.as_ref().map(|value| value.to_string());
            let world = World::new(Stage::Ready);
            let answered = world
                .send(
                    Some(role),
                    operation.method.as_str(),
                    &uri(&operation),
                    body.as_deref().map(str::as_bytes),
                )
                .await;
            if operation.access.admits(role) {
                assert!(
                    answered.status < 300,
                    "{} {role:?}: {}",
                    operation.id,
                    answered.text
                );
            } else {
                assert_eq!(
                    (answered.status, answered.code().as_str()),
                    (403, "wrong_role"),
                    "{}",
                    operation.id
                );
                assert!(answered.calls.is_empty());
            }
        }
    }
}

#[tokio::test]
async fn token_opens_what_it_is_good_for_by_the_table_alone() {
    let good_for = [Area::Peers.read()].into();
    for operation in operations() {
        if !operation.access.needs_identity() {
            continue;
        }
        let body = operation.example.as_ref().map(|value| value.to_string());
        let world = World::new(Stage::Ready);
        let answered = world.send_token(&operation, body.as_deref()).await;
        let admitted = operation.access.admits(Role::Owner);
        let scope = operation.scope.is_some_and(|scope| scope.is_in(&good_for));
        let expected = match (admitted, scope) {
            (true, true) => {
                assert!(answered.status < 300, "{}: {}", operation.id, answered.text);
                continue;
            }
            (true, false) => "wrong_scope",
            (false, _) => "wrong_role",
        };
        assert_eq!(
            (answered.status, answered.code().as_str()),
            (403, expected),
            "{}",
            operation.id
        );
        assert!(answered.calls.is_empty(), "{}", operation.id);
    }
}

#[tokio::test]
async fn helper_changes_nothing_and_admin_no_accounts() {
    for operation in operations() {
        let changes = operation.method != http::Method::GET;
        let harmless = [
            "logout",
            "reauthenticate",
            "reauthenticateWithPasskey",
            "offerPasskey",
            "addPasskey",
            "removePasskey",
            "changePassword",
            "revokeSession",
            "offerSecondFactor",
            "addSecondFactor",
            "renewRecoveryCodes",
            "removeSecondFactor",
            "testPart",
            "checkMail",
            "addApiToken",
            "removeApiToken",
            "addAppPassword",
            "removeAppPassword",
            "addOwnPeer",
            "removeOwnPeer",
            "rekeyOwnPeer",
        ]
        .contains(&operation.id);
        if changes && operation.access.needs_identity() && !harmless {
            assert!(!operation.access.admits(Role::Helper), "{}", operation.id);
            assert!(!operation.access.admits(Role::Member), "{}", operation.id);
        }
    }
    for id in ["addUser", "changeUser", "removeUser"] {
        assert_eq!(operation(id).access, Access::AtLeast(Role::Owner));
    }
}

#[tokio::test]
async fn dangerous_operations_want_a_recent_proof_and_no_others_do() {
    let mut dangerous = Vec::new();
    for operation in operations() {
        let world = World::of(&operation);
        world.control.forget_proofs();
        let answered = world
            .ask(&operation, &uri(&operation), operation.example.as_ref())
            .await;
        let refused = answered.status == 403 && answered.text.contains("reauthentication_required");
        assert_eq!(refused, operation.dangerous, "{}", operation.id);
        if refused {
            assert!(answered.calls.is_empty());
            dangerous.push(operation.id);
        }
    }
    assert_eq!(
        dangerous,
        [
            "offerSecondFactor",
            "addSecondFactor",
            "removeSecondFactor",
            "renewRecoveryCodes",
            "offerPasskey",
            "addPasskey",
            "removePasskey",
            "resetPassword",
            "addUser",
            "changeUser",
            "addInvite",
            "addApiToken",
            "removeUser",
            "addAppPassword",
            "addOwnPeer",
            "rekeyOwnPeer",
            "installFirmware",
            "dropFirmware",
            "fetchFirmware",
            "tryOtherSlot",
            "addCell",
            "addCellInvite",
            "confirmCell",
            "acceptCell",
        ]
    );
    let described = crate::openapi::document();
    let drop = &described["paths"]["/api/firmware/bundle"]["delete"];
    assert_eq!(drop["x-dangerous"], true);
}

#[tokio::test]
async fn stage_of_the_box_comes_before_everything() {
    for operation in operations() {
        let gone = World::new(Stage::Ready)
            .ask(&operation, &uri(&operation), None)
            .await;
        let early = World::new(Stage::BeforeSetup)
            .ask(&operation, &uri(&operation), None)
            .await;
        let empty = World::new(Stage::WithoutAccounts)
            .ask(&operation, &uri(&operation), None)
            .await;
        let (gone_is, early_is, empty_is) = match operation.access {
            Access::Open => (200, 200, 200),
            Access::Setup => (410, early.status, 410),
            _ => (gone.status, 428, 503),
        };
        assert_eq!(
            (gone.status, early.status, empty.status),
            (gone_is, early_is, empty_is),
            "{}",
            operation.id
        );
        assert!(early.status != 428 || early.calls.is_empty());
    }
}

#[tokio::test]
async fn change_without_the_token_is_refused() {
    for operation in operations() {
        if operation.method == http::Method::GET || !operation.access.needs_identity() {
            continue;
        }
        let world = World::new(Stage::Ready);
        let session = FakeControl::session(Role::Owner);
        let request = Request::builder()
            .method(operation.method.clone())
            .uri(uri(&operation))
            .header("host", "10.0.0.1")
            .header("cookie", format!("__Host-cell={session}"))
            .body(Full::new(Bytes::new()))
            .unwrap();
        let peer = "192.168.1.20:50000".parse().unwrap();
        let response = world.gate.answer(request, peer, Duration::ZERO).await;
        assert_eq!(response.status(), 403, "{}", operation.id);
        assert!(world.control.take_calls().is_empty());
    }
}

#[tokio::test]
async fn problem_of_the_core_is_passed_on_whole() {
    for operation in operations() {
        let world = World::of(&operation);
        world.control.refuse(Problem {
            retry_after: Some(600),
            ..Problem::new(429, "too_many_tries", "Too many failed tries", "Wait.")
        });
        let answered = world
            .ask(&operation, &uri(&operation), operation.example.as_ref())
            .await;
        if answered.calls.is_empty() {
            // It never asks the core: nothing to refuse.
            continue;
        }
        assert_eq!(
            (answered.status, answered.code().as_str()),
            (429, "too_many_tries"),
            "{}",
            operation.id
        );
        assert_eq!(answered.headers["retry-after"], "600");
        assert!(
            !answered.headers.contains_key("set-cookie"),
            "{}",
            operation.id
        );
    }
}

#[tokio::test]
async fn part_of_a_path_that_is_no_name_names_nothing() {
    let long = "x".repeat(256);
    for operation in operations() {
        for name in operation
            .path
            .split('/')
            .filter(|part| part.starts_with('{'))
        {
            // The core knows sessions by whatever text it gave them.
            if name == "{id}" {
                continue;
            }
            for bad in [
                "%00",
                "a%2Fb",
                "%D0%B0nna",
                "..%2F..",
                "-",
                "+1",
                " ",
                "%20",
                long.as_str(),
            ] {
                let bad = if bad == " " { "%09" } else { bad };
                let uri = uri(&Operation {
                    path: operation.path.replace(name, bad).leak(),
                    ..operation.clone()
                });
                let world = World::of(&operation);
                let answered = world
                    .ask(&operation, &uri, operation.example.as_ref())
                    .await;
                assert_eq!(
                    (answered.status, answered.code().as_str()),
                    (404, "not_found"),
                    "{uri}"
                );
                assert!(answered.calls.is_empty(), "{uri}");
            }
        }
    }
}

#[tokio::test]
async fn methods_that_are_not_offered_are_refused() {
    for operation in operations() {
        let offered: Vec<_> = operations()
            .into_iter()
            .filter(|other| other.path == operation.path)
            .map(|other| other.method)
            .collect();
        for method in ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "FOO"] {
            if offered.iter().any(|other| other.as_str() == method) {
                continue;
            }
            let answered = World::of(&operation)
                .send(who(&operation), method, &uri(&operation), None)
                .await;
            assert_eq!(answered.status, 405, "{method} {}", operation.path);
            let allow = answered.headers["allow"].to_str().unwrap();
            assert!(
                offered.iter().all(|other| allow.contains(other.as_str())),
                "{allow}"
            );
        }
    }
}

#[tokio::test]
async fn unknown_parameters_are_refused_everywhere() {
    for operation in operations() {
        let uri = uri(&operation);
        let joined = if uri.contains('?') { "&" } else { "?" };
        let uri = format!("{uri}{joined}colour=red");
        let answered = World::of(&operation)
            .ask(&operation, &uri, operation.example.as_ref())
            .await;
        assert_eq!(answered.status, 400, "{}", operation.id);
        assert_eq!(
            wrong_field(&answered),
            ("colour".to_owned(), "is not known here".to_owned())
        );
        assert!(answered.calls.is_empty());
    }
}

#[tokio::test]
async fn refused_confirmation_asks_for_a_new_connection() {
    let world = World::new(Stage::Ready);
    world.control.refuse(Problem::conflict(
        "same_connection",
        "Open the page anew",
        "",
    ));
    let answered = world
        .send(Some(Role::Owner), "POST", "/api/config/confirm", None)
        .await;
    assert_eq!(
        (answered.status, answered.code().as_str()),
        (409, "same_connection")
    );
}

#[tokio::test]
async fn wrong_parameters_are_named() {
    for (uri, field) in [
        ("/api/peers?limit=0", "limit"),
        ("/api/peers?limit=1001", "limit"),
        ("/api/peers?cursor=", "cursor"),
        ("/api/audit?actor=-", "actor"),
        ("/api/app-passwords?username=-", "username"),
        ("/api/audit?action=%00", "action"),
        ("/api/logs?part=kettle", "part"),
        ("/api/logs?service=kettle", "service"),
        ("/api/logs?limit=1&lines=2", "lines"),
        ("/api/logs?level=loud", "level"),
        ("/api/logs/search", "q"),
        ("/api/logs/search?q=", "q"),
        ("/api/config?revision=-1", "revision"),
        ("/api/config/revisions/7/diff?against=x", "against"),
        ("/api/parts/dns/logs?limit=x", "limit"),
    ] {
        let answered = World::new(Stage::Ready)
            .send(Some(Role::Owner), "GET", uri, None)
            .await;
        assert_eq!(answered.status, 400, "{uri}");
        assert_eq!(wrong_field(&answered).0, field, "{uri}");
        let asked = answered
            .calls
            .iter()
            .any(|call| !matches!(call, Call::Snapshot(Query::Status(_))));
        assert!(!asked, "{uri}");
    }
}
