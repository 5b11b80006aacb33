//! People with the real daemon: invited, given tokens for programs, come for a time, gone with all they had.

use std::time::Duration;

use cell_api::operations;
use cell_model::account::Role;
use cell_model::scope::Scope;
use cell_testkit::{Client, Reply, Request, wait_for};
use cell_tests::expect_status;
use serde_json::{Value, json};

use crate::cell::{Cell, PASSWORD, assert_problem};

const OWN: &str = "a brook that is short";

fn created(reply: &Reply) -> Value {
    expect_status(reply, 201);
    reply.json()
}

/// A request of a program that shows a token.
fn with_token(method: &str, path: &str, token: &str) -> Request {
    Request::new(method, path).header("authorization", format!("Bearer {token}"))
}

fn add_token(client: &Client, scopes: &[String]) -> String {
    let form = json!({ "label": "program", "scopes": scopes });
    let made = created(&client.post("/api/auth/tokens", &form).unwrap());
    made["secret"].as_str().unwrap().to_owned()
}

#[test]
fn invited_person_makes_their_own_account_and_goes_with_everything() {
    let mut cell = Cell::set_up();
    let owner = cell.signed_in("owner");
    let form = json!({ "username": "ben", "role": "member" });
    let made = created(&owner.post("/api/auth/invites", &form).unwrap());
    let code = made["code"].as_str().unwrap();
    let url = format!("https://{}/invite?code={code}", cell.celld.admin());
    assert_eq!(made["url"], url.as_str());
    let listed = owner.get("/api/auth/invites").unwrap();
    assert!(!listed.text().contains(code), "{}", listed.text());

    // What was acknowledged outlives the process.
    cell.celld.kill9().unwrap();
    cell.celld.launch().unwrap();
    cell.celld.wait_healthy().unwrap();
    let ben = cell.client();
    let accept = |code: &str, password: &str| {
        let form = json!({ "code": code, "password": password });
        ben.send(&Request::new("POST", "/api/auth/accept-invite").json(&form))
            .unwrap()
    };
    let wrong = accept(&"0".repeat(26), OWN);
    assert_problem(&wrong, 401, "no_invite", "a wrong code");
    let short = accept(code, "short");
    assert_problem(&short, 400, "invalid_field", "a short password");
    let joined = created(&accept(code, OWN));
    assert_eq!(
        joined,
        json!({ "username": "ben", "role": "member", "must_change_password": false })
    );
    assert_problem(&accept(code, OWN), 401, "no_invite", "the code again");

    // They look after what is theirs, and nothing else.
    let device = created(
        &ben.post("/api/peer/devices", &json!({ "name": "ben-phone" }))
            .unwrap(),
    );
    assert_eq!(device["peer"]["username"], "ben");
    assert!(device["config"].as_str().unwrap().contains("PrivateKey"));
    let own = ben.get("/api/peer/devices").unwrap().json();
    assert_eq!(own["items"].as_array().unwrap().len(), 1, "{own}");
    expect_status(&ben.delete("/api/peer/devices/phone").unwrap(), 404);
    expect_status(&ben.get("/api/peers").unwrap(), 403);
    let dashboard = ben.get("/api/peer/dashboard").unwrap().json();
    assert_eq!(dashboard["devices"][0]["name"], "ben-phone");
    created(
        &ben.post("/api/app-passwords", &json!({ "device": "phone" }))
            .unwrap(),
    );
    let token = add_token(&ben, &["peers:read".to_owned()]);
    let program = cell.client();
    let seen = |path: &str| program.send(&with_token("GET", path, &token)).unwrap();
    expect_status(&seen("/api/peer/devices"), 200);

    let on_interface = |owner: &Client| {
        let view = owner.get("/api/wireguard/status").unwrap().json();
        let peers = view["peers"].as_array().unwrap().clone();
        peers.iter().any(|peer| peer["name"] == "ben-phone")
    };
    let owner = cell.signed_in("owner");
    assert!(
        wait_for(Duration::from_secs(10), || on_interface(&owner)
            .then_some(()))
        .is_some()
    );
    expect_status(&owner.delete("/api/auth/users/ben").unwrap(), 204);
    expect_status(&ben.get("/api/auth/me").unwrap(), 401);
    expect_status(&seen("/api/peer/devices"), 401);
    expect_status(&owner.get("/api/peers/ben-phone").unwrap(), 404);
    let gone = || (!on_interface(&owner)).then_some(());
    assert!(wait_for(Duration::from_secs(10), gone).is_some());
    let again = cell.client().login("ben", OWN).unwrap();
    assert_problem(&again, 401, "wrong_credentials", "gone");
    let passwords = owner.get("/api/app-passwords?username=ben").unwrap();
    expect_status(&passwords, 404);
    assert_eq!(owner.get("/api/audit/verify").unwrap().json()["ok"], true);
}

