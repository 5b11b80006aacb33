//! The OpenAPI 3.1 description, made from the table.

use std::sync::LazyLock;

use cell_gate::{Access, Reply, Visit};
use cell_model::problem::Problem;
use http::StatusCode;
use schemars::SchemaGenerator;
use serde_json::{Map, Value, json};

use crate::answer::ChangeAnswer;
use crate::field::{self, Kind};
use crate::row::{Answer, Row};
use crate::scope;
use crate::table::rows;

/// What is said of operations that are dangerous.
const DANGEROUS: &str = "Answers 403 reauthentication_required unless the session signed in, or proved its password by \
                         POST /api/auth/reauthenticate, within the last 15 minutes.";

static DOCUMENT: LazyLock<String> = LazyLock::new(|| document().to_string());

pub(crate) async fn show(_: Visit) -> Result<Reply, Problem> {
    Ok(Reply::new(
        StatusCode::OK,
        "application/json",
        DOCUMENT.as_str(),
    ))
}

/// The whole description.
pub(crate) fn document() -> Value {
    let mut generator = field::generator();
    let problem = generator.subschema_for::<Problem>();
    let mut paths: Map<String, Value> = Map::new();
    for row in rows() {
        let path = paths.entry(row.path).or_insert_with(|| json!({}));
        path[row.method().as_str().to_ascii_lowercase()] =
            operation(row, &problem.clone().into(), &mut generator);
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Personal Internet Cell",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Errors are problem documents (RFC 9457) with a stable code. Lists answer items and next.",
        },
        "paths": paths,
        "components": {
            "schemas": generator.take_definitions(true),
            "securitySchemes": {
                "session": { "type": "apiKey", "in": "cookie", "name": "__Host-cell" },
                "csrf": { "type": "apiKey", "in": "header", "name": "X-CSRF-Token" },
                "token": {
                    "type": "http", "scheme": "bearer",
                    "description": "A token of POST /api/auth/tokens that is good for what is named; it needs no X-CSRF-Token.",
                },
            },
        },
    })
}

fn operation(row: &Row, problem: &Value, generator: &mut SchemaGenerator) -> Value {
    let mut responses = Map::new();
    let (status, content) = match row.answer {
        Answer::Json(status, shape) => (
            status,
            json!({ "application/json": { "schema": shape(generator) } }),
        ),
        Answer::Other(content_type) => (
            200,
            json!({ content_type: { "schema": { "type": "string" } } }),
        ),
        Answer::Nothing => (204, Value::Null),
    };
    responses.insert(status.to_string(), response("As asked.", content));
    if row.waits {
        let text = "Done, and taken back unless confirmed in time.";
        let content =
            json!({ "application/json": { "schema": generator.subschema_for::<ChangeAnswer>() } });
        responses.insert("202".to_owned(), response(text, content));
    }
    for status in problems(row) {
        let reason = StatusCode::from_u16(status)
            .ok()
            .and_then(|status| status.canonical_reason());
        let content = json!({ "application/problem+json": { "schema": problem } });
        responses.insert(
            status.to_string(),
            response(reason.unwrap_or("Refused"), content),
        );
    }
    let mut operation = json!({
        "operationId": row.id,
        "summary": row.summary,
        "parameters": parameters(row),
        "responses": responses,
        "security": security(row),
    });
    if row.dangerous {
        operation["x-dangerous"] = json!(true);
        operation["description"] = json!(DANGEROUS);
    }
    if let Some(request) = row.request {
        let example: Value = serde_json::from_str(request.example).unwrap_or_default();
        let schema = (request.shape)(generator);
        operation["requestBody"] = json!({
            "required": true,
            "content": { "application/json": { "schema": schema, "example": example } },
        });
    }
    if row.stream {
        operation["requestBody"] = json!({
            "required": true,
            "content": {
                "application/octet-stream": { "schema": { "type": "string", "format": "binary" } },
            },
        });
    }
    operation
}

fn response(text: &str, content: Value) -> Value {
    match content {
        Value::Null => json!({ "description": text }),
        content => json!({ "description": text, "content": content }),
    }
}

/// Every status a problem of this operation may have, in order.
fn problems(row: &Row) -> Vec<u16> {
    // Any query, and any request without a host, can be refused with 400.
    let mut statuses = vec![400, 405, 421];
    statuses.extend(row.problems);
    if row.request.is_some() || row.stream {
        statuses.push(408);
    }
    // An operation without a body refuses one.
    statuses.extend([413, 415]);
    if row.path_names().next().is_some() {
        statuses.push(404);
    }
    match row.access {
        Access::Open => {}
        Access::Setup => statuses.push(410),
        Access::SignIn => statuses.extend([428, 503]),
        Access::SignedIn => statuses.extend([401, 403, 428, 503]),
        Access::AtLeast(_) | Access::Only(_) => statuses.extend([401, 403, 428, 503]),
    }
    if row.changes() {
        statuses.push(403);
    }
    if row.access != Access::Open {
        statuses.extend([500, 503]);
    }
    statuses.sort_unstable();
    statuses.dedup();
    statuses
}

fn parameters(row: &Row) -> Vec<Value> {
    let path = row.path_names().map(|name| {
        json!({ "name": name, "in": "path", "required": true, "schema": { "type": "string" } })
    });
    let query = row.query.iter().map(|parameter| {
        let kind = match parameter.kind {
            Kind::Number => "integer",
            Kind::Boolean => "boolean",
            _ => "string",
        };
        json!({
            "name": parameter.name,
            "in": "query",
            "required": parameter.required,
            "description": parameter.about,
            "schema": { "type": kind },
        })
    });
    path.chain(query).collect()
}

fn security(row: &Row) -> Value {
    let session = match row.access {
        Access::Open | Access::Setup | Access::SignIn => return json!([]),
        _ if row.changes() => json!({ "session": [], "csrf": [] }),
        _ => json!({ "session": [] }),
    };
    match scope::of(row) {
        // Names of what is needed are for any scheme since OpenAPI 3.1.
        Some(scope) => json!([session, { "token": [scope] }]),
        None => json!([session]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_operation_is_described_once() {
        let document = document();
        for row in rows() {
            let method = row.method().as_str().to_ascii_lowercase();
            assert_eq!(document["paths"][row.path][&method]["operationId"], row.id);
        }
        let mut ids: Vec<&str> = rows().map(|row| row.id).collect();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), rows().count());
    }

    #[test]
    fn every_reference_leads_somewhere() {
        fn walk(value: &Value, document: &Value) {
            match value {
                Value::Object(map) => {
                    if let Some(Value::String(target)) = map.get("$ref") {
                        let path = target.strip_prefix('#').unwrap();
                        assert!(document.pointer(path).is_some(), "{target}");
                    }
                    map.values().for_each(|inner| walk(inner, document));
                }
                Value::Array(list) => list.iter().for_each(|inner| walk(inner, document)),
                _ => {}
            }
        }
        let document = document();
        walk(&document, &document);
    }

    #[test]
    fn examples_are_what_the_operation_takes() {
        for operation in crate::operations() {
            if operation.fields.is_empty() {
                continue;
            }
            let example = operation
                .example
                .unwrap_or_else(|| panic!("{}", operation.id));
            for field in operation
                .fields
                .iter()
                .filter(|field| field.required && !field.name.contains('.'))
            {
                assert!(
                    example.get(&field.name).is_some(),
                    "{} lacks {}",
                    operation.id,
                    field.name
                );
            }
        }
    }
}
