//! The table as others see it: routes for the gate, operations for tests.

use std::sync::LazyLock;

use cell_gate::{Access, Body, Route};
use cell_model::scope::Scope;
use http::Method;
use serde_json::Value;

use crate::field::{self, Field, Kind};
use crate::routes::cells;
use crate::row::{Row, handler};
use crate::table::rows;

/// What an operation takes, for tests that are generated from it.
#[derive(Debug, Clone)]
pub struct Operation {
    /// Its method.
    pub method: Method,
    /// Its path; `{name}` stands for one segment.
    pub path: &'static str,
    /// Its name in the OpenAPI description.
    pub id: &'static str,
    /// Who may.
    pub access: Access,
    /// Whether only for somebody whose password was proven a short time ago.
    pub dangerous: bool,
    /// What a token must be good for to use it; `None`: no token is.
    pub scope: Option<Scope>,
    /// What it takes.
    pub body: Body,
    /// The most bytes of that.
    pub limit: usize,
    /// Query parameters.
    pub query: Vec<Field>,
    /// Fields of the body.
    pub fields: Vec<Field>,
    /// A body that is right, when it takes one. What it names need not exist.
    pub example: Option<Value>,
}

static ROUTES: LazyLock<Vec<Route>> = LazyLock::new(|| rows().map(Row::route).collect());

/// Routes for [`cell_gate::Faces::api`].
pub fn routes() -> &'static [Route] {
    &ROUTES
}

static PAIRING_ROUTES: LazyLock<Vec<Route>> = LazyLock::new(|| {
    let pair = Row::post(
        "/api/cells/peer-sync/pairing",
        "pair",
        handler!(cells::pair),
    );
    let pair = pair.is(Access::SignIn, "Another cell comes with an invite.");
    let sync = Row::post("/api/cells/peer-sync/sync", "sync", handler!(cells::pair));
    let sync = sync.is(Access::SignIn, "A linked cell says what has changed.");
    let rows = [pair, sync].map(|row| row.takes::<Value>("{}").route());
    rows.into()
});

/// As [`routes`], for the listener that other cells find: nothing else is behind it.
pub fn pairing_routes() -> &'static [Route] {
    &PAIRING_ROUTES
}

/// Every operation, in the order of the table.
pub fn operations() -> Vec<Operation> {
    let mut generator = field::generator();
    rows()
        .map(|row| {
            let fields = row.request.map(|request| {
                let schema = (request.shape)(&mut generator);
                field::fields(&schema, generator.definitions())
            });
            Operation {
                method: row.method(),
                path: row.path,
                id: row.id,
                access: row.access,
                dangerous: row.dangerous,
                scope: crate::scope::of(row),
                body: row.body(),
                limit: row.limit,
                query: row.query.iter().map(parameter).collect(),
                fields: fields.unwrap_or_default(),
                example: row
                    .request
                    .and_then(|request| serde_json::from_str(request.example).ok()),
            }
        })
        .collect()
}

fn parameter(parameter: &crate::parameter::Parameter) -> Field {
    Field {
        name: parameter.name.to_owned(),
        kind: match parameter.kind {
            Kind::Number => Kind::Number,
            _ => Kind::Text,
        },
        required: parameter.required,
    }
}
