//! Random bytes from the kernel, and keys made of them.

use cell_model::key::{PresharedKey, PrivateKey};
use cell_model::secret::Secret;
use ring::rand::{SecureRandom, SystemRandom};

/// The kernel gave no random bytes. No key can be made then.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the system gave no random bytes")]
pub struct RandomError;

/// Fresh random bytes.
pub fn random_bytes<const N: usize>() -> Result<[u8; N], RandomError> {
    let mut bytes = [0; N];
    SystemRandom::new()
        .fill(&mut bytes)
        .map_err(|_| RandomError)?;
    Ok(bytes)
}

/// A new WireGuard private key.
pub fn new_private_key() -> Result<PrivateKey, RandomError> {
    let bytes = Secret::new(random_bytes()?);
    Ok(PrivateKey::from_bytes(*bytes.expose()))
}

/// A new WireGuard pre-shared key.
pub fn new_preshared_key() -> Result<PresharedKey, RandomError> {
    let bytes = Secret::new(random_bytes()?);
    Ok(PresharedKey::from_bytes(*bytes.expose()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_keys_are_never_the_same() {
        assert_ne!(new_private_key(), new_private_key());
        assert_ne!(new_preshared_key(), new_preshared_key());
    }

    #[test]
    fn private_key_is_clamped() {
        let key = new_private_key().unwrap();
        assert_eq!(key.expose()[0] & 7, 0);
        assert_eq!(key.expose()[31] & 0xc0, 0x40);
    }
}
