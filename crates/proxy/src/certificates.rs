//! What the proxy shows, and how Caddy takes it.

use cell_model::secret::Secret;
use data_encoding::BASE64;

/// Characters a line (RFC 7468, section 2).
const LINE: usize = 64;

/// What the proxy shows its clients. Comes from the vault, beside the spec.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificates {
    /// The certificate of all names in the spec, then those that vouch for it; each DER.
    pub chain_der: Vec<Vec<u8>>,
    /// Its key, PKCS #8 DER.
    pub key_der: Secret<Vec<u8>>,
}

impl Certificates {
    /// The chain, PEM.
    pub(crate) fn chain(&self) -> String {
        let chain = self.chain_der.iter();
        chain.map(|der| pem("CERTIFICATE", der)).collect()
    }

    /// The key, PEM.
    pub(crate) fn key(&self) -> Secret<String> {
        Secret::new(pem("PRIVATE KEY", self.key_der.expose()))
    }
}

fn pem(label: &str, der: &[u8]) -> String {
    let mut text = format!("-----BEGIN {label}-----\n");
    let mut rest = BASE64.encode(der);
    while !rest.is_empty() {
        let next = rest.split_off(rest.len().min(LINE));
        text += &rest;
        text.push('\n');
        rest = next;
    }
    text + &format!("-----END {label}-----\n")
}
