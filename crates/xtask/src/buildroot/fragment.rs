//! Fragments of kconfig files: read strictly, merged, compared with what kconfig made of them.
//!
//! The grammar is kconfig's own for `.config` files, less what it forgives: kconfig skips lines it does not know.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use thiserror::Error;

use super::error::{BuildrootError, read};

/// What a fragment asks of one symbol.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Asked {
    /// `BR2_…` or `CONFIG_…`.
    pub(super) symbol: String,
    /// As written after `=`, quotes included; `None` for "is not set".
    pub(super) value: Option<String>,
}

impl Asked {
    /// As kconfig writes it.
    pub(super) fn line(&self) -> String {
        match &self.value {
            Some(value) => format!("{}={value}", self.symbol),
            None => format!("# {} is not set", self.symbol),
        }
    }

    fn is_met_by(&self, config: &BTreeMap<String, String>) -> bool {
        let found = config.get(&self.symbol).map(String::as_str);
        match self.value.as_deref() {
            None => found.is_none(),
            // Other packages may have a driver built in that was asked for as a module.
            Some("m") => matches!(found, Some("m" | "y")),
            asked => found == asked,
        }
    }
}

/// A line that kconfig would skip or take for something else.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("{file}:{line}: {reason}: {text}")]
pub(crate) struct FragmentError {
    file: String,
    line: usize,
    reason: &'static str,
    text: String,
}

/// Reads the fragment at `path`.
pub(super) fn load(path: &Path) -> Result<Vec<Asked>, BuildrootError> {
    Ok(parse(&path.display().to_string(), &read(path)?)?)
}

/// Reads the fragment `text`; `file` is for messages.
pub(super) fn parse(file: &str, text: &str) -> Result<Vec<Asked>, FragmentError> {
    let mut all = Vec::new();
    let mut seen = BTreeSet::new();
    for (index, line) in text.lines().enumerate() {
        let error = |reason| FragmentError {
            file: file.to_owned(),
            line: index + 1,
            reason,
            text: line.to_owned(),
        };
        let Some(asked) = parse_line(line).map_err(error)? else {
            continue;
        };
        if !seen.insert(asked.symbol.clone()) {
            return Err(error("asked before in this file"));
        }
        all.push(asked);
    }
    Ok(all)
}

fn parse_line(line: &str) -> Result<Option<Asked>, &'static str> {
    if line.is_empty() {
        return Ok(None);
    }
    if let Some(comment) = line.strip_prefix('#') {
        let Some(rest) = comment.strip_suffix(" is not set") else {
            return Ok(None);
        };
        return match rest.strip_prefix(' ').filter(|symbol| is_symbol(symbol)) {
            Some(symbol) => Ok(Some(Asked {
                symbol: symbol.to_owned(),
                value: None,
            })),
            None => Err("not of the form `# SYMBOL is not set`"),
        };
    }
    let (symbol, value) = line
        .split_once('=')
        .ok_or("neither comment nor SYMBOL=value")?;
    if !is_symbol(symbol) {
        return Err("not the name of a symbol");
    }
    if value == "n" {
        return Err("written as `# SYMBOL is not set`");
    }
    if !is_value(value) {
        return Err("neither y, m, number nor \"text\"");
    }
    Ok(Some(Asked {
        symbol: symbol.to_owned(),
        value: Some(value.to_owned()),
    }))
}

fn is_symbol(text: &str) -> bool {
    let name = text
        .strip_prefix("BR2_")
        .or_else(|| text.strip_prefix("CONFIG_"));
    name.is_some_and(|name| {
        !name.is_empty()
            && name
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    })
}

fn is_value(text: &str) -> bool {
    let inner = text
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'));
    let hex = text
        .strip_prefix("0x")
        .is_some_and(|digits| u64::from_str_radix(digits, 16).is_ok());
    matches!(text, "y" | "m")
        || hex
        || text.parse::<i64>().is_ok()
        || inner.is_some_and(|inner| !inner.contains('"'))
}

/// All that is asked, in order; a later fragment may ask otherwise and wins.
pub(super) fn merge(fragments: &[Vec<Asked>]) -> Vec<Asked> {
    let mut merged: Vec<Asked> = Vec::new();
    for asked in fragments.iter().flatten() {
        merged.retain(|earlier| earlier.symbol != asked.symbol);
        merged.push(asked.clone());
    }
    merged
}

