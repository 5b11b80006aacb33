//! What is dangerous, in a session whose password was proven long ago.

use std::time::Duration;

use cell_testkit::firmware::Version;
use cell_testkit::{Client, Request};
use cell_tests::age_sessions;
use serde_json::{Value, json};

use crate::cell::{Cell, PASSWORD, assert_problem};

const REQUIRED: &str = "reauthentication_required";

/// A cell whose sessions, all of them, signed in this long before they did.
fn signed_in_before(cell: &mut Cell, time: Duration) {
    cell.celld.terminate().unwrap();
    age_sessions(cell.celld.state_dir(), time);
    cell.celld.launch().unwrap();
    cell.celld.wait_healthy().unwrap();
}

fn prove(client: &Client, password: &str) -> cell_testkit::Reply {
    let form = json!({ "password": password });
    client.post("/api/auth/reauthenticate", &form).unwrap()
}

fn send_bundle(client: &Client, kind: &str, body: &[u8]) -> cell_testkit::Reply {
    let token = client.csrf_token().unwrap().unwrap_or_default();
    let request = Request::new("POST", "/api/firmware/bundle")
        .header("content-type", kind)
        .header("x-csrf-token", token)
        .body(body);
    client.send(&request).unwrap()
}

#[test]
fn old_sign_in_does_nothing_dangerous_until_the_password_is_proven() {
    let mut cell = Cell::set_up();
    let (owner, admin) = (cell.signed_in("owner"), cell.signed_in("admin"));
    let helper = cell.signed_in("helper");
    signed_in_before(&mut cell, Duration::from_secs(16 * 60));
    let before = cell.state(&owner);

    // Before anything is looked at: what it is about, its type, its length, whether it makes sense now.
    let bundle = Version::new(11).bundle(&cell.slots.keys);
    let octets = "application/octet-stream";
    for (kind, body) in [(octets, &bundle[..]), ("text/plain", b"x"), (octets, b"")] {
        assert_problem(&send_bundle(&owner, kind, body), 403, REQUIRED, kind);
    }
    for (path, form) in [
        (
            "/api/auth/admin/reset-password",
            json!({ "username": "nobody" }),
        ),
        ("/api/auth/users", json!({})),
        ("/api/firmware/other", json!({})),
    ] {
        let reply = owner.post(path, &form).unwrap();
        assert_problem(&reply, 403, REQUIRED, path);
    }
    for path in ["/api/firmware/bundle", "/api/auth/users/nobody"] {
        assert_problem(&owner.delete(path).unwrap(), 403, REQUIRED, path);
    }
    // After the role, and before the token.
    let reply = helper.post("/api/firmware/other", &json!({})).unwrap();
    assert_problem(&reply, 403, "wrong_role", "role first");
    let reply = owner.send(&Request::new("POST", "/api/firmware/other"));
    assert_problem(&reply.unwrap(), 403, REQUIRED, "without a token");
    // A page is led to the password and back.
    for (path, next) in [
        ("/people/new", "/people/new"),
        (
            "/people/member/password?done=x",
            "/people/member/password%3Fdone%3Dx",
        ),
    ] {
        let reply = owner.get(path).unwrap();
        let location = format!("/reauthenticate?next={next}");
        assert_eq!(
            (reply.status, reply.header("location")),
            (303, Some(&*location))
        );
    }
    assert_eq!(cell.state(&owner), before);
    assert_eq!(firmware(&owner)["update"]["state"], "none");

    assert_problem(&prove(&owner, "not it"), 403, "wrong_password", "wrong");
    assert_eq!(prove(&owner, PASSWORD).status, 204);
    let reply = send_bundle(&owner, octets, &bundle);
    assert_eq!(reply.status, 202, "{}", reply.text());
    assert_eq!(owner.get("/people/new").unwrap().status, 200);
    // It was this session's own.
    let reply = send_bundle(&admin, octets, &bundle);
    assert_problem(&reply, 403, REQUIRED, "another session");
    let audit = owner.get("/api/audit").unwrap().text();
    assert!(audit.contains("auth.reauthenticate"), "{audit}");

    // A sign-in is a proof.
    let fresh = cell.signed_in("admin");
    let form = json!({ "username": "nobody", "new_password": PASSWORD });
    let reply = fresh.post("/api/auth/admin/reset-password", &form).unwrap();
    assert_eq!(reply.status, 404, "{}", reply.text());
}

#[test]
fn guessing_at_the_proof_is_slowed_as_at_the_sign_in() {
    let cell = Cell::set_up();
    let admin = cell.signed_in("admin");
    for _ in 0..5 {
        assert_problem(&prove(&admin, "a guess"), 403, "wrong_password", "guess");
    }
    let reply = prove(&admin, PASSWORD);
    assert_problem(&reply, 429, "too_many_tries", "too often");
    let wait: u32 = reply.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=900).contains(&wait), "{wait}");
    let login = cell.client().login("admin", PASSWORD).unwrap();
    assert_eq!(login.status, 429, "both are counted together");
}

fn firmware(client: &Client) -> Value {
    client.get("/api/firmware").unwrap().json()
}
