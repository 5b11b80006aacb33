//! Public keys of SSH, as `authorized_keys` has them.

use std::fmt;
use std::str::FromStr;

use ssh_key::{HashAlg, PublicKey};

/// The most bytes of a line: an RSA key of 16,384 bits takes 2,800.
const MAX_LINE: usize = 4096;
/// Bits an RSA key must have at least, and may have at most: more would only slow the box down.
const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=16384;

/// Kinds of keys the box's SSH server takes.
const KINDS: [&str; 7] = [
    "ssh-ed25519",
    "ssh-rsa",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "sk-ssh-ed25519@openssh.com",
    "sk-ecdsa-sha2-nistp256@openssh.com",
];
/// The most keys that may sign in over SSH: a person pastes one or two.
pub const MAX_SSH_KEYS: usize = 32;

/// Why a text is no public key that may be let in. The text is fit to be shown beside the field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SshKeyError {
    /// The other half.
    #[error("must not be a private key; take the one line of the file that ends in .pub")]
    Private,
    /// More than one line, or characters that a terminal would act on.
    #[error("must be one line without control characters")]
    Line,
    /// More bytes than any key.
    #[error("must have at most 4096 bytes")]
    TooLong,
    /// `command=…` and the like.
    #[error("must begin with the kind of the key; options before it are not supported")]
    Options,
    /// Not a kind that is taken.
    #[error(
        "must be a key of the kind ssh-ed25519, ecdsa-sha2-nistp256, -384 or -521, ssh-rsa, or one of these on a token (sk-…)"
    )]
    Kind,
    /// Cut short or mistyped.
    #[error("is damaged: copy the whole line of the file that ends in .pub")]
    Damaged,
    /// Too short to be safe, or too long to be quick.
    #[error(
        "must have 2,048 to 16,384 bits, being of the kind ssh-rsa; ssh-ed25519 is the better choice"
    )]
    RsaBits,
}

/// A public key, as a line of `authorized_keys` without options.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SshKey {
    line: String,
    key: PublicKey,
}

impl SshKey {
    /// The line, without its end.
    pub fn as_str(&self) -> &str {
        &self.line
    }

    /// Whether it is the same key, whatever it is called.
    pub fn is_same_key(&self, other: &Self) -> bool {
        self.key.key_data() == other.key.key_data()
    }

    /// Kind, fingerprint and comment, as `ssh-keygen -l` shows them.
    pub fn description(&self) -> String {
        let kind = self.key.algorithm();
        let text = format!("{kind} {}", self.key.fingerprint(HashAlg::Sha256));
        match self.key.comment() {
            "" => text,
            comment => format!("{text} {comment}"),
        }
    }
}

impl fmt::Display for SshKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.line)
    }
}

impl FromStr for SshKey {
    type Err = SshKeyError;

    fn from_str(text: &str) -> Result<Self, SshKeyError> {
        let text = text.trim();
        if text.contains("PRIVATE KEY") {
            return Err(SshKeyError::Private);
        }
        if text.len() > MAX_LINE {
            return Err(SshKeyError::TooLong);
        }
        if text.chars().any(char::is_control) {
            return Err(SshKeyError::Line);
        }
        // The SSH server wants one blank each.
        let words: Vec<&str> = text.split_ascii_whitespace().collect();
        if !words.first().is_some_and(|first| KINDS.contains(first)) {
            return Err(match words.iter().any(|word| KINDS.contains(word)) {
                true => SshKeyError::Options,
                false => SshKeyError::Kind,
            });
        }
        let line = words.join(" ");
        let key = PublicKey::from_openssh(&line).map_err(|_| SshKeyError::Damaged)?;
        if let Some(rsa) = key.key_data().rsa() {
            let modulus = rsa.n.as_positive_bytes().unwrap_or_default();
            let unused = modulus.first().map_or(0, |first| first.leading_zeros());
            if !RSA_BITS.contains(&(modulus.len() * 8 - unused as usize)) {
                return Err(SshKeyError::RsaBits);
            }
        }
        Ok(Self { line, key })
    }
}

#[cfg(test)]
mod tests {
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;
    use proptest::prelude::*;

    use super::*;

    const GOOD: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILM+rvN+ot98qgEN796jTiQfZfG1KaT0PtFDJ/XFSqti anna@laptop";

    fn read(text: &str) -> Result<SshKey, SshKeyError> {
        text.parse()
    }

