//! Every field of every operation against every kind of bad input. A row here is a kind of bad input; operations and
//! fields come from the table that serves them.

use cell_api::{Field, Kind, Operation, operations};
use cell_gate::Access;
use cell_testkit::{Client, Request};
use cell_updates::boot_state::Slot;
use serde_json::{Value, json};

use crate::cell::{Cell, assert_problem};

/// Refusals that are right for a value that is wrong, or right and about something that is not there.
const REFUSALS: [u16; 8] = [400, 401, 403, 404, 409, 410, 422, 429];

/// Sends as somebody who may.
struct Sender<'a> {
    client: &'a Client,
    token: String,
}

impl Sender<'_> {
    fn request(&self, operation: &Operation) -> Request {
        Request::new(operation.method.as_str(), path(operation)).header("X-CSRF-Token", &self.token)
    }

    fn send(&self, operation: &Operation, body: &Value) -> (u16, String) {
        let reply = self
            .client
            .send(&self.request(operation).json(body))
            .unwrap();
        (reply.status, reply.text())
    }
}

fn path(operation: &Operation) -> String {
    let names = [
        ("{name}", "phone"),
        ("{username}", "nobody"),
        ("{number}", "1"),
        ("{service}", "files"),
        ("{part}", "dns"),
        ("{id}", "none"),
        ("{group}", "none"),
        ("{alias}", "none"),
        ("{selector}", "none"),
        ("{connection}", "00000000-0000-4000-8000-000000000000"),
    ];
    names
        .iter()
        .fold(operation.path.to_owned(), |path, (from, to)| {
            path.replace(from, to)
        })
}

/// The example with another value at a dotted path; objects and lists on the way are made.
fn with(example: &Value, field: &str, value: Option<Value>) -> Value {
    fn set(target: &mut Value, path: &[&str], value: Option<Value>) {
        let Some((first, rest)) = path.split_first() else {
            return;
        };
        if let Ok(index) = first.parse::<usize>() {
            if !target.is_array() {
                *target = json!([]);
            }
            let list = target.as_array_mut().unwrap();
            while list.len() <= index {
                list.push(json!({}));
            }
            set_or_go(&mut list[index], rest, value);
        } else {
            if !target.is_object() {
                *target = json!({});
            }
            let map = target.as_object_mut().unwrap();
            match (rest.is_empty(), value) {
                (true, Some(value)) => {
                    map.insert((*first).to_owned(), value);
                }
                (true, None) => {
                    map.remove(*first);
                }
                (false, value) => set(map.entry(*first).or_insert(json!({})), rest, value),
            }
        }
    }
    fn set_or_go(target: &mut Value, rest: &[&str], value: Option<Value>) {
        if rest.is_empty() {
            if let Some(value) = value {
                *target = value;
            }
        } else {
            set(target, rest, value);
        }
    }
    let mut changed = example.clone();
    let path: Vec<&str> = field.split('.').collect();
    set(&mut changed, &path, value);
    changed
}

/// Values no field of this kind takes.
fn wrong_values(field: &Field) -> Vec<Value> {
    let shapes = [json!({ "a": 1 }), json!([[1]]), json!(-1), json!(1.5)];
    let texts = [
        json!(""),
        json!("x".repeat(256)),
        json!("a\u{0}b"),
        json!("\u{430}nna"),
        json!("a b\n<script>"),
    ];
    match field.kind {
        // Free text is a secret's right; its shape is not.
        Kind::Secret => shapes.into_iter().chain([json!("")]).collect(),
        Kind::Text | Kind::Choice | Kind::Bytes => shapes.into_iter().chain(texts).collect(),
        Kind::Number => vec![json!(-1), json!(1.5), json!("1"), json!({}), json!([])],
        Kind::Boolean => vec![json!("true"), json!(1), json!({}), json!([])],
        Kind::List => vec![json!("a"), json!(1), json!({}), json!([{ "no": 1 }])],
        Kind::Object => vec![
            json!("a"),
            json!(1),
            json!([1]),
            json!({ "no such key": 1 }),
        ],
    }
}

fn with_body() -> Vec<Operation> {
    let takes = operations()
        .into_iter()
        .filter(|operation| operation.example.is_some());
    let mut takes: Vec<Operation> = takes
        .filter(|operation| operation.access != Access::Setup)
        .collect();
    // Guesses at passwords come last: they slow down whoever makes them.
    takes.sort_by_key(|operation| operation.path.starts_with("/api/auth/"));
    takes
}

