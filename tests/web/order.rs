//! The order in which a request is refused (DESIGN 5, BEHAVIOUR B30 to B32), on paths that exist and that do not.

use cell_testkit::Request;
use serde_json::json;

use crate::cell::{Cell, PASSWORD, assert_problem, code};

const PATHS: [&str; 3] = ["/api/peers", "/api/status", "/api/no/such/path"];

#[test]
fn before_setup_nothing_answers_but_the_setup() {
    let cell = Cell::fresh();
    let client = cell.client();
    assert_eq!(client.get("/health").unwrap().status, 200);
    assert_eq!(
        client.get("/api/setup/status").unwrap().json()["complete"],
        false
    );
    for path in PATHS {
        for method in ["GET", "POST", "PUT", "DELETE", "PATCH"] {
            let reply = client.send(&Request::new(method, path)).unwrap();
            assert_problem(&reply, 428, "setup_required", path);
        }
    }
    let login = client.login("owner", PASSWORD).unwrap();
    assert_problem(&login, 428, "setup_required", "login");
    // A foreign name comes before everything.
    let reply = client
        .send(&Request::new("GET", "/api/peers").header("Host", "evil.example"))
        .unwrap();
    assert_problem(&reply, 421, &code(&reply), "foreign host");
}

#[test]
fn setup_wants_the_code_and_happens_once() {
    let cell = Cell::fresh();
    let client = cell.client();
    let complete = |answers: &serde_json::Value| {
        client
            .send(&Request::new("POST", "/api/setup/complete").json(answers))
            .unwrap()
    };
    let right = cell.setup_answers();
    let mut wrong = right.clone();
    wrong["setup_code"] = json!("ZZZZZZZZ");
    assert_problem(&complete(&wrong), 403, "wrong_setup_code", "wrong code");
    for (field, value) in [
        ("vpn_subnet", "8.8.8.0/24"),
        ("vpn_subnet", "10.0.0.1"),
        ("vpn_subnet", "192.168.77.0/24"),
        ("domain", ""),
        ("domain", "a..b"),
        ("cell_name", "-"),
        ("admin_password", "short"),
        ("timezone", "Mars/Olympus"),
    ] {
        let mut answers = right.clone();
        answers[field] = json!(value);
        let reply = complete(&answers);
        assert!(
            [400, 409].contains(&reply.status),
            "{field} {value}: {}",
            reply.text()
        );
        assert_eq!(client.get("/api/status").unwrap().status, 428, "{field}");
    }
    assert_eq!(complete(&right).status, 200);
    assert_problem(&complete(&right), 410, "setup_complete", "again");
    assert_problem(
        &client.get("/api/setup/status").unwrap(),
        410,
        "setup_complete",
        "status",
    );
    assert!(!cell.celld.runtime_dir().join("setup-code").exists());
    assert_eq!(client.login("owner", PASSWORD).unwrap().status, 200);
}

#[test]
fn ten_wrong_codes_change_the_code_and_pause_the_setup() {
    let cell = Cell::fresh();
    let client = cell.client();
    let before = cell.celld.setup_code().unwrap();
    let mut answers = cell.setup_answers();
    answers["setup_code"] = json!("00000000");
    let send = |answers: &serde_json::Value| {
        client
            .send(&Request::new("POST", "/api/setup/complete").json(answers))
            .unwrap()
    };
    for _ in 0..9 {
        assert_eq!(send(&answers).status, 403);
    }
    let last = send(&answers);
    assert_eq!(last.status, 429);
    let wait: u32 = last.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=600).contains(&wait), "{wait}");
    let after = cell.celld.setup_code().unwrap();
    assert_ne!(before, after);
    answers["setup_code"] = json!(after);
    assert_eq!(send(&answers).status, 429);
}

