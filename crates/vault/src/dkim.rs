//! The keys that mail is signed with: RSA of 2048 bits, which every receiver knows (RFC 8301 section 3.2).

use cell_model::secret::Secret;
use data_encoding::BASE64;
use rsa::RsaPrivateKey;
use rsa::pkcs8::{EncodePrivateKey, EncodePublicKey, LineEnding};
use rsa::rand_core::OsRng;

/// RFC 8301 section 3.2: signers should use at least so many; name servers carry no more without trouble.
const BITS: usize = 2_048;

/// A key could not be made.
#[derive(Debug, thiserror::Error)]
pub enum DkimError {
    /// No pair of primes came about.
    #[error("cannot make an RSA key")]
    Make(#[source] rsa::Error),
    /// The private half cannot be written.
    #[error("cannot write an RSA key")]
    Private(#[source] rsa::pkcs8::Error),
    /// The public half cannot be written.
    #[error("cannot write the public half of an RSA key")]
    Public(#[source] rsa::pkcs8::spki::Error),
}

/// A key that mail is signed with.
#[derive(Debug)]
pub struct DkimPair {
    /// PKCS #8, PEM, as mail filters read it.
    pub private_pem: Secret<String>,
    /// SubjectPublicKeyInfo, base64, as its record has it (RFC 6376 section 3.6.1).
    pub public: String,
}

impl DkimPair {
    /// A new key. Takes up to seconds of computing on a small box: not for an async thread.
    ///
    /// # Errors
    /// See [`DkimError`].
    pub fn generate() -> Result<Self, DkimError> {
        let key = RsaPrivateKey::new(&mut OsRng, BITS).map_err(DkimError::Make)?;
        let pem = key
            .to_pkcs8_pem(LineEnding::LF)
            .map_err(DkimError::Private)?;
        let public = key
            .to_public_key()
            .to_public_key_der()
            .map_err(DkimError::Public)?;
        Ok(Self {
            private_pem: Secret::new(pem.as_str().to_owned()),
            public: BASE64.encode(public.as_bytes()),
        })
    }
}

#[cfg(test)]
mod tests {
    use ring::rand::SystemRandom;
    use ring::signature::{
        RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256, RsaKeyPair, UnparsedPublicKey,
    };
    use x509_parser::prelude::{FromDer, SubjectPublicKeyInfo};

    use super::*;

    #[test]
    fn what_it_signs_its_record_verifies() {
        let pair = DkimPair::generate().unwrap();
        let pem = pair.private_pem.expose();
        assert!(pem.starts_with("-----BEGIN PRIVATE KEY-----\n"));
        assert!(pem.ends_with("-----END PRIVATE KEY-----\n"));
        let body: String = pem.lines().filter(|line| !line.contains("-----")).collect();
        // Checks the parts against each other (NIST SP 800-56B section 6.4.1.4.3).
        let signer = RsaKeyPair::from_pkcs8(&BASE64.decode(body.as_bytes()).unwrap()).unwrap();
        let mut signature = vec![0; signer.public().modulus_len()];
        assert_eq!(signature.len() * 8, BITS);
        let random = SystemRandom::new();
        signer
            .sign(&RSA_PKCS1_SHA256, &random, b"mail", &mut signature)
            .unwrap();

        let der = BASE64.decode(pair.public.as_bytes()).unwrap();
        let (rest, info) = SubjectPublicKeyInfo::from_der(&der).unwrap();
        assert!(rest.is_empty());
        let public = UnparsedPublicKey::new(
            &RSA_PKCS1_2048_8192_SHA256,
            &info.subject_public_key.data[..],
        );
        public.verify(b"mail", &signature).unwrap();
        assert!(public.verify(b"mall", &signature).is_err());
    }

    #[test]
    fn record_of_a_key_fits_two_strings() {
        let text = format!("v=DKIM1; k=rsa; p={}", DkimPair::generate().unwrap().public);
        assert!((256..=510).contains(&text.len()), "{}", text.len());
    }
}
