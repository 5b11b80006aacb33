//! A small internet on one machine, and the real programs in it.
//!
//! For tests, benches and `cargo xtask run`: a [`World`] of network namespaces (internet, cell, laptop, phone), the
//! real daemon in it ([`Celld`]), an HTTPS client ([`Client`]) and a WireGuard client ([`WgClient`]).
//!
//! Promises: everything made here is gone when its value is dropped, after a panic too; what a killed process left
//! behind is removed by the next one; every wait has a limit; worlds of parallel tests do not meet.
//!
//! Must never: change an interface, route or rule of the host's own namespace, or end a process it did not start.
//!
//! Start reading at [`world`], then [`celld`].

pub mod celld;
pub mod client;
pub mod cut_disk;
pub mod dns;
pub mod firmware;
pub mod houses;
pub mod https;
pub mod namespace;
pub mod oci;
pub mod podman;
mod registry;
pub mod vm;
mod wait;
pub mod web;
pub mod wireguard;
pub mod world;

pub use celld::{Celld, CelldOptions, ContainerOptions};
pub use client::{Client, Reply, Request};
pub use cut_disk::CutDisk;
pub use dns::DnsServer;
pub use https::{HttpsServer, Manner};
pub use namespace::Namespace;
pub use podman::Podman;
pub use registry::OciRegistry;
pub use wait::wait_for;
pub use web::WebServer;
pub use wireguard::WgClient;
pub use world::{Layout, World, WorldOptions};
