//! What each operation answers, and asks of the core, when all is well.

use cell_control::action::{Action, LogLevel};
use cell_control::change::Change;
use cell_control::query::Query;
use cell_model::status::Part;
use serde_json::json;

use super::*;

#[tokio::test]
async fn every_operation_answers_as_described() {
    let document = crate::openapi::document();
    for operation in operations() {
        let answered = World::of(&operation)
            .ask(&operation, &uri(&operation), operation.example.as_ref())
            .await;
        let method = operation.method.as_str().to_ascii_lowercase();
        let described = &document["paths"][operation.path][method.as_str()]["responses"];
        let response = &described[answered.status.to_string()];
        assert!(
            (200..300).contains(&answered.status),
            "{}: {}",
            operation.id,
            answered.text
        );
        assert!(
            response.is_object(),
            "{}: {} is not described",
            operation.id,
            answered.status
        );
        let kind = answered
            .headers
            .get("content-type")
            .map(|value| value.to_str().unwrap());
        let described = response["content"]
            .as_object()
            .and_then(|map| map.keys().next());
        let bare = kind.map(|kind| kind.split(';').next().unwrap().to_owned());
        assert_eq!(bare.as_ref(), described, "{}", operation.id);
        if let Some(schema) = response["content"]["application/json"].get("schema") {
            check(&document, schema, &answered.json(), operation.id);
        }
    }
}

#[tokio::test]
async fn head_answers_like_get_and_asks_the_core_for_no_change() {
    for operation in operations() {
        if operation.method != http::Method::GET {
            continue;
        }
        let world = World::of(&operation);
        let get = world.ask(&operation, &uri(&operation), None).await;
        let head = world
            .send(who(&operation), "HEAD", &uri(&operation), None)
            .await;
        assert_eq!(
            (head.status, head.text.as_str()),
            (get.status, ""),
            "{}",
            operation.id
        );
        let reads = |call: &Call| matches!(call, Call::Snapshot(_) | Call::Preview(_));
        assert!(
            head.calls.iter().all(reads),
            "{}: {:?}",
            operation.id,
            head.calls
        );
    }
}

/// Whether an answer has the keys its schema requires, all the way down.
fn check(document: &Value, schema: &Value, value: &Value, place: &str) {
    if let Some(reference) = schema["$ref"].as_str() {
        let target = document.pointer(reference.trim_start_matches('#')).unwrap();
        return check(document, target, value, place);
    }
    for name in schema["required"].as_array().into_iter().flatten() {
        let name = name.as_str().unwrap();
        assert!(
            value.get(name).is_some(),
            "{place}: {name} is missing in {value}"
        );
    }
    for (name, inner) in schema["properties"].as_object().into_iter().flatten() {
        if let Some(value) = value.get(name) {
            check(document, inner, value, &format!("{place}.{name}"));
        }
    }
    for item in value.as_array().into_iter().flatten() {
        check(document, &schema["items"], item, place);
    }
}

#[tokio::test]
async fn example_of_every_operation_is_read_whole() {
    for operation in operations() {
        let Some(example) = &operation.example else {
            use cell_gate::Body;
            let takes_no_json = matches!(operation.body, Body::None | Body::Stream);
            assert!(takes_no_json, "{}", operation.id);
            continue;
        };
        for name in example.as_object().unwrap().keys() {
            assert!(
                operation.fields.iter().any(|field| field.name == *name),
                "{}: {name}",
                operation.id
            );
        }
        for field in operation
            .fields
            .iter()
            .filter(|field| field.required && !field.name.contains('.'))
        {
            assert!(
                example.get(&field.name).is_some(),
                "{}: {}",
                operation.id,
                field.name
            );
        }
    }
}

#[tokio::test]
async fn sign_in_hands_out_the_session() {
    let operation = operation("login");
    let world = World::of(&operation);
    let answered = world
        .ask(&operation, "/api/auth/login", operation.example.as_ref())
        .await;
    assert_eq!(
        answered.headers["set-cookie"],
        "__Host-cell=session-of-owner; Path=/; Secure; HttpOnly; SameSite=Strict"
    );
    assert_eq!(
        answered.json(),
        json!({"username": "owner", "role": "owner", "must_change_password": false})
    );
    assert!(!answered.text.contains("session-of"));
    let Call::Act(Action::SignIn {
        username,
        password,
        user_agent,
        ..
    }) = answered.call()
    else {
        panic!("no sign-in");
    };
    assert_eq!(
        (username.as_str(), password.expose().as_str()),
        ("anna", "a long and quiet river")
    );
    assert_eq!(user_agent, "test");
}

