//! A whole config of Caddy.

use std::fmt;

use cell_model::spec::ProxySpec;
use data_encoding::HEXLOWER;
use serde_json::Value;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::{Certificates, ConfigDigest, ProxyStatus, render};

/// What is sent to Caddy and read back. A private key is in it: all that it shows is what stands for it.
pub(crate) struct Config(Value);

impl Config {
    /// What Caddy is told for a spec.
    pub(crate) fn of(spec: &ProxySpec, certificates: &Certificates) -> Self {
        Self(render::config(spec, certificates))
    }

    /// Reads what Caddy answered.
    pub(crate) fn read(answer: &[u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(answer).map(Self)
    }

    /// As JSON, wiped when dropped.
    pub(crate) fn text(&self) -> Zeroizing<Vec<u8>> {
        Zeroizing::new(self.0.to_string().into_bytes())
    }

    /// What stands for it. Caddy gives back what it was sent but for the order of keys, so that compares.
    pub(crate) fn status(&self) -> ProxyStatus {
        let apps = self.0.get("apps").and_then(Value::as_object);
        if apps.is_none_or(serde_json::Map::is_empty) {
            return ProxyStatus::Empty;
        }
        let mut sorted = self.0.clone();
        sorted.sort_all_objects();
        let text = Zeroizing::new(sorted.to_string());
        ProxyStatus::Loaded(ConfigDigest(
            HEXLOWER.encode(&Sha256::digest(text.as_bytes())),
        ))
    }
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Config").field(&self.status()).finish()
    }
}
