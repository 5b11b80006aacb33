//! Passwords for the devices of a person: one each, made by the box, good for services and never for the admin pages.

use std::collections::BTreeSet;

use cell_model::name::{DeviceLabel, ServiceId, Username};
use cell_model::{Date, Timestamp};
use serde::{Deserialize, Serialize};

use crate::random::RandomError;
use crate::record_id::RecordId;
use crate::token::TokenHash;
use crate::typed_secret::TypedSecret;

/// An app password, as stored: without the secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AppPassword {
    /// Its name.
    pub id: RecordId,
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

impl AppPassword {
    /// A new one, and the secret that is shown this once.
    pub fn generate(
        username: Username,
        device: DeviceLabel,
        services: Option<BTreeSet<ServiceId>>,
        now: Timestamp,
    ) -> Result<(Self, TypedSecret), RandomError> {
        let secret = TypedSecret::generate()?;
        let password = Self {
            id: RecordId::generate()?,
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

#[cfg(test)]
mod tests {
    use super::*;

    fn made() -> (AppPassword, TypedSecret) {
        AppPassword::generate(
            "anna".parse().unwrap(),
            "Anna's phone".parse().unwrap(),
            Some(["dav".parse().unwrap()].into()),
            Timestamp::UNIX_EPOCH,
        )
        .unwrap()
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
    fn services_bound_what_it_opens() {
        let (mut password, _) = made();
        let (dav, files) = ("dav".parse().unwrap(), "files".parse().unwrap());
        assert!(password.opens(&dav) && !password.opens(&files));
        password.services = None;
        assert!(password.opens(&dav) && password.opens(&files));
    }
}