#[test]
fn helper_comes_for_a_time_and_a_session_ended_elsewhere_is_dead_at_once() {
    let cell = Cell::set_up();
    let owner = cell.signed_in("owner");
    let helper = cell.signed_in("helper");
    let other = cell.signed_in("helper");
    let sessions = helper.get("/api/auth/sessions").unwrap().json();
    let sessions = sessions["items"].as_array().unwrap().clone();
    let of_other = sessions.iter().find(|session| session["current"] == false);
    let id = of_other.unwrap()["id"].as_str().unwrap();
    let path = format!("/api/auth/sessions/{id}");
    expect_status(&helper.delete(&path).unwrap(), 204);
    assert_problem(
        &other.get("/api/auth/me").unwrap(),
        401,
        "sign_in_required",
        "a session that was ended",
    );

    let ends = |until: Value| {
        let form = json!({ "access_until": until });
        owner.put("/api/auth/users/helper", &form).unwrap()
    };
    let past = ends(json!("2020-01-01T00:00:00Z"));
    assert_problem(&past, 400, "invalid_field", "an end that has been");
    let soon = cell_model::Timestamp::now() + Duration::from_secs(2);
    expect_status(&ends(json!(soon)), 204);
    let view = owner.get("/api/auth/users/helper").unwrap().json();
    assert_eq!(view["access_until"], json!(soon));
    let over = || {
        let reply = helper.get("/api/status").unwrap();
        (reply.status == 401).then_some(())
    };
    assert!(wait_for(Duration::from_secs(20), over).is_some());
    let refused = cell.client().login("helper", PASSWORD).unwrap();
    assert_problem(&refused, 403, "access_over", "over");
    expect_status(&ends(Value::Null), 204);
    expect_status(&cell.client().login("helper", PASSWORD).unwrap(), 200);
    let demoted = owner.put("/api/auth/users/owner", &json!({ "role": "admin" }));
    assert_problem(&demoted.unwrap(), 409, "last_owner", "the last owner");
}

/// What would change the box under the test: its addresses, its config, its process.
const ENDS_THE_TEST: [&str; 3] = ["changeConfig", "restoreRevision", "restart"];

/// Every operation with a token of every scope, from the table the operations are served from.
#[test]
fn token_gets_to_what_it_is_good_for_and_to_nothing_else() {
    let cell = Cell::set_up();
    let owner = cell.signed_in("owner");
    let program = cell.client();
    let tokens: Vec<(Scope, String)> = Scope::all()
        .map(|scope| (scope, add_token(&owner, &[scope.to_string()])))
        .collect();
    for operation in operations() {
        if !operation.access.needs_identity() || !operation.access.admits(Role::Owner) {
            continue;
        }
        // What can be a name of something goes on to the core, which has its own word about scopes.
        let path = operation
            .path
            .replace("{part}", "dns")
            .replace("{number}", "1")
            .replace("{name}", "nowhere")
            .replace("{username}", "nobody")
            .replace("{service}", "nowhere")
            .replace("{group}", "nowhere")
            .replace("{alias}", "nowhere")
            .replace("{selector}", "nowhere")
            .replace("{id}", "nowhere");
        for (scope, token) in &tokens {
            let mut request = with_token(operation.method.as_str(), &path, token);
            let granted = [*scope].into();
            let allowed = operation.scope.is_some_and(|needed| needed.is_in(&granted));
            let changes = operation.method != "GET";
            if allowed && ENDS_THE_TEST.contains(&operation.id) {
                continue;
            }
            if let Some(example) = operation.example.as_ref().filter(|_| changes) {
                request = request.json(example);
            }
            let reply = program.send(&request).unwrap();
            let refused = reply.status == 403 && reply.json()["code"] == "wrong_scope";
            let what = format!("{} with {scope}: {}", operation.id, reply.text());
            assert_eq!(refused, !allowed, "{what}");
            assert_ne!(reply.status, 401, "{what}");
        }
    }
}

#[test]
fn token_needs_no_token_of_forms_and_opens_no_page() {
    let cell = Cell::set_up();
    let owner = cell.signed_in("owner");
    let token = add_token(&owner, &["peers:write".to_owned()]);
    let program = cell.client();
    let add = with_token("POST", "/api/peers", &token).json(&json!({ "name": "tablet" }));
    expect_status(&program.send(&add).unwrap(), 201);
    let page = program.send(&with_token("GET", "/peers", &token)).unwrap();
    assert_eq!(page.status, 303, "pages know no tokens");
    // A token that is none is not made up for by a cookie.
    let both = with_token("GET", "/api/peers", "cell_00000000000000000000000000");
    expect_status(&owner.send(&both).unwrap(), 401);
    let basic = Request::new("GET", "/api/peers").header("authorization", "Basic YTpi");
    expect_status(&owner.send(&basic).unwrap(), 401);
    let listed = owner.get("/api/auth/tokens").unwrap().json();
    let id = listed["items"][0]["id"].as_str().unwrap();
    let path = format!("/api/auth/tokens/{id}");
    expect_status(&owner.delete(&path).unwrap(), 204);
    let gone = program.send(&with_token("GET", "/api/peers", &token));
    assert_problem(
        &gone.unwrap(),
        401,
        "sign_in_required",
        "a token that is gone",
    );
    let secret = &token[5..];
    for path in ["/api/audit", "/api/logs?limit=1000"] {
        let text = owner.get(path).unwrap().text();
        assert!(!text.contains(secret), "{path}");
    }
}
