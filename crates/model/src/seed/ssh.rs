//! Public keys of SSH, as `authorized_keys` has them.

use std::fmt;
use std::str::FromStr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// The most bytes of a line: an RSA key of 16,384 bits takes 2,800.
const MAX_LINE: usize = 4096;
/// Bits an RSA key must have at least, and may have at most: more would only slow the box down.
const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=16384;

/// Kinds of keys the box's SSH server takes, each with how many fields follow its name (RFC 4253 section 6.6, RFC 5656
/// section 3.1, RFC 8709 section 4, PROTOCOL.u2f of OpenSSH).
const KINDS: [(&str, usize); 7] = [
    ("ssh-ed25519", 1),
    ("ssh-rsa", 2),
    ("ecdsa-sha2-nistp256", 2),
    ("ecdsa-sha2-nistp384", 2),
    ("ecdsa-sha2-nistp521", 2),
    ("sk-ssh-ed25519@openssh.com", 2),
    ("sk-ecdsa-sha2-nistp256@openssh.com", 3),
];

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
pub struct SshKey(String);

impl SshKey {
    /// The line, without its end.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SshKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
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
        let mut words = text.split_ascii_whitespace();
        let kind_of = |word: &str| KINDS.into_iter().find(|(kind, _)| *kind == word);
        let first = words.next().unwrap_or_default();
        let Some((kind, fields)) = kind_of(first) else {
            return Err(match words.any(|word| kind_of(word).is_some()) {
                true => SshKeyError::Options,
                false => SshKeyError::Kind,
            });
        };
        let blob = STANDARD
            .decode(words.next().unwrap_or_default())
            .map_err(|_| SshKeyError::Damaged)?;
        check(kind, fields, &blob)?;
        // The SSH server wants one blank each.
        let words: Vec<&str> = text.split_ascii_whitespace().collect();
        Ok(Self(words.join(" ")))
    }
}

/// The name once more, then so many fields, then nothing.
fn check(kind: &str, fields: usize, blob: &[u8]) -> Result<(), SshKeyError> {
    let mut rest = blob;
    if field(&mut rest)? != kind.as_bytes() {
        return Err(SshKeyError::Damaged);
    }
    let mut last: &[u8] = &[];
    for index in 0..fields {
        let value = field(&mut rest)?;
        let right = match (kind, index, curve(kind)) {
            ("ssh-ed25519" | "sk-ssh-ed25519@openssh.com", 0, _) => value.len() == 32,
            (_, 0, Some((name, _))) => value == name.as_bytes(),
            // A point in full (SEC 1 section 2.3.3): OpenSSH writes no other.
            (_, 1, Some((_, bytes))) => value.len() == 2 * bytes + 1 && value.first() == Some(&4),
            _ => !value.is_empty(),
        };
        if !right {
            return Err(SshKeyError::Damaged);
        }
        last = value;
    }
    if !rest.is_empty() {
        return Err(SshKeyError::Damaged);
    }
    if kind == "ssh-rsa" {
        let zeros = last.iter().take_while(|byte| **byte == 0).count();
        let first = last.get(zeros).copied().unwrap_or_default();
        let bits = (last.len() - zeros) * 8 - first.leading_zeros() as usize % 8;
        if !RSA_BITS.contains(&bits) {
            return Err(SshKeyError::RsaBits);
        }
    }
    Ok(())
}

/// Name of a kind's curve, and the bytes of one coordinate (RFC 5656 section 10.1).
fn curve(kind: &str) -> Option<(&'static str, usize)> {
    match kind {
        "ecdsa-sha2-nistp256" | "sk-ecdsa-sha2-nistp256@openssh.com" => Some(("nistp256", 32)),
        "ecdsa-sha2-nistp384" => Some(("nistp384", 48)),
        "ecdsa-sha2-nistp521" => Some(("nistp521", 66)),
        _ => None,
    }
}

/// The next field: four bytes of length, then so many (RFC 4251 section 5).
fn field<'a>(rest: &mut &'a [u8]) -> Result<&'a [u8], SshKeyError> {
    let (length, behind) = rest.split_first_chunk::<4>().ok_or(SshKeyError::Damaged)?;
    let length = usize::try_from(u32::from_be_bytes(*length)).map_err(|_| SshKeyError::Damaged)?;
    let (value, behind) = behind
        .split_at_checked(length)
        .ok_or(SshKeyError::Damaged)?;
    *rest = behind;
    Ok(value)
}

#[cfg(test)]
mod tests {
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

    #[test]
    fn key_is_kept_as_the_line_it_was() {
        assert_eq!(read(GOOD).unwrap().as_str(), GOOD);
        assert_eq!(read(&format!("  {GOOD}\r\n")).unwrap().as_str(), GOOD);
        let wide = GOOD.replace(' ', "   ");
        assert_eq!(read(&wide).unwrap().as_str(), GOOD);
        assert!(read(&rsa(256)).is_ok());
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
}
