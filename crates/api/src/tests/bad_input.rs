//! Bad input, made from the table: one row a field and a way to be wrong.

use serde_json::json;

use super::*;
use crate::{Field, Kind};

/// Ways in which a field of this kind is wrong whatever it means.
fn wrong_values(field: &Field) -> Vec<Value> {
    let mut wrong = match field.kind {
        Kind::Text | Kind::Choice => vec![
            json!(""),
            json!("x".repeat(256)),
            json!("a\u{0}b"),
            json!("\u{430}nn\u{430}"),
            json!(1),
            json!(true),
        ],
        // What they stand for only the core can tell.
        Kind::Bytes => vec![json!(""), json!("a+b="), json!("a\u{0}b"), json!(1)],
        Kind::Secret => vec![json!(1_234_567), json!(true)],
        Kind::Number => vec![json!("1"), json!(-1), json!(1.5), json!(true), json!(1e30)],
        Kind::Boolean => vec![json!("true"), json!(1), json!("")],
        Kind::List => vec![json!("mail"), json!(1), json!([{"x": [1]}])],
        Kind::Object => vec![json!("x"), json!(1), json!({"colour": "red"})],
    };
    let signs = matches!(field.kind, Kind::Text | Kind::Choice);
    if signs && !takes_any_signs(&field.name) {
        wrong.push(json!("../../etc/passwd"));
    }
    if field.kind != Kind::List {
        wrong.push(json!([[]]));
    }
    if field.kind != Kind::Object {
        wrong.push(json!({"a": 1}));
    }
    if field.required {
        wrong.push(Value::Null);
    }
    wrong
}

/// The place of a field in a body, made if it is not there.
fn place<'a>(body: &'a mut Value, name: &str) -> Option<&'a mut Value> {
    name.split('.').try_fold(body, |value, step| match value {
        Value::Object(map) => Some(map.entry(step).or_insert(Value::Null)),
        Value::Array(list) => list.get_mut(step.parse::<usize>().ok()?),
        _ => None,
    })
}

/// Its keys are not the operation's: they are whatever a service asks for, or names of people.
fn has_keys_of_others(name: &str) -> bool {
    ["answers", "quotas"].contains(&name)
}

/// A text of the DNS has no form of its own, and an addressing only has the fields of its mode.
fn depends_on_its_neighbour(name: &str) -> bool {
    name == "network.wan.addressing.address" || name == "network.wan.addressing.gateway"
}

/// A name that others give, who may give any.
fn takes_any_signs(name: &str) -> bool {
    ["delivery.relay.username", "config.username"].contains(&name)
}

async fn refused(operation: &Operation, body: &Value, field: &str) -> Answered {
    let answered = World::of(operation)
        .ask(operation, &uri(operation), Some(body))
        .await;
    assert_eq!(
        answered.status, 400,
        "{}.{field}: {body}: {}",
        operation.id, answered.text
    );
    assert_eq!(answered.code(), "invalid_field", "{}.{field}", operation.id);
    assert!(
        answered.calls.is_empty(),
        "{}.{field} reached the core",
        operation.id
    );
    answered
}

#[tokio::test]
async fn every_wrong_value_is_refused_and_the_field_is_named() {
    let mut rows = 0;
    for operation in operations() {
        let Some(example) = &operation.example else {
            continue;
        };
        for field in operation
            .fields
            .iter()
            .filter(|field| !depends_on_its_neighbour(&field.name))
        {
            let wrong = wrong_values(field).into_iter();
            let of_no_form =
                |wrong: &Value| !(has_keys_of_others(&field.name) && wrong.is_object());
            for wrong in wrong.filter(of_no_form) {
                let mut body = example.clone();
                let Some(value) = place(&mut body, &field.name) else {
                    panic!(
                        "{}: the example has no place for {}",
                        operation.id, field.name
                    )
                };
                *value = wrong;
                let answered = refused(&operation, &body, &field.name).await;
                let (named, _) = wrong_field(&answered);
                // Fields of a variant are named by the object they are in.
                let related = named.starts_with(&field.name) || field.name.starts_with(&named);
                assert!(
                    related,
                    "{}: {named} is named for {}",
                    operation.id, field.name
                );
                rows += 1;
            }
        }
    }
    assert!(rows > 300, "only {rows} rows");
}

