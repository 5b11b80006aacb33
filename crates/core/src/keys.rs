//! Sealed secrets of the store, by name.

use cell_catalogue::Manifest;
use cell_model::config::{Config, ConnectionSecret};
use cell_model::key::{PresharedKey, PrivateKey};
use cell_model::name::{PeerName, ServiceId};
use cell_model::secret::Secret;
use cell_plan::resolve::Keys;
use cell_store::{Store, StoreError};
use cell_vault::{CaError, SealError, Sealer};
use uuid::Uuid;

use crate::dkim;

/// The VPN interface's own key.
pub(crate) const INTERFACE: &str = "wireguard/private_key";

/// The password of the box at the provider that brings mail on.
pub(crate) const RELAY_PASSWORD: &str = "mail/relay_password";

/// A secret the config speaks of cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The store cannot be read.
    #[error("secrets cannot be read")]
    Store(#[from] StoreError),
    /// What is there cannot be opened: another sealing key, or damage.
    #[error("the secret {name} cannot be opened")]
    Sealed {
        /// Its name.
        name: String,
        /// Why.
        source: SealError,
    },
    /// What was sealed is no key, or no text.
    #[error("the secret {0} is not what it should be")]
    Length(String),
    /// What was sealed is no key of a certificate.
    #[error("a key of a certificate is not what it should be")]
    Certificate(#[from] CaError),
    /// It is not there.
    #[error("the secret {0} is missing")]
    Missing(&'static str),
}

/// The name a device's pre-shared key is kept under.
pub(crate) fn preshared(name: &PeerName) -> String {
    format!("peer/{name}/preshared_key")
}

/// The name the key of a service's certificate is kept under.
pub(crate) fn certificate(service: &ServiceId) -> String {
    format!("service/{service}/certificate_key")
}

/// The name a secret of a way out is kept under.
pub(crate) fn connection(id: Uuid, secret: ConnectionSecret) -> String {
    format!("conn_{id}_{}", secret.as_str())
}

/// The services whose certificates have names of their own.
pub(crate) fn with_certificates(config: &Config) -> impl Iterator<Item = &ServiceId> {
    let installed = config.services.installed.iter();
    let named = installed.filter(|(_, service)| {
        let manifest = Manifest::parse(service.manifest.as_bytes());
        manifest.is_ok_and(|manifest| manifest.ports.iter().any(|port| port.host.is_some()))
    });
    named.map(|(id, _)| id)
}

/// Opens every key the config speaks of. A pre-shared key that is gone is left out.
pub(crate) fn open(store: &Store, sealer: &Sealer, config: &Config) -> Result<Keys, KeyError> {
    let interface = open_one(store, sealer, INTERFACE)?.ok_or(KeyError::Missing(INTERFACE))?;
    let mut keys = Keys {
        interface: Some(PrivateKey::from_bytes(interface)),
        ..Keys::default()
    };
    for (name, _) in config.peers.iter().filter(|(_, peer)| peer.preshared_key) {
        if let Some(bytes) = open_one(store, sealer, &preshared(name))? {
            keys.preshared
                .insert(name.clone(), PresharedKey::from_bytes(bytes));
        }
    }
    for id in config.services.installed.keys() {
        if let Some(key) = open_bytes(store, sealer, &certificate(id))? {
            put_certificate(&mut keys, id, key)?;
        }
    }
    for (id, way) in &config.connections {
        for secret in way.way.secrets() {
            if let Some(text) = open_text(store, sealer, &connection(*id, secret))? {
                keys.connections.insert((*id, secret), text);
            }
        }
    }
    (keys.dkim, keys.dkim_private) = dkim::open(store, sealer)?;
    let relay = config.mail.relay();
    if relay.is_some_and(|relay| relay.username.is_some()) {
        keys.relay_password = open_text(store, sealer, RELAY_PASSWORD)?;
    }
    Ok(keys)
}

fn open_one(store: &Store, sealer: &Sealer, name: &str) -> Result<Option<[u8; 32]>, KeyError> {
    let Some(opened) = open_bytes(store, sealer, name)? else {
        return Ok(None);
    };
    let bytes = opened.expose().as_slice().try_into();
    bytes
        .map(Some)
        .map_err(|_| KeyError::Length(name.to_owned()))
}

/// Puts a certificate's key, PKCS #8 DER, with what is shown of it.
pub(crate) fn put_certificate(
    keys: &mut Keys,
    id: &ServiceId,
    key: Secret<Vec<u8>>,
) -> Result<(), CaError> {
    let hash = cell_vault::key_hash(key.expose())?;
    keys.certificate_hashes.insert(id.clone(), hash);
    keys.certificates.insert(id.clone(), key);
    Ok(())
}

pub(crate) fn open_text(
    store: &Store,
    sealer: &Sealer,
    name: &str,
) -> Result<Option<Secret<String>>, KeyError> {
    let Some(opened) = open_bytes(store, sealer, name)? else {
        return Ok(None);
    };
    let text = std::str::from_utf8(opened.expose());
    let text = text.map_err(|_| KeyError::Length(name.to_owned()))?;
    Ok(Some(Secret::new(text.to_owned())))
}

pub(crate) fn open_bytes(
    store: &Store,
    sealer: &Sealer,
    name: &str,
) -> Result<Option<Secret<Vec<u8>>>, KeyError> {
    let Some(sealed) = store.secret(name)? else {
        return Ok(None);
    };
    let opened = sealer.open(name, &sealed);
    opened.map(Some).map_err(|source| KeyError::Sealed {
        name: name.to_owned(),
        source,
    })
}