#[test]
fn every_field_refuses_what_it_does_not_take_and_nothing_changes() {
    let cell = Cell::set_up();
    let owner = cell.signed_in("owner");
    let sender = Sender {
        client: &owner,
        token: owner.csrf_token().unwrap().unwrap(),
    };
    let before = cell.state(&owner);
    let mut rows = 0;
    for operation in with_body() {
        let example = operation.example.clone().unwrap();
        for field in &operation.fields {
            for value in wrong_values(field) {
                let (status, text) = sender.send(
                    &operation,
                    &with(&example, &field.name, Some(value.clone())),
                );
                let what = format!(
                    "{} {} {} = {value:.40}",
                    operation.method, operation.path, field.name
                );
                assert!(REFUSALS.contains(&status), "{what}: {status} {text}");
                rows += 1;
            }
            let top = !field.name.contains('.');
            if field.required && top {
                let (status, text) = sender.send(&operation, &with(&example, &field.name, None));
                assert_eq!(
                    status, 400,
                    "{} without {}: {text}",
                    operation.path, field.name
                );
                assert!(text.contains(&field.name), "{text}");
            }
        }
    }
    assert!(rows > 200, "only {rows} rows");
    assert_eq!(cell.state(&owner), before);
}

#[test]
fn every_body_is_read_strictly() {
    let cell = Cell::set_up();
    let owner = cell.signed_in("owner");
    let sender = Sender {
        client: &owner,
        token: owner.csrf_token().unwrap().unwrap(),
    };
    let before = cell.state(&owner);
    for operation in with_body() {
        let what = format!("{} {}", operation.method, operation.path);
        let example = operation.example.clone().unwrap();
        let raw = |content_type: &str, body: Vec<u8>| {
            let request = sender
                .request(&operation)
                .header("Content-Type", content_type)
                .body(body);
            owner.send(&request).unwrap()
        };
        let unknown = with(&example, "no_such_field", Some(json!(1)));
        let reply = raw("application/json", unknown.to_string().into_bytes());
        assert_problem(&reply, 400, "invalid_field", &what);
        assert!(reply.text().contains("no_such_field"), "{what}");
        for broken in [
            &b""[..],
            b"{",
            b"null",
            b"\xff\xfe",
            b"{\"a\":1,\"a\":1}",
            b"[1]",
        ] {
            let reply = raw("application/json", broken.to_vec());
            assert_eq!(reply.status, 400, "{what} {broken:?}: {}", reply.text());
        }
        for other in [
            "text/plain",
            "application/x-www-form-urlencoded",
            "application/jsonp",
            "multipart/form-data",
        ] {
            assert_eq!(
                raw(other, example.to_string().into_bytes()).status,
                415,
                "{what} {other}"
            );
        }
        assert_eq!(
            raw("application/json", vec![b' '; 10 << 20]).status,
            413,
            "{what}"
        );
        let evil = owner
            .send(
                &sender
                    .request(&operation)
                    .header("Host", "evil.example")
                    .json(&example),
            )
            .unwrap();
        assert_eq!(evil.status, 421, "{what}");
    }
    let whole = cell.slots.hold(Slot::B, &cell.slots.version);
    assert!(whole && !cell.slots.was_restarted());
    assert_eq!(cell.state(&owner), before);
}

#[test]
fn every_query_parameter_is_read_strictly() {
    let cell = Cell::set_up();
    let owner = cell.signed_in("owner");
    for operation in operations() {
        if operation.method != "GET" || matches!(operation.access, Access::Setup | Access::Only(_))
        {
            continue;
        }
        let get = |query: String| {
            let reply = owner.get(&format!("{}?{query}", path(&operation))).unwrap();
            (reply.status, reply.text())
        };
        let (status, text) = get("no_such_parameter=1".into());
        assert_eq!(status, 400, "{}: {text}", operation.path);
        for field in &operation.query {
            for value in ["", "%00", "%ff", "-1", &"x".repeat(300)] {
                // A text to look for may be anything that is short and can be seen.
                let free = ["q", "action", "actor", "cursor", "object"]
                    .contains(&field.name.as_str())
                    && value == "-1";
                let (status, text) = get(format!("{}={value}", field.name));
                assert!(
                    status == 400 || free,
                    "{} {}={value:.9}: {status} {text}",
                    operation.path,
                    field.name
                );
            }
        }
    }
}
