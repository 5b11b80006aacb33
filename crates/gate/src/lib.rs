//! The one way in for browsers and programs: TLS listeners and the order in which a request is judged.
//!
//! Promises: every path, known or not, passes the same checks in the same order ([`gate::Gate`]); a refused request
//! reaches no handler; `HEAD` has no effect; every answer carries the same protective headers; a caller is what the core
//! says, never what a header says. Our own proxy's word counts, on sockets that it alone can open: behind it is the same
//! gate ([`front`]), and it asks whose a request to a service is ([`accounts`]). What a service may know of people, it asks on sockets of its
//! own ([`accounts::serve_people`], [`tables`]).
//! Must never: decide who somebody is or what they may do beyond a route's [`route::Access`], keep state about
//! sessions, or render a page.
//! Start reading at [`gate::Gate::answer`], then [`route::Route`], [`visit::Visit`] and [`reply::Reply`].

pub mod accounts;
mod bearer;
mod connection;
mod cookie;
pub mod form;
pub mod front;
pub mod gate;
mod host;
mod origin;
mod protect;
pub mod qr;
mod reading;
mod refusal;
pub mod reply;
pub mod route;
pub mod serve;
mod socket;
pub mod stream;
mod table;
pub mod tables;
pub mod tls;
mod upload;
pub mod visit;

pub use gate::Gate;
pub use reply::Reply;
pub use route::{Access, Body, Faces, Handler, Route};
pub use serve::serve;
pub use stream::BodyStream;
pub use tls::tls_config;
pub use visit::Visit;
