//! Licence expressions (SPDX specification 2.3, annex D): enough to say whether a list allows one.

use thiserror::Error;

/// Why an expression cannot be judged.
#[derive(Debug, Error, PartialEq, Eq)]
pub(super) enum SpdxError {
    #[error("the licence expression ends too early")]
    Short,
    #[error("`{0}` is not expected there in a licence expression")]
    Unexpected(String),
}

/// Whether someone who accepts only the licences that `accepts` says yes to may use the work.
///
/// `A WITH B` is asked as one licence. A slash means OR, as crates wrote it before SPDX.
pub(super) fn is_allowed(
    expression: &str,
    accepts: &dyn Fn(&str) -> bool,
) -> Result<bool, SpdxError> {
    let spaced = expression
        .replace('(', " ( ")
        .replace(')', " ) ")
        .replace('/', " OR ");
    let mut parser = Parser {
        words: spaced.split_whitespace().collect(),
        at: 0,
        accepts,
    };
    let allowed = parser.any()?;
    match parser.next() {
        None => Ok(allowed),
        Some(word) => Err(SpdxError::Unexpected(word.to_owned())),
    }
}

struct Parser<'a> {
    words: Vec<&'a str>,
    at: usize,
    accepts: &'a dyn Fn(&str) -> bool,
}

impl<'a> Parser<'a> {
    fn any(&mut self) -> Result<bool, SpdxError> {
        let mut allowed = self.all()?;
        while self.takes("OR") {
            allowed |= self.all()?;
        }
        Ok(allowed)
    }

    fn all(&mut self) -> Result<bool, SpdxError> {
        let mut allowed = self.one()?;
        while self.takes("AND") {
            allowed &= self.one()?;
        }
        Ok(allowed)
    }

    fn one(&mut self) -> Result<bool, SpdxError> {
        match self.next().ok_or(SpdxError::Short)? {
            "(" => {
                let allowed = self.any()?;
                if self.takes(")") {
                    Ok(allowed)
                } else {
                    Err(SpdxError::Short)
                }
            }
            word @ (")" | "OR" | "AND" | "WITH") => Err(SpdxError::Unexpected(word.to_owned())),
            licence if self.takes("WITH") => {
                let exception = self.next().ok_or(SpdxError::Short)?;
                Ok((self.accepts)(&format!("{licence} WITH {exception}")))
            }
            licence => Ok((self.accepts)(licence)),
        }
    }

    fn next(&mut self) -> Option<&'a str> {
        let word = self.words.get(self.at).copied();
        self.at += 1;
        word
    }

    fn takes(&mut self, word: &str) -> bool {
        let takes = self.words.get(self.at) == Some(&word);
        self.at += usize::from(takes);
        takes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(expression: &str) -> Result<bool, SpdxError> {
        is_allowed(expression, &|licence| {
            ["MIT", "ISC", "Apache-2.0 WITH LLVM-exception"].contains(&licence)
        })
    }

    #[test]
    fn one_accepted_choice_is_enough_and_all_duties_count() {
        for (expression, allowed) in [
            ("MIT", true),
            ("GPL-3.0-only", false),
            ("MIT OR GPL-3.0-only", true),
            ("MIT/Apache-2.0", true),
            ("MIT AND GPL-3.0-only", false),
            ("ISC AND (GPL-3.0-only OR MIT)", true),
            ("GPL-3.0-only OR MIT AND GPL-2.0-only", false),
            ("Apache-2.0 WITH LLVM-exception", true),
            ("Apache-2.0", false),
        ] {
            assert_eq!(judged(expression), Ok(allowed), "{expression}");
        }
    }

    #[test]
    fn broken_expressions_are_errors() {
        for expression in ["", "MIT OR", "(MIT", "MIT ISC", "OR MIT", "MIT)"] {
            assert!(judged(expression).is_err(), "{expression}");
        }
    }
}