#[test]
fn each_refusal_comes_in_its_turn() {
    let cell = Cell::set_up();
    let (nobody, member, admin) = (
        cell.client(),
        cell.signed_in("member"),
        cell.signed_in("admin"),
    );
    let owner = cell.signed_in("owner");
    let before = cell.state(&owner);
    let token = admin.csrf_token().unwrap().unwrap();
    let post = |path: &str| Request::new("POST", path).json(&json!({ "name": "other" }));

    for path in ["/api/peers", "/api/no/such/path"] {
        assert_problem(
            &nobody.send(&post(path)).unwrap(),
            401,
            "sign_in_required",
            path,
        );
        let evil = nobody
            .send(&post(path).header("Host", "evil.example"))
            .unwrap();
        assert_eq!(evil.status, 421, "{path}");
    }
    assert_problem(
        &member.send(&post("/api/peers")).unwrap(),
        403,
        "wrong_role",
        "role before token",
    );

    let without_token = admin.send(&post("/api/peers")).unwrap();
    assert_problem(&without_token, 403, &code(&without_token), "no token");
    for (name, value) in [
        ("Origin", "https://evil.example"),
        ("Origin", "null"),
        ("Sec-Fetch-Site", "cross-site"),
        ("Sec-Fetch-Site", "same-site"),
        ("X-CSRF-Token", "stale"),
    ] {
        let mut request = post("/api/peers").header(name, value);
        if name != "X-CSRF-Token" {
            request = request.header("X-CSRF-Token", &token);
        }
        assert_eq!(admin.send(&request).unwrap().status, 403, "{name}: {value}");
    }
    let with = |request: Request| admin.send(&request.header("X-CSRF-Token", &token)).unwrap();
    assert_eq!(with(post("/api/no/such/path")).status, 404);
    let wrong_method = with(Request::new("PATCH", "/api/peers"));
    assert_eq!(wrong_method.status, 405);
    assert!(
        wrong_method
            .header("allow")
            .is_some_and(|allow| allow.contains("POST"))
    );
    let large = Request::new("POST", "/api/peers")
        .header("Content-Type", "text/plain")
        .body(vec![b'x'; 10 << 20]);
    assert_eq!(with(large).status, 413, "size before type");
    let typed = Request::new("POST", "/api/peers")
        .header("Content-Type", "text/plain")
        .body("{}");
    assert_eq!(with(typed).status, 415);
    assert_eq!(
        with(Request::new("POST", "/api/peers").json(&json!({}))).status,
        400
    );
    assert_eq!(
        with(Request::new("POST", "/api/peers").json(&json!({ "name": "phone" }))).status,
        409
    );
    assert_eq!(cell.state(&owner), before);
}

#[test]
fn ended_session_is_worth_nothing() {
    let cell = Cell::set_up();
    let admin = cell.signed_in("admin");
    let cookie = {
        let credentials = json!({ "username": "admin", "password": PASSWORD });
        let reply = admin
            .send(&Request::new("POST", "/api/auth/login").json(&credentials))
            .unwrap();
        let header = reply.header("set-cookie").unwrap().to_owned();
        for attribute in [
            "__Host-",
            "; Secure",
            "; HttpOnly",
            "; SameSite=Strict",
            "; Path=/",
        ] {
            assert!(header.contains(attribute), "{header}");
        }
        header.split(';').next().unwrap().to_owned()
    };
    let replay = || {
        cell.client()
            .send(&Request::new("GET", "/api/auth/me").header("Cookie", &cookie))
            .unwrap()
    };
    assert_eq!(replay().status, 200);
    let second = cell.client();
    let token = second
        .send(&Request::new("GET", "/api/auth/csrf-token").header("Cookie", &cookie))
        .unwrap()
        .json()["csrf_token"]
        .as_str()
        .unwrap()
        .to_owned();
    let out = Request::new("POST", "/api/auth/logout")
        .header("Cookie", &cookie)
        .header("X-CSRF-Token", token);
    assert_eq!(second.send(&out).unwrap().status, 204);
    assert_eq!(replay().status, 401);
}

#[test]
fn guessing_is_slowed_for_the_guesser_alone() {
    let cell = Cell::set_up();
    let laptop = cell.client();
    let wrong = |forged: u8| {
        let credentials = json!({ "username": "owner", "password": "not the password" });
        let request = Request::new("POST", "/api/auth/login")
            .header("X-Forwarded-For", format!("192.168.77.{forged}"))
            .json(&credentials);
        laptop.send(&request).unwrap()
    };
    for forged in 0..5 {
        assert_problem(&wrong(100 + forged), 401, "wrong_credentials", "guess");
    }
    let refused = wrong(200);
    assert_eq!(refused.status, 429);
    let wait: u32 = refused.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=900).contains(&wait), "{wait}");
    // The right password does not help the guesser now, and another source is not locked out.
    assert_eq!(laptop.login("owner", PASSWORD).unwrap().status, 429);
    let base = format!("https://127.0.0.1:{}", cell.celld.admin().port());
    let box_itself = cell_testkit::Client::trusting_anything(&cell.world.cell, base).unwrap();
    assert_eq!(box_itself.login("owner", PASSWORD).unwrap().status, 200);
}
