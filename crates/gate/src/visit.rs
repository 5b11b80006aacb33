//! A request that has passed the gate.

use std::sync::Arc;

use bytes::Bytes;
use cell_control::Control;
use cell_control::caller::Caller;
use cell_model::account::Identity;
use cell_model::problem::Problem;
use http::HeaderMap;

use crate::form::Form;
use crate::stream::BodyStream;

/// What a handler gets.
#[derive(Clone)]
pub struct Visit {
    /// The core.
    pub control: Arc<dyn Control>,
    /// `HEAD`: the answer's body is not sent, and nothing may happen. The core is only read from.
    pub only_headers: bool,
    /// Who is asking, as the core wants it with every call.
    pub caller: Caller,
    /// Who that is; there for every route that needs somebody to be signed in.
    pub identity: Option<Identity>,
    /// The token that forms of this session must carry, as field `csrf_token`. There on pages for whoever is signed in.
    pub csrf_token: Option<String>,
    /// Parts of the path, decoded, by the route's names.
    pub params: Vec<(String, String)>,
    /// The query, decoded, in the order it came.
    pub query: Form,
    /// The body, within the route's limit and of its type.
    pub body: Bytes,
    /// What a [`crate::route::Body::Stream`] or [`crate::route::Body::Upload`] route gets instead of a body.
    pub stream: Option<BodyStream>,
    /// Headers as sent. Not to be believed about who or from where.
    pub headers: HeaderMap,
    /// The path as sent, without the query.
    pub path: String,
    /// The name or address, and the port, that the box was asked for under; one of its own.
    pub authority: String,
}

impl Visit {
    /// The whole address of a path, for whoever reaches the box as whoever asks does.
    pub fn url(&self, path: &str) -> String {
        format!("https://{}{path}", self.authority)
    }

    /// A part of the path. Empty when the route has no such part.
    pub fn param(&self, name: &str) -> &str {
        self.params
            .iter()
            .find(|(key, _)| key == name)
            .map_or("", |(_, value)| value)
    }

    /// The body of a [`crate::route::Body::Form`] route. 400 when it is not one.
    pub fn form(&self) -> Result<Form, Problem> {
        Form::parse(&self.body).ok_or_else(|| {
            Problem::new(
                400,
                "invalid_form",
                "The form could not be read",
                "Send it as application/x-www-form-urlencoded in UTF-8.",
            )
        })
    }

    /// Who is asking, on routes that need it.
    pub fn require_identity(&self) -> Result<&Identity, Problem> {
        self.identity.as_ref().ok_or_else(Problem::internal)
    }

    /// What the browser calls itself, or nothing.
    pub fn user_agent(&self) -> &str {
        self.headers
            .get(http::header::USER_AGENT)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
    }
}
