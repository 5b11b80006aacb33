//! Who is asking: accounts, passwords, sessions, the code that opens the setup, and the brake on guessing.
//!
//! Promises: no I/O and no clock, every time is passed in; a password is kept only as an argon2id hash and a
//! session only as the SHA-256 of its token; an unknown account costs a caller the same time as a known one;
//! what an attacker can make it remember is bounded.
//! Must never: decide what a role may do (the gate does), keep records itself (the caller stores [`Account`] and
//! [`Session`] as they are), lock one source out because another one guessed.
//! Start reading at [`SessionTable`] and [`Throttle`].

mod account;
mod password;
mod random;
mod session;
mod session_table;
mod setup_code;
mod setup_gate;
mod throttle;
mod token;

pub use account::Account;
pub use password::{
    PasswordError, PasswordHash, check_password_rules, hash_password, verify_password,
};
pub use random::RandomError;
pub use session::Session;
pub use session_table::{SessionTable, Touch};
pub use setup_code::{SetupCode, SetupCodeError};
pub use setup_gate::{SetupGate, SetupTry};
pub use throttle::{Throttle, Throttled};
pub use token::{SessionToken, TokenError, TokenHash};
