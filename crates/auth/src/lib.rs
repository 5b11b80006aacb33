//! Who is asking: accounts, passwords, second factors, sessions, app passwords, the code that opens the setup, and the
//! brake on guessing.
//!
//! Promises: no I/O and no clock, every time is passed in; a password is kept only as an argon2id hash, a session or an
//! app password only as the SHA-256 of what the box made up for it; an unknown account costs a caller the same time as a
//! known one; what an attacker can make it remember is bounded.
//! Must never: decide what a role may do (the gate does), keep records itself (the caller stores [`Account`],
//! [`Session`] and [`AppPassword`] as they are), lock one source out because another one guessed.
//! Start reading at [`SessionTable`], [`AppPasswordTable`] and [`Throttle`].

mod account;
mod app_password;
mod app_password_table;
mod crockford;
mod password;
mod pending_sign_ins;
mod random;
mod removed_app_passwords;
mod second_factor;
mod session;
mod session_table;
mod setup_code;
mod setup_gate;
mod throttle;
mod token;

pub use account::Account;
pub use app_password::{AppPassword, AppPasswordId, AppPasswordIdError, AppPasswordSecret};
pub use app_password_table::{AppPasswordCheck, AppPasswordTable};
pub use password::{
    PasswordError, PasswordHash, check_password_rules, hash_password, verify_password,
};
pub use pending_sign_ins::{PendingSignIn, PendingSignIns};
pub use random::RandomError;
pub use removed_app_passwords::{Removal, RemovedAppPassword, RemovedAppPasswords};
pub use second_factor::{RecoveryCodes, SecondFactor, TotpSecret};
pub use session::Session;
pub use session_table::{SessionTable, Touch};
pub use setup_code::{SetupCode, SetupCodeError};
pub use setup_gate::{SetupGate, SetupTry};
pub use throttle::{Throttle, Throttled};
pub use token::{SessionToken, TokenError, TokenHash};
