//! The second factor of one's own account: what is shown when it is added, and what is known of it.

use cell_model::Timestamp;
use cell_model::secret::{Secret, exposed};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize, Serializer};

/// Bytes of a code as it may be typed: what is longer is none.
const CODE_BYTES: usize = 64;

/// The text can be no code, neither of an app nor a recovery code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be six digits, or a recovery code")]
pub struct CodeError;

/// A code as a person typed it, for forms: whether it is right is the core's to say.
///
/// # Errors
/// [`CodeError`]
pub fn typed_code(text: &str) -> Result<Secret<String>, CodeError> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"- ".contains(&byte);
    let fits = (1..=CODE_BYTES).contains(&text.len()) && text.bytes().all(is_plain);
    match fits {
        true => Ok(Secret::new(text.to_owned())),
        false => Err(CodeError),
    }
}

/// What an app has to know, before it is proven by a code. Serialises with its secret.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct OfferedSecondFactor {
    /// As people type it into the app (base 32).
    #[serde(serialize_with = "exposed")]
    pub secret: Secret<String>,
    /// The same for a picture that apps read, with the names of box and account.
    #[serde(serialize_with = "exposed")]
    pub uri: Secret<String>,
}

/// Codes for when the app is gone, each good for one sign-in; shown this once. Serialises with them.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct NewRecoveryCodes {
    /// Two groups of five characters each.
    #[serde(serialize_with = "all_exposed")]
    #[schemars(with = "Vec<String>")]
    pub recovery_codes: Vec<Secret<String>>,
}

/// A second factor, without its secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SecondFactorView {
    /// Since when a code is asked for.
    #[schemars(with = "String")]
    pub since: Timestamp,
    /// How many recovery codes are left.
    pub recovery_codes_left: usize,
}

fn all_exposed<S: Serializer>(codes: &[Secret<String>], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(codes.iter().map(Secret::expose))
}
