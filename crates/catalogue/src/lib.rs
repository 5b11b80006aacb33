//! Services as data: what a manifest may say, what the box refuses, and which services the catalogue offers.
//!
//! A [`Manifest`] says everything the box needs to run a service that it has never heard of: containers and their limits,
//! volumes, host names, ports, settings, accounts, and what a person has to enter into their phone. It says nothing that
//! is executed outside a container of its own.
//!
//! Promises: a manifest that exists keeps every rule; a text that does not is refused whole, with all that is wrong, by
//! line and column; what is not known is refused, never left out.
//! Must never: fetch, run, read a file or a clock, or trust that a manifest was signed: that is for who hands it over.
//! Start reading at [`Manifest`], then [`requires`].

mod index;
mod manifest;
mod read;
pub mod requires;
mod setting;
mod template;

pub use index::{Entry, Index, IndexError};
pub use manifest::{
    Accounts, Backend, Container, Document, Edge, Guide, Health, LetIn, Manifest, MediaType, Mount,
    PersonCommand, Platform, Port, Probe, Route, Volume, WellKnown,
};
pub use setting::{Setting, SettingError, SettingKind};
pub use template::{Template, TemplateError, Values, Variable};
