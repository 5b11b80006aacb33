//! The commands, a module for each group. Each asks the core and hands the answer to the output.

pub(crate) mod accounts;
pub(crate) mod app_passwords;
pub(crate) mod audit;
pub(crate) mod cells;
pub(crate) mod exits;
pub(crate) mod firmware;
pub(crate) mod groups;
pub(crate) mod interfaces;
pub(crate) mod logs;
pub(crate) mod mail;
pub(crate) mod parts;
pub(crate) mod passkeys;
pub(crate) mod peers;
pub(crate) mod revisions;
pub(crate) mod services;
pub(crate) mod settings;
pub(crate) mod setup;
pub(crate) mod status;
pub(crate) mod store;
pub(crate) mod tokens;

use clap::Args;

use crate::pages;

/// How much of a list is wanted.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct Limit {
    /// Show at most so many
    #[arg(long, value_name = "N", default_value_t = pages::MOST, value_parser = limit)]
    pub(crate) limit: usize,
}

fn limit(text: &str) -> Result<usize, String> {
    let number: Option<usize> = text.parse().ok();
    number
        .filter(|number| (1..=pages::MOST).contains(number))
        .ok_or_else(|| format!("must be a number from 1 to {}", pages::MOST))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limit_is_at_least_one_and_bounded() {
        assert_eq!(limit("1"), Ok(1));
        assert_eq!(limit("100000"), Ok(100_000));
        for bad in ["0", "100001", "-1", "many", ""] {
            assert!(limit(bad).is_err(), "{bad:?}");
        }
    }
}