    fn key(kind: &str, fields: &[&[u8]]) -> String {
        let mut blob = Vec::new();
        for field in [&[kind.as_bytes()], fields].concat() {
            blob.extend(u32::try_from(field.len()).unwrap().to_be_bytes());
            blob.extend(field);
        }
        format!("{kind} {}", STANDARD.encode(blob))
    }

    fn rsa(bytes: usize) -> String {
        let modulus = [&[0][..], &vec![0xc1; bytes]].concat();
        key("ssh-rsa", &[&[1, 0, 1], &modulus])
    }

    const ECDSA: &str = "ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBHwf2HMM5TRXvo2SQJjsNkiDD5KqiiNjrGVv3UUh+mMT5RHxiRtOnlqvjhQtBq0VpmpCV/PwUdhOig4vkbqAcEc= user";

    #[test]
    fn key_is_kept_as_the_line_it_was() {
        assert_eq!(read(GOOD).unwrap().as_str(), GOOD);
        assert_eq!(read(&format!("  {GOOD}\r\n")).unwrap().as_str(), GOOD);
        let wide = GOOD.replace(' ', "   ");
        assert_eq!(read(&wide).unwrap().as_str(), GOOD);
        assert!(read(&rsa(256)).is_ok());
        assert_eq!(read(&format!("  {ECDSA}\r\n")).unwrap().as_str(), ECDSA);
        for name in ["", "anna", "Anna's old laptop", "änna"] {
            let named = GOOD.replace("anna@laptop", name);
            assert_eq!(read(&named).unwrap().as_str(), named.trim_end());
        }
    }

    #[test]
    fn point_is_of_the_curve_that_the_kind_names() {
        let point = |bytes: usize| [&[4][..], &vec![7; bytes - 1]].concat();
        let kind = "ecdsa-sha2-nistp384";
        assert!(read(&key(kind, &[b"nistp384", &point(97)])).is_ok());
        let token = [&b"nistp256"[..], &point(65), b"ssh:"];
        assert!(read(&key("sk-ecdsa-sha2-nistp256@openssh.com", &token)).is_ok());
        for (curve, point) in [
            ("nistp256", point(97)),
            ("nistp384", point(65)),
            ("nistp384", vec![2; 97]),
        ] {
            let text = key(kind, &[curve.as_bytes(), &point]);
            assert_eq!(read(&text), Err(SshKeyError::Damaged));
        }
    }

    #[test]
    fn other_texts_are_told_apart() {
        let long = format!("{GOOD} {}", "x".repeat(MAX_LINE));
        let (cut, two) = (&GOOD[..60], format!("{GOOD}\n{GOOD}"));
        let other_kind = GOOD.replacen("ssh-ed25519", "ssh-rsa", 1);
        for (text, expected) in [
            ("", SshKeyError::Kind),
            ("hello", SshKeyError::Kind),
            (
                "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAAQQC7 x",
                SshKeyError::Damaged,
            ),
            (
                &key("ssh-rsa", &[&[1, 0, 1], &[0x7f; 256]]),
                SshKeyError::RsaBits,
            ),
            ("ssh-ed25519", SshKeyError::Damaged),
            ("ssh-dss AAAA", SshKeyError::Kind),
            (&GOOD.replacen('s', "ѕ", 1), SshKeyError::Kind),
            ("-----BEGIN OPENSSH PRIVATE KEY-----", SshKeyError::Private),
            (&format!("command=\"id\" {GOOD}"), SshKeyError::Options),
            (&two, SshKeyError::Line),
            (&long, SshKeyError::TooLong),
            (cut, SshKeyError::Damaged),
            (&other_kind, SshKeyError::Damaged),
            (&rsa(128), SshKeyError::RsaBits),
            (&rsa(2049), SshKeyError::RsaBits),
        ] {
            assert_eq!(read(text), Err(expected), "{text}");
        }
    }

    #[test]
    fn key_is_shown_as_ssh_keygen_shows_it() {
        let key = read(GOOD).unwrap();
        assert_eq!(
            key.description(),
            "ssh-ed25519 SHA256:UCUiLr7Pjs9wFFJMDByLgc3NrtdU344OgUM45wZPcIQ anna@laptop"
        );
        let elsewhere = read(&GOOD.replace("laptop", "desk")).unwrap();
        assert!(key.is_same_key(&elsewhere) && key != elsewhere);
    }

    proptest! {
        #[test]
        fn no_line_makes_the_reader_panic(line in "(ssh-rsa |ssh-ed25519 |)[ -~]{0,120}") {
            let _ = read(&line);
        }
    }
}