/// Symbols that more than one of the fragments asks for.
pub(super) fn repeated(fragments: &[Vec<Asked>]) -> Vec<String> {
    let mut seen = BTreeSet::new();
    let symbols = fragments.iter().flatten().map(|asked| &asked.symbol);
    symbols
        .filter(|symbol| !seen.insert(*symbol))
        .map(|symbol| format!("{symbol} is asked for by two fragments"))
        .collect()
}

/// What `config`, as kconfig wrote it, does not grant, one finding each.
pub(super) fn dropped(asked: &[Asked], config: &str) -> Vec<String> {
    let granted: BTreeMap<String, String> = config
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split_once('='))
        .map(|(symbol, value)| (symbol.to_owned(), value.to_owned()))
        .collect();
    asked
        .iter()
        .filter(|asked| !asked.is_met_by(&granted))
        .map(|asked| {
            let found = granted.get(&asked.symbol).map_or("nothing", String::as_str);
            format!("asked `{}`, got {found}", asked.line())
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fragment(text: &str) -> Vec<Asked> {
        parse("f", text).unwrap()
    }

    #[test]
    fn every_form_of_line_is_read() {
        let text = "# why\n\nCONFIG_A=y\nCONFIG_B=m\n# CONFIG_C is not set\nBR2_D=\"x y\"\nCONFIG_E=0x1F\nCONFIG_F=-3\n";
        let lines: Vec<_> = fragment(text).iter().map(Asked::line).collect();
        assert_eq!(
            lines,
            [
                "CONFIG_A=y",
                "CONFIG_B=m",
                "# CONFIG_C is not set",
                "BR2_D=\"x y\"",
                "CONFIG_E=0x1F",
                "CONFIG_F=-3"
            ]
        );
    }

    #[test]
    fn what_kconfig_would_skip_is_refused_with_its_line() {
        for wrong in [
            "CONFIG_A",
            "CONFIG_A = y",
            "FOO=y",
            "CONFIG_=y",
            "CONFIG_A=n",
            "CONFIG_A=yes",
            "CONFIG_A=\"open",
            "CONFIG_A=\"a\"b\"",
            " CONFIG_A=y",
            "#CONFIG_A is not set",
            "# CONFIG-A is not set",
            "CONFIG_A=y # why",
        ] {
            let error = parse("f", &format!("\n{wrong}\n")).unwrap_err().to_string();
            assert!(
                error.starts_with("f:2: ") && error.ends_with(wrong),
                "{error}"
            );
        }
    }

    #[test]
    fn a_symbol_asked_twice_in_one_file_is_refused() {
        let error = parse("f", "CONFIG_A=y\n# CONFIG_A is not set\n").unwrap_err();
        assert_eq!(
            error.to_string(),
            "f:2: asked before in this file: # CONFIG_A is not set"
        );
    }

    #[test]
    fn the_board_wins_over_what_is_common() {
        let merged = merge(&[
            fragment("BR2_A=y\nBR2_B=1\n"),
            fragment("# BR2_A is not set\n"),
        ]);
        let lines: Vec<_> = merged.iter().map(Asked::line).collect();
        assert_eq!(lines, ["BR2_B=1", "# BR2_A is not set"]);
    }

    #[test]
    fn a_symbol_in_two_fragments_is_found() {
        let found = repeated(&[
            fragment("CONFIG_A=y\n"),
            fragment("CONFIG_B=y\nCONFIG_A=y\n"),
        ]);
        assert_eq!(found, ["CONFIG_A is asked for by two fragments"]);
    }

    #[test]
    fn what_was_not_granted_is_found() {
        let asked = fragment(
            "CONFIG_A=y\nCONFIG_B=m\nCONFIG_C=m\n# CONFIG_D is not set\n# CONFIG_E is not set\nCONFIG_F=\"x\"\nCONFIG_G=y\n",
        );
        let config = "CONFIG_A=m\nCONFIG_B=y\nCONFIG_C=m\nCONFIG_D=y\n# CONFIG_E is not set\nCONFIG_F=\"y\"\n# CONFIG_G is not set\n";
        assert_eq!(
            dropped(&asked, config),
            [
                "asked `CONFIG_A=y`, got m",
                "asked `# CONFIG_D is not set`, got y",
                "asked `CONFIG_F=\"x\"`, got \"y\"",
                "asked `CONFIG_G=y`, got nothing"
            ]
        );
    }
}
