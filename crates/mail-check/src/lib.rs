//! Mail as others see it: what public DNS says, whether port 25 is open, who lists the address, what is served.
//!
//! The core says what should be so; a process without power asks name servers, speaks SMTP and TLS, and answers with
//! findings for a person and with what it saw of keys. So nothing that a stranger's server sends is parsed with the
//! core's rights.
//!
//! # Promises
//! - It ends within [`LONGEST`], however silent the others are; what could not be found out is said to be unknown.
//! - No message is sent to anybody: a server of others is greeted, and left.
//! - Only the name servers, domains and block lists of the command are asked.
//!
//! Must never: look by itself, or call something wrong that was not seen to be.
//! Start reading at [`Command`], then [`look`].

mod answer;
mod blocked;
mod command;
pub mod fake;
mod finding;
mod link;
mod look;
mod names;
mod outward;
mod record;
mod served;
mod smtp;
mod text;
mod tls;

pub use command::{Command, Leaves, ProviderSpec, Report, Scope, ServedPort};
pub use link::{LinkError, MailCheckLink};
pub use look::{LONGEST, look};
