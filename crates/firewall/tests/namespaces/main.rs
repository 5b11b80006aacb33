//! The packet filter against a real kernel, in network namespaces of its own.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "the neighbourhood is part of the tests, though not inside a test function"
)]

mod connectivity;
mod exits;
mod kernel;
mod lab;
mod links;
mod services;