#[tokio::test]
async fn right_password_without_a_code_opens_no_session() {
    let world = World::new(Stage::Ready);
    world.control.ask_for_codes();
    let login = async |form: &Value| {
        let body = form.to_string();
        let body = Some(body.as_bytes());
        world.send(None, "POST", "/api/auth/login", body).await
    };
    let mut form = json!({"username": "anna", "password": "a long and quiet river"});
    let asked = login(&form).await;
    assert_eq!(asked.status, 401, "{}", asked.text);
    assert_eq!(asked.json()["code"], "code_required");
    assert!(!asked.headers.contains_key("set-cookie"));
    assert!(!asked.text.contains("ticket"), "{}", asked.text);
    form["code"] = json!("123456");
    let signed_in = login(&form).await;
    assert_eq!(signed_in.status, 200, "{}", signed_in.text);
    let Some(Call::Act(Action::SignIn { code, .. })) = signed_in.calls.last() else {
        panic!("no sign-in");
    };
    assert_eq!(code.as_ref().unwrap().expose(), "123456");
}

#[tokio::test]
async fn second_factor_is_set_up_with_a_picture_and_answered_with_codes() {
    let world = World::new(Stage::Ready);
    let path = "/api/auth/second-factor";
    let member = Some(Role::Member);
    let none = world.send(member, "GET", path, None).await;
    assert_eq!(none.json(), json!({ "second_factor": null }));
    let offered = world.send(member, "POST", path, None).await;
    assert_eq!(offered.status, 201, "{}", offered.text);
    let offered = offered.json();
    assert_eq!(offered["secret"], FakeControl::TOTP_SECRET);
    assert!(
        offered["uri"]
            .as_str()
            .unwrap()
            .starts_with("otpauth://totp/")
    );
    assert!(offered["qr_svg"].as_str().unwrap().starts_with("<svg "));
    let code = json!({ "code": "123456" }).to_string();
    let added = world.send(member, "PUT", path, Some(code.as_bytes())).await;
    assert_eq!(added.json()["recovery_codes"][0], "0123A-BCDEF");
    let removed = world.send(member, "DELETE", path, None).await;
    assert_eq!(removed.status, 204);
}

#[tokio::test]
async fn sign_out_takes_the_session_away() {
    let world = World::new(Stage::Ready);
    let answered = world
        .send(Some(Role::Member), "POST", "/api/auth/logout", None)
        .await;
    assert_eq!(answered.status, 204);
    assert!(
        answered.headers["set-cookie"]
            .to_str()
            .unwrap()
            .contains("Max-Age=0")
    );
}

#[tokio::test]
async fn app_password_comes_once_and_is_listed_without_it() {
    let world = World::new(Stage::Ready);
    let member = Some(Role::Member);
    let body = br#"{"device":"Anna's phone","services":["dav"]}"#;
    let added = world
        .send(member, "POST", "/api/app-passwords", Some(body))
        .await;
    let answer = added.json();
    assert_eq!(added.status, 201);
    assert_eq!(answer["password"], FakeControl::APP_PASSWORD);
    assert_eq!(answer["app_password"]["device"], "Anna's phone");
    assert_eq!(answer["app_password"]["services"], json!(["dav"]));
    let Call::Act(Action::AddAppPassword(form)) = added.call() else {
        panic!("nothing added");
    };
    assert_eq!(form.username, None, "one's own");

    let uri = "/api/app-passwords?username=Ben";
    let listed = world.send(member, "GET", uri, None).await;
    assert_eq!(
        listed.json(),
        json!({"items": [{
            "id": "0f0f", "username": "ben", "device": "Anna's phone", "services": null,
            "created_at": "2026-11-18T11:06:40Z", "last_used": "2026-11-18",
        }], "next": null})
    );
    let removed = world
        .send(member, "DELETE", "/api/app-passwords/0f0f", None)
        .await;
    assert_eq!(removed.status, 204);
    let Call::Act(Action::RemoveAppPassword { id }) = removed.call() else {
        panic!("nothing removed");
    };
    assert_eq!(id, "0f0f");
}

