//! Who is asking: accounts, invites, passwords, second factors, passkeys, sessions, app passwords, tokens, the code that opens the
//! setup, and the brake on guessing.
//!
//! Promises: no I/O and no clock, every time is passed in; a password is kept only as an argon2id hash, a session or an
//! app password only as the SHA-256 of what the box made up for it; an unknown account costs a caller the same time as a
//! known one; what an attacker can make it remember is bounded.
//! Must never: decide what a role may do (the gate does), keep records itself (the caller stores [`Account`],
//! [`Session`], [`AppPassword`] and the like as they are), lock one source out because another one guessed.
//! Start reading at [`SessionTable`], [`AppPasswordTable`] and [`Throttle`].

mod access_limit;
mod account;
mod api_token;
mod app_password;
mod app_password_table;
mod challenges;
mod crockford;
pub mod fake;
mod invite;
mod passkey;
mod password;
mod pending_sign_ins;
mod random;
mod record_id;
mod removed_app_passwords;
mod second_factor;
mod session;
mod session_table;
mod setup_code;
mod setup_gate;
mod throttle;
mod token;
mod typed_secret;

pub use access_limit::AccessLimit;
pub use account::Account;
pub use api_token::{ApiToken, ApiTokenTable};
pub use app_password::AppPassword;
pub use app_password_table::{AppPasswordCheck, AppPasswordTable};
pub use challenges::{Challenge, Challenges};
pub use invite::Invite;
pub use passkey::{
    Assertion, Passkey, PasskeyAlgorithm, PasskeyError, Registration, challenge_of, user_handle,
};
pub use password::{
    PasswordError, PasswordHash, check_password_rules, hash_password, verify_password,
};
pub use pending_sign_ins::{PendingSignIn, PendingSignIns};
pub use random::RandomError;
pub use record_id::{RecordId, RecordIdError};
pub use removed_app_passwords::{Removal, RemovedAppPassword, RemovedAppPasswords};
pub use second_factor::{RecoveryCodes, SecondFactor, TotpSecret};
pub use session::Session;
pub use session_table::{SessionTable, Touch};
pub use setup_code::{SetupCode, SetupCodeError};
pub use setup_gate::{SetupGate, SetupTry};
pub use throttle::{Throttle, Throttled};
pub use token::{SessionToken, TokenError, TokenHash};
pub use typed_secret::TypedSecret;
