//! Passwords for the devices of a person: one each, made by the box, good for services and never for the admin pages.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use cell_model::name::{DeviceLabel, ServiceId, Username};
use cell_model::secret::Secret;
use cell_model::{Date, Timestamp};
use data_encoding::HEXLOWER;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::crockford;
use crate::random::{self, RandomError};
use crate::token::TokenHash;

/// Characters of the secret: 130 bits, so that neither a guess nor a stolen hash leads anywhere.
const LENGTH: usize = 26;

/// The text is no name of an app password: 16 hex digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is not the id of an app password")]
pub struct AppPasswordIdError;

/// What an app password goes by in lists and addresses. Random, so that an old page never means a newer one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AppPasswordId([u8; 8]);

/// An app password, as stored: without the secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AppPassword {
    /// Its name.
    pub id: AppPasswordId,
    /// Whose it is.
    pub username: Username,
    /// The device it is for.
    pub device: DeviceLabel,
    /// What its secret hashes to.
    pub secret_hash: TokenHash,
    /// The services it opens; `None`: whatever the account may use.
    #[serde(default)]
    pub services: Option<BTreeSet<ServiceId>>,
    /// When it was made.
    pub created_at: Timestamp,
    /// The day (UTC) of its last use; the stored value may be up to an hour behind.
    #[serde(default)]
    pub last_used: Option<Date>,
}

/// The secret itself: 26 characters of Crockford's base 32. Prints as a mask.
#[derive(Clone, Debug)]
pub struct AppPasswordSecret(Secret<[u8; LENGTH]>);

impl AppPassword {
    /// A new one, and the secret that is shown this once.
    pub fn generate(
        username: Username,
        device: DeviceLabel,
        services: Option<BTreeSet<ServiceId>>,
        now: Timestamp,
    ) -> Result<(Self, AppPasswordSecret), RandomError> {
        let secret = AppPasswordSecret::generate()?;
        let password = Self {
            id: AppPasswordId(random::bytes()?),
            username,
            device,
            secret_hash: secret.hash(),
            services,
            created_at: now,
            last_used: None,
        };
        Ok((password, secret))
    }

    /// Whether it opens this service.
    pub fn opens(&self, service: &ServiceId) -> bool {
        self.services
            .as_ref()
            .is_none_or(|services| services.contains(service))
    }
}

impl AppPasswordSecret {
    fn generate() -> Result<Self, RandomError> {
        crockford::generate().map(|code| Self(Secret::new(code)))
    }

    /// What a person typed, in whatever spelling: either case, with hyphens and spaces. `None` when it can be none.
    pub fn read(typed: &str) -> Option<Self> {
        crockford::read(typed).map(|code| Self(Secret::new(code)))
    }

    /// The secret as it is shown: 26 characters in lower case, which phones type more easily.
    pub fn expose_text(&self) -> Secret<String> {
        let lower = self
            .0
            .expose()
            .map(|byte| char::from(byte.to_ascii_lowercase()));
        Secret::new(lower.iter().collect())
    }

    /// What the box keeps of it.
    pub fn hash(&self) -> TokenHash {
        TokenHash::of(self.expose_text().expose().as_bytes())
    }
}

impl FromStr for AppPasswordId {
    type Err = AppPasswordIdError;

    fn from_str(text: &str) -> Result<Self, AppPasswordIdError> {
        let bytes = HEXLOWER.decode(text.as_bytes()).ok();
        let bytes = bytes.and_then(|bytes| bytes.try_into().ok());
        bytes.map(Self).ok_or(AppPasswordIdError)
    }
}

impl fmt::Display for AppPasswordId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&HEXLOWER.encode(&self.0))
    }
}

impl Serialize for AppPasswordId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for AppPasswordId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made() -> (AppPassword, AppPasswordSecret) {
        AppPassword::generate(
            "anna".parse().unwrap(),
            "Anna's phone".parse().unwrap(),
            Some(["dav".parse().unwrap()].into()),
            Timestamp::UNIX_EPOCH,
        )
        .unwrap()
    }

    #[test]
    fn secret_is_26_characters_that_nobody_misreads() {
        let (_, secret) = made();
        let text = secret.expose_text();
        assert_eq!(text.expose().len(), 26);
        let plain = |c: char| c.is_ascii_digit() || c.is_ascii_lowercase() && !"ilou".contains(c);
        assert!(text.expose().chars().all(plain));
        assert_eq!(format!("{secret:?}"), "AppPasswordSecret([secret])");
    }

    #[test]
    fn secret_is_known_however_it_is_typed() {
        let secret = AppPasswordSecret::read("0123456789abcdefghjkmnpqrs").unwrap();
        for typed in [
            "01234-56789-abcde-fghjk-mnpqrs",
            "OI23456789ABCDEFGHJKMNPQRS",
            " 0l23456789 abcdefghjk mnpqrs\n",
        ] {
            let typed = AppPasswordSecret::read(typed).unwrap();
            assert_eq!(typed.hash(), secret.hash());
        }
        for bad in [
            "",
            "0123456789abcdefghjkmnpqr",
            "0123456789abcdefghjkmnpqrst",
            &"u".repeat(26),
        ] {
            assert!(AppPasswordSecret::read(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn stored_form_holds_the_hash_alone() {
        let (password, secret) = made();
        let stored = serde_json::to_string(&password).unwrap();
        assert!(!stored.contains(secret.expose_text().expose().as_str()));
        assert_eq!(
            serde_json::from_str::<AppPassword>(&stored).unwrap(),
            password
        );
        assert_eq!(password.secret_hash, secret.hash());
    }

    #[test]
    fn id_is_sixteen_hex_digits() {
        let (password, _) = made();
        let text = password.id.to_string();
        assert_eq!((text.len(), text.parse()), (16, Ok(password.id)));
        for bad in ["", "none", "0f0f", &"0F".repeat(8), &"0".repeat(18)] {
            assert_eq!(
                bad.parse::<AppPasswordId>(),
                Err(AppPasswordIdError),
                "{bad}"
            );
        }
    }

    #[test]
    fn services_bound_what_it_opens() {
        let (mut password, _) = made();
        let (dav, files) = ("dav".parse().unwrap(), "files".parse().unwrap());
        assert!(password.opens(&dav) && !password.opens(&files));
        password.services = None;
        assert!(password.opens(&dav) && password.opens(&files));
    }
}
