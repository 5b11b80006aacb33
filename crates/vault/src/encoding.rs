//! How certificates are shown to people and programs.

use data_encoding::BASE64;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

/// Bytes of DER in one line of PEM: 64 characters (RFC 7468 section 2).
const LINE_BYTES: usize = 48;

/// SHA-256 of a certificate's DER as browsers show it: `AB:CD:…`, 32 pairs.
pub fn fingerprint(der: &[u8]) -> String {
    let pairs: Vec<String> = Sha256::digest(der)
        .iter()
        .map(|byte| format!("{byte:02X}"))
        .collect();
    pairs.join(":")
}

/// A certificate's DER as PEM.
pub fn pem(der: &[u8]) -> String {
    labelled("CERTIFICATE", der)
}

/// A key's PKCS #8 DER as PEM.
pub(crate) fn key_pem(der: &[u8]) -> Zeroizing<String> {
    Zeroizing::new(labelled("PRIVATE KEY", der))
}

/// DER as PEM (RFC 7468).
fn labelled(label: &str, der: &[u8]) -> String {
    let mut text = format!("-----BEGIN {label}-----\n");
    for line in der.chunks(LINE_BYTES) {
        text.push_str(&BASE64.encode(line));
        text.push('\n');
    }
    text.push_str(&format!("-----END {label}-----\n"));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fingerprint_is_sha_256_in_pairs() {
        let text = fingerprint(b"abc");
        assert!(text.starts_with("BA:78:16:BF:8F:01:CF:EA:"));
        assert_eq!(text.len(), 32 * 3 - 1);
    }

    #[test]
    fn pem_has_lines_of_64_characters_and_reads_back() {
        let der: Vec<u8> = (0..=255).collect();
        let text = pem(&der);
        assert!(text.lines().all(|line| line.len() <= 64));
        let (_, parsed) = x509_parser::pem::parse_x509_pem(text.as_bytes()).unwrap();
        assert_eq!(
            (parsed.label.as_str(), parsed.contents),
            ("CERTIFICATE", der)
        );
    }
}
