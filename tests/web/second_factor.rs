//! A second factor with the real daemon and the real time: set up, asked for, lost.

use cell_tests::authenticator::{Authenticator, login_with_code};
use cell_tests::expect_status;
use serde_json::json;

use crate::cell::{Cell, PASSWORD, assert_problem};

#[test]
fn second_factor_is_asked_for_counts_once_and_is_lost_without_losing_the_account() {
    let mut cell = Cell::set_up();
    let member = cell.signed_in("member");
    let other = cell.signed_in("member");
    let path = "/api/auth/second-factor";
    let too_early = member.put(path, &json!({ "code": "123456" })).unwrap();
    assert_problem(&too_early, 409, "second_factor_not_offered", "no offer");
    let long = "0".repeat(65);
    for wrong in ["", "123456\u{0}", "\u{ff11}23456", "12;456", &long] {
        let reply = member.put(path, &json!({ "code": wrong })).unwrap();
        assert_problem(&reply, 400, "invalid_field", wrong);
    }
    expect_status(&member.delete(path).unwrap(), 404);
    let (app, codes) = Authenticator::set_up(&member);
    assert_eq!(codes.len(), 8);
    let ended = other.get("/api/auth/me").unwrap();
    assert_problem(&ended, 401, "sign_in_required", "the other session");
    expect_status(&member.get("/api/auth/me").unwrap(), 200);

    let form = json!({ "username": "member", "password": PASSWORD });
    let alone = other.post("/api/auth/login", &form).unwrap();
    assert_problem(&alone, 401, "code_required", "the password alone");
    let empty = login_with_code(&other, "member", PASSWORD, "");
    assert_problem(&empty, 401, "code_required", "an empty code");
    let garbage = login_with_code(&other, "member", PASSWORD, &long);
    assert_problem(&garbage, 400, "invalid_field", "no code");
    expect_status(&other.get("/api/auth/me").unwrap(), 401);
    let code = app.next_code();
    let signed_in = login_with_code(&other, "member", PASSWORD, &code);
    expect_status(&signed_in, 200);

    // What was used is known after a restart, too.
    cell.celld.kill9().unwrap();
    cell.celld.launch().unwrap();
    cell.celld.wait_healthy().unwrap();
    let replayed = login_with_code(&other, "member", PASSWORD, &code);
    assert_problem(&replayed, 401, "wrong_code", "a code again");
    let recovered = login_with_code(&other, "member", PASSWORD, &codes[0]);
    expect_status(&recovered, 200);
    let left = other.get("/api/auth/second-factor").unwrap().json();
    assert_eq!(left["second_factor"]["recovery_codes_left"], 7, "{left}");
    let again = login_with_code(&other, "member", PASSWORD, &codes[0]);
    assert_problem(&again, 401, "wrong_code", "a recovery code again");

    // The phone is gone, and the codes are: an owner sets another password.
    let owner = cell.signed_in("owner");
    let accounts = owner.get("/api/auth/users").unwrap().json().to_string();
    assert!(accounts.contains(r#""second_factor":true"#), "{accounts}");
    let reset = json!({ "username": "member", "new_password": "a brook that is short" });
    let reply = owner
        .post("/api/auth/admin/reset-password", &reset)
        .unwrap();
    expect_status(&reply, 204);
    let reply = other.login("member", "a brook that is short").unwrap();
    expect_status(&reply, 200);
}