#[tokio::test]
async fn new_device_comes_with_its_file_and_code() {
    let world = World::new(Stage::Ready);
    let answered = world
        .send(
            Some(Role::Admin),
            "POST",
            "/api/peers",
            Some(br#"{"name":"a"}"#),
        )
        .await;
    let body = answered.json();
    assert_eq!((answered.status, &body["peer"]["name"]), (201, &json!("a")));
    assert!(body["config"].as_str().unwrap().contains("PrivateKey = "));
    assert!(body["qr_svg"].as_str().unwrap().starts_with("<svg "));
    let Call::Submit(Change::AddPeer(form)) = answered.call() else {
        panic!("nothing added");
    };
    assert!(form.full_tunnel, "the default");
}

#[tokio::test]
async fn pasted_key_gives_a_file_without_private_line_and_no_code() {
    let world = World::new(Stage::Ready);
    let body = br#"{"name":"a","public_key":"BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc="}"#;
    let added = world
        .send(Some(Role::Admin), "POST", "/api/peers", Some(body))
        .await;
    let fetched = world
        .send(Some(Role::Admin), "GET", "/api/peers/a/config", None)
        .await;
    for answered in [added, fetched] {
        assert!(!answered.text.contains("PrivateKey"));
        assert_eq!(answered.json()["qr_svg"], Value::Null);
    }
    let rekeyed = world
        .send(Some(Role::Admin), "POST", "/api/peers/a/rekey", None)
        .await;
    assert!(rekeyed.json()["qr_svg"].is_string());
}

#[tokio::test]
async fn change_that_waits_answers_202_and_who_must_confirm() {
    let operation = operation("changeConfig");
    let world = World::of(&operation);
    world.control.hold_changes();
    for (method, path, body) in [
        ("PUT", "/api/config", Some(&b"{\"dns\":{}}"[..])),
        ("POST", "/api/config/revisions/3/restore", None),
        ("PUT", "/api/peers/a", Some(b"{}")),
        ("DELETE", "/api/peers/a", None),
    ] {
        let answered = world.send(Some(Role::Owner), method, path, body).await;
        assert_eq!(answered.status, 202, "{method} {path}");
        assert_eq!(
            answered.json(),
            json!({"revision": 7, "confirm": {"revision": 7, "username": "owner", "seconds_left": 90}})
        );
    }
    let added = world
        .send(
            Some(Role::Owner),
            "POST",
            "/api/peers",
            Some(b"{\"name\":\"a\"}"),
        )
        .await;
    assert_eq!(added.status, 201);
    assert!(added.json()["confirm"].is_object() && added.json()["config"].is_string());
    let confirmed = world
        .send(Some(Role::Owner), "POST", "/api/config/confirm", None)
        .await;
    assert_eq!(
        (confirmed.status, confirmed.json()),
        (200, json!({"revision": 7}))
    );
}

#[tokio::test]
async fn config_that_was_read_can_be_written_back() {
    let world = World::new(Stage::Ready);
    let read = world
        .send(Some(Role::Owner), "GET", "/api/config", None)
        .await;
    let written = world
        .send(
            Some(Role::Owner),
            "PUT",
            "/api/config",
            Some(read.text.as_bytes()),
        )
        .await;
    assert_eq!(written.status, 200);
    let Call::Submit(Change::Settings(update)) = written.call() else {
        panic!("no settings");
    };
    assert_eq!(update.revision, Some(7));
    assert!(update.cell.is_some() && update.vpn.is_some() && update.dns.is_some());
}

#[tokio::test]
async fn revisions_compare_with_the_one_before_or_another() {
    for (query, from, to) in [("", 6, 7), ("?against=2", 2, 7), ("?against=9", 7, 9)] {
        let world = World::new(Stage::Ready);
        let uri = format!("/api/config/revisions/7/diff{query}");
        let answered = world.send(Some(Role::Helper), "GET", &uri, None).await;
        assert_eq!(
            (&answered.json()["from"], &answered.json()["to"]),
            (&json!(from), &json!(to))
        );
    }
}

#[tokio::test]
async fn lists_pass_their_range_and_filter_on() {
    let world = World::new(Stage::Ready);
    let uri = "/api/audit?limit=5&cursor=12&actor=Anna&action=peer.&object=phone";
    let Call::Snapshot(Query::Audit(asked)) = world
        .send(Some(Role::Helper), "GET", uri, None)
        .await
        .call()
    else {
        panic!("no audit");
    };
    assert_eq!(
        (asked.range.limit, asked.range.cursor.as_deref()),
        (5, Some("12"))
    );
    assert_eq!(asked.actor.unwrap().as_str(), "anna");
    assert_eq!(asked.action.as_deref(), Some("peer."));
    assert_eq!(asked.object.as_deref(), Some("phone"));
    let uri = "/api/logs/search?q=zone+file&service=dns&lines=9&level=warn";
    let Call::Snapshot(Query::Logs(asked)) = world
        .send(Some(Role::Helper), "GET", uri, None)
        .await
        .call()
    else {
        panic!("no logs");
    };
    assert_eq!(
        (asked.limit, asked.part, asked.level),
        (9, Some(Part::Dns), Some(LogLevel::Warn))
    );
    assert_eq!(asked.text.as_deref(), Some("zone file"));
}

#[tokio::test]
async fn audit_is_exported_as_a_table() {
    let world = World::new(Stage::Ready);
    let answered = world
        .send(Some(Role::Helper), "GET", "/api/audit/export", None)
        .await;
    assert_eq!(answered.headers["content-type"], "text/csv; charset=utf-8");
    assert_eq!(
        answered.headers["content-disposition"],
        "attachment; filename=\"audit.csv\""
    );
    let lines: Vec<_> = answered.text.split("\r\n").collect();
    assert_eq!(lines.len(), 3);
    assert!(lines[1].starts_with("\"12\",\""));
    assert!(lines[1].ends_with("\"'=full tunnel, \"\"all\"\" services\""));
}

#[tokio::test]
async fn wizard_checks_a_step_and_stores_nothing() {
    let world = World::new(Stage::BeforeSetup);
    let step = async |body: &str| {
        world
            .send(None, "POST", "/api/setup/step", Some(body.as_bytes()))
            .await
    };
    let cell = step(r#"{"step":"cell","cell_name":"home"}"#).await;
    assert_eq!((cell.json(), cell.calls.len()), (json!({"step": "vpn"}), 0));
    let code = step(r#"{"step":"code","setup_code":"7G3K9QXM"}"#).await;
    assert_eq!(code.json(), json!({"step": "cell"}));
    assert!(matches!(
        code.call(),
        Call::Act(Action::CheckSetupCode { .. })
    ));
    for (body, field) in [
        (r#"{"step":"vpn","vpn_subnet":"8.8.8.0/24"}"#, "vpn_subnet"),
        (
            r#"{"step":"owner","admin_password":"short"}"#,
            "admin_password",
        ),
        (r#"{"step":"cell","domain":"home.local"}"#, "domain"),
    ] {
        assert_eq!(wrong_field(&step(body).await).0, field);
    }
    let plan = world
        .send(None, "GET", "/api/setup/step", None)
        .await
        .json();
    assert_eq!(
        plan["steps"],
        json!(["code", "cell", "vpn", "owner", "review"])
    );
    assert_eq!(plan["proposal"]["vpn_subnet"], "10.31.7.0/24");
}

#[tokio::test]
async fn setup_is_one_request() {
    let operation = operation("completeSetup");
    let world = World::of(&operation);
    let answered = world
        .ask(
            &operation,
            "/api/setup/complete",
            operation.example.as_ref(),
        )
        .await;
    assert_eq!(
        answered.json(),
        json!({"status": "complete", "revision": 7})
    );
    assert!(matches!(answered.call(), Call::Submit(Change::SetUp(_))));
}

#[tokio::test]
async fn health_answers_at_every_stage() {
    for stage in [
        Stage::BeforeSetup,
        Stage::WithoutAccounts,
        Stage::Unreachable,
        Stage::Ready,
    ] {
        let answered = World::new(stage).send(None, "GET", "/health", None).await;
        assert_eq!(
            (answered.status, answered.json()),
            (200, json!({"status": "ok"}))
        );
    }
}