#[tokio::test]
async fn every_missing_field_is_named() {
    for operation in operations() {
        let Some(example) = &operation.example else {
            continue;
        };
        for field in operation
            .fields
            .iter()
            .filter(|field| field.required && !field.name.contains('.'))
        {
            let mut body = example.clone();
            body.as_object_mut().unwrap().remove(&field.name);
            let answered = refused(&operation, &body, &field.name).await;
            assert_eq!(
                wrong_field(&answered),
                (field.name.clone(), "is required".to_owned())
            );
        }
    }
}

#[tokio::test]
async fn unknown_and_doubled_keys_are_refused_in_every_object() {
    for operation in operations() {
        let Some(example) = &operation.example else {
            continue;
        };
        let mut body = example.clone();
        body["colour"] = json!("red");
        let answered = refused(&operation, &body, "colour").await;
        assert_eq!(wrong_field(&answered).0, "colour");
        for field in operation
            .fields
            .iter()
            .filter(|field| field.kind == Kind::Object && !has_keys_of_others(&field.name))
        {
            let mut body = example.clone();
            let Some(Value::Object(object)) = place(&mut body, &field.name) else {
                continue;
            };
            object.insert("colour".to_owned(), json!("red"));
            let named = wrong_field(&refused(&operation, &body, &field.name).await).0;
            assert!(named.starts_with(&field.name), "{named}");
        }
        let Some((first, value)) = example.as_object().unwrap().iter().next() else {
            continue;
        };
        let doubled = example
            .to_string()
            .replacen('{', &format!("{{\"{first}\":{value},"), 1);
        let world = World::of(&operation);
        let answered = world
            .send(
                who(&operation),
                operation.method.as_str(),
                &uri(&operation),
                Some(doubled.as_bytes()),
            )
            .await;
        assert_eq!(answered.status, 400);
        assert_eq!(
            wrong_field(&answered),
            (first.clone(), "must be given once".to_owned())
        );
    }
}

#[tokio::test]
async fn what_is_no_json_object_is_refused() {
    for operation in operations() {
        if operation.example.is_none() {
            continue;
        }
        for body in [
            "",
            "{",
            "null",
            "1",
            "[]",
            "\"x\"",
            "name=a",
            "{}{}",
            "\u{feff}{}",
        ] {
            let world = World::of(&operation);
            let answered = world
                .send(
                    who(&operation),
                    operation.method.as_str(),
                    &uri(&operation),
                    Some(body.as_bytes()),
                )
                .await;
            // Some operations take an object without any field, and then a list without any item reads as one.
            assert_eq!(answered.status, 400, "{} {body}", operation.id);
            assert!(answered.calls.is_empty());
        }
    }
}

#[tokio::test]
async fn ten_megabytes_are_too_large_for_every_operation() {
    let big = vec![b' '; 10 * 1024 * 1024];
    for operation in operations() {
        if operation.method == http::Method::GET || operation.limit > big.len() {
            continue;
        }
        let world = World::of(&operation);
        let answered = world
            .send(
                who(&operation),
                operation.method.as_str(),
                &uri(&operation),
                Some(&big),
            )
            .await;
        assert_eq!(
            (answered.status, answered.code().as_str()),
            (413, "too_large"),
            "{}",
            operation.id
        );
        assert!(answered.calls.is_empty());
    }
}

#[tokio::test]
async fn secrets_never_come_back() {
    for operation in operations() {
        let Some(example) = &operation.example else {
            continue;
        };
        let secrets: Vec<_> = operation
            .fields
            .iter()
            .filter(|field| field.kind == Kind::Secret)
            .collect();
        for wrong in &operation.fields {
            let mut body = example.clone();
            for secret in &secrets {
                *place(&mut body, &secret.name).unwrap() = json!("hunter2-hunter2");
            }
            *place(&mut body, &wrong.name).unwrap() = json!([73_195_864]);
            let answered = World::of(&operation)
                .ask(&operation, &uri(&operation), Some(&body))
                .await;
            assert!(
                !answered.text.contains("hunter2"),
                "{}: {}",
                operation.id,
                answered.text
            );
            let secret = wrong.kind == Kind::Secret;
            assert!(
                !secret || !answered.text.contains("73195864"),
                "{}",
                answered.text
            );
        }
    }
}
