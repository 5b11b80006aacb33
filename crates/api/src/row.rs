//! One row of the table: everything there is to say about an operation.

use cell_gate::{Access, Body, Handler, Route};
use cell_model::account::Role;
use http::Method;
use schemars::{JsonSchema, Schema, SchemaGenerator};

use crate::parameter::Parameter;

/// Whoever may look at everything.
pub(crate) const READ: Access = Access::AtLeast(Role::Helper);
/// Whoever runs the box.
pub(crate) const CHANGE: Access = Access::AtLeast(Role::Admin);
/// Whoever owns it.
pub(crate) const OWN: Access = Access::AtLeast(Role::Owner);

/// Bytes of a whole config: a thousand records of 255 bytes and more.
const CONFIG_LIMIT: usize = 1024 * 1024;

/// Makes the schema of a type.
pub(crate) type Shape = fn(&mut SchemaGenerator) -> Schema;

/// An operation.
#[derive(Clone, Copy)]
pub(crate) struct Row {
    verb: Verb,
    pub(crate) path: &'static str,
    pub(crate) id: &'static str,
    pub(crate) summary: &'static str,
    pub(crate) access: Access,
    /// Only for somebody whose password was proven a short time ago.
    pub(crate) dangerous: bool,
    pub(crate) limit: usize,
    pub(crate) request: Option<Request>,
    /// Takes bytes as they come, instead.
    pub(crate) stream: bool,
    pub(crate) query: &'static [Parameter],
    pub(crate) answer: Answer,
    /// Answers 202 when the change returns by itself unless confirmed.
    pub(crate) waits: bool,
    /// Statuses of problems beyond those the gate and the shape of the request give.
    pub(crate) problems: &'static [u16],
    handler: Handler,
}

/// The methods in use. [`Method`] itself cannot be copied in a constant.
#[derive(Clone, Copy)]
enum Verb {
    Get,
    Post,
    Put,
    Delete,
}

/// What an operation takes.
#[derive(Clone, Copy)]
pub(crate) struct Request {
    pub(crate) shape: Shape,
    /// One that is right, in JSON.
    pub(crate) example: &'static str,
}

/// What an operation answers when it goes well.
#[derive(Clone, Copy)]
pub(crate) enum Answer {
    /// JSON.
    Json(u16, Shape),
    /// Another type.
    Other(&'static str),
    /// Nothing.
    Nothing,
}

/// A handler and the query parameters it takes; made by `handler!`.
#[derive(Clone, Copy)]
pub(crate) struct Asked {
    pub(crate) handler: Handler,
    pub(crate) query: &'static [Parameter],
}

/// Wraps an async function so that it is reached only with the query parameters it knows.
macro_rules! handler {
    ($handler:path) => {
        handler!($handler, &[])
    };
    ($handler:path, $query:expr) => {
        $crate::row::Asked {
            handler: |visit| {
                Box::pin(async move {
                    $crate::parameter::check(&visit.query, $query)?;
                    $handler(visit).await
                })
            },
            query: $query,
        }
    };
}
pub(crate) use handler;

impl Row {
    pub(crate) const fn get(path: &'static str, id: &'static str, asked: Asked) -> Self {
        Self::new(Verb::Get, path, id, asked)
    }

    pub(crate) const fn post(path: &'static str, id: &'static str, asked: Asked) -> Self {
        Self::new(Verb::Post, path, id, asked)
    }

    pub(crate) const fn put(path: &'static str, id: &'static str, asked: Asked) -> Self {
        Self::new(Verb::Put, path, id, asked)
    }

    pub(crate) const fn delete(path: &'static str, id: &'static str, asked: Asked) -> Self {
        Self::new(Verb::Delete, path, id, asked)
    }

    const fn new(verb: Verb, path: &'static str, id: &'static str, asked: Asked) -> Self {
        Self {
            verb,
            path,
            id,
            summary: "",
            access: Access::SignedIn,
            dangerous: false,
            limit: Route::LIMIT,
            request: None,
            stream: false,
            query: asked.query,
            answer: Answer::Nothing,
            waits: false,
            problems: &[],
            handler: asked.handler,
        }
    }

    /// Who may, and what it is for.
    pub(crate) const fn is(mut self, access: Access, summary: &'static str) -> Self {
        self.access = access;
        self.summary = summary;
        self
    }

    /// Is refused unless the password was proven a short time ago.
    pub(crate) const fn dangerous(mut self) -> Self {
        self.dangerous = true;
        self
    }

    /// Takes JSON of this shape.
    pub(crate) const fn takes<T: JsonSchema>(mut self, example: &'static str) -> Self {
        self.request = Some(Request {
            shape: SchemaGenerator::subschema_for::<T>,
            example,
        });
        self
    }

    /// Takes bytes as they come, at most so many.
    pub(crate) const fn takes_stream(mut self, limit: usize) -> Self {
        self.stream = true;
        self.limit = limit;
        self
    }

    /// Takes as much as a whole config.
    pub(crate) const fn takes_much(mut self) -> Self {
        self.limit = CONFIG_LIMIT;
        self
    }

    /// Answers 200 and JSON of this shape.
    pub(crate) const fn answers<T: JsonSchema>(mut self) -> Self {
        self.answer = Answer::Json(200, SchemaGenerator::subschema_for::<T>);
        self
    }

    /// Answers 201 and JSON of this shape.
    pub(crate) const fn creates<T: JsonSchema>(mut self) -> Self {
        self.answer = Answer::Json(201, SchemaGenerator::subschema_for::<T>);
        self
    }

    /// Answers 202 and JSON of this shape: what was asked for goes on.
    pub(crate) const fn begins<T: JsonSchema>(mut self) -> Self {
        self.answer = Answer::Json(202, SchemaGenerator::subschema_for::<T>);
        self
    }

    /// Answers 200 and this content type.
    pub(crate) const fn answers_type(mut self, content_type: &'static str) -> Self {
        self.answer = Answer::Other(content_type);
        self
    }

    /// May answer 202 instead.
    pub(crate) const fn may_wait(mut self) -> Self {
        self.waits = true;
        self
    }

    /// May refuse with these.
    pub(crate) const fn refuses(mut self, problems: &'static [u16]) -> Self {
        self.problems = problems;
        self
    }

    pub(crate) fn method(&self) -> Method {
        match self.verb {
            Verb::Get => Method::GET,
            Verb::Post => Method::POST,
            Verb::Put => Method::PUT,
            Verb::Delete => Method::DELETE,
        }
    }

    /// Whether it can change anything.
    pub(crate) fn changes(&self) -> bool {
        !matches!(self.verb, Verb::Get)
    }

    pub(crate) fn body(&self) -> Body {
        match self.request {
            _ if self.stream => Body::Stream,
            Some(_) => Body::Json,
            None => Body::None,
        }
    }

    /// Names of the parts of its path.
    pub(crate) fn path_names(&self) -> impl Iterator<Item = &'static str> {
        self.path
            .split('/')
            .filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
    }

    pub(crate) fn route(&self) -> Route {
        Route {
            method: self.method(),
            path: self.path,
            access: self.access,
            dangerous: self.dangerous,
            scope: crate::scope::of(self),
            body: self.body(),
            limit: self.limit,
            handler: self.handler,
        }
    }
}
