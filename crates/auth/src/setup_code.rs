//! The code on console and screen that opens the setup.

use std::str::FromStr;

use cell_model::secret::Secret;
use subtle::ConstantTimeEq;

use crate::crockford;
use crate::random::RandomError;

/// Characters of a code: 40 bits, out of reach of ten tries every ten minutes.
const LENGTH: usize = 8;

/// The text is no setup code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be 8 letters and digits, without I, L, O and U")]
pub struct SetupCodeError;

/// Eight characters of Crockford's base 32. Prints as a mask. Comparing two takes the same time for all.
#[derive(Clone, Debug)]
pub struct SetupCode(Secret<[u8; LENGTH]>);

impl SetupCode {
    /// A fresh code.
    pub fn generate() -> Result<Self, RandomError> {
        crockford::generate().map(|code| Self(Secret::new(code)))
    }

    /// The code as it is shown: eight upper-case characters.
    pub fn expose_text(&self) -> Secret<String> {
        Secret::new(String::from_utf8_lossy(self.0.expose()).into_owned())
    }

    /// Whether a person typed this code, in whatever spelling.
    pub fn matches(&self, typed: &str) -> bool {
        typed.parse::<Self>().is_ok_and(|typed| *self == typed)
    }
}

impl PartialEq for SetupCode {
    fn eq(&self, other: &Self) -> bool {
        self.0.expose().ct_eq(other.0.expose()).into()
    }
}

impl Eq for SetupCode {}

impl FromStr for SetupCode {
    type Err = SetupCodeError;

    /// Reads a code as people write it: either case, with hyphens and spaces, O for 0, I and L for 1.
    fn from_str(text: &str) -> Result<Self, SetupCodeError> {
        let code = crockford::read(text).ok_or(SetupCodeError)?;
        Ok(Self(Secret::new(code)))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::crockford::ALPHABET;

    #[test]
    fn generated_code_is_eight_characters_of_the_alphabet() {
        let code = SetupCode::generate().unwrap();
        let text = code.expose_text();
        assert_eq!(text.expose().len(), 8);
        assert!(text.expose().bytes().all(|b| ALPHABET.contains(&b)));
        assert!(code.matches(text.expose()));
        assert_eq!(format!("{code:?}"), "SetupCode([secret])");
    }

    #[test]
    fn look_alikes_spaces_hyphens_and_case_do_not_matter() {
        let code: SetupCode = "0110ABCZ".parse().unwrap();
        for typed in ["0110ABCZ", "oIlO-abcz", " o1i0 ABCZ\n", "0-1-1-0-A-B-C-Z"] {
            assert!(code.matches(typed), "{typed}");
        }
    }

    #[test]
    fn other_texts_do_not_match() {
        let code: SetupCode = "0110ABCZ".parse().unwrap();
        for typed in [
            "",
            "0110ABC",
            "0110ABCZZ",
            "0110ABCY",
            "U110ABCZ",
            "０110ABCZ",
            "0110ABC\0",
        ] {
            assert!(!code.matches(typed), "{typed:?}");
        }
    }

    /// One way a person may write a character of the code.
    fn spelling(byte: u8) -> impl Strategy<Value = String> {
        let looks: &[&str] = match byte {
            b'0' => &["0", "o", "O"],
            b'1' => &["1", "i", "I", "l", "L"],
            _ => &[],
        };
        let upper = char::from(byte).to_string();
        let mut forms: Vec<String> = looks.iter().map(|look| (*look).to_owned()).collect();
        forms.extend([upper.to_ascii_lowercase(), upper]);
        (
            proptest::sample::select(forms),
            proptest::sample::select(vec!["", "-", " ", " - "]),
        )
            .prop_map(|(form, gap)| form + gap)
    }

    fn code_and_spelling() -> impl Strategy<Value = (String, String)> {
        proptest::collection::vec(proptest::sample::select(ALPHABET.to_vec()), LENGTH)
            .prop_flat_map(|code| {
                let text = String::from_utf8_lossy(&code).into_owned();
                let spellings: Vec<_> = code.into_iter().map(spelling).collect();
                (Just(text), spellings)
            })
            .prop_map(|(text, spellings)| (text, spellings.concat()))
    }

    proptest! {
        #[test]
        fn every_spelling_of_a_code_matches_it((text, spelling) in code_and_spelling()) {
            let code: SetupCode = text.parse().unwrap();
            prop_assert_eq!(code.expose_text(), Secret::new(text));
            prop_assert!(code.matches(&spelling));
        }

        #[test]
        fn any_text_is_read_or_refused_and_never_panics(text in ".*") {
            if let Ok(code) = text.parse::<SetupCode>() {
                prop_assert!(code.matches(&text));
            }
        }
    }
}
