//! `cargo xtask store`: a folder of services as a source that boxes install from.

use std::path::PathBuf;
use std::process::ExitCode;

use cell_model::Timestamp;
use cell_model::container::Registry;
use cell_os::service::{Issue, publish};
use serde_json::json;

use crate::bundle::KeyOptions;
use crate::error::XtaskError;

/// Days that an index counts: whoever publishes signs it anew before, and nobody keeps boxes with an old one for long.
const VALID_DAYS: u32 = 30;
/// Seconds of a day.
const DAY: u64 = 24 * 60 * 60;

#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// The folder that service-image made; index.json and keys.json go into it
    #[arg(long, value_name = "DIR")]
    services: PathBuf,
    /// Rises with every change: boxes take no lower one
    #[arg(long, value_name = "N")]
    version: u64,
    /// For how long boxes take it
    #[arg(long, value_name = "DAYS", default_value_t = VALID_DAYS)]
    valid_days: u32,
    /// The registry that has the images under their digests, if the folder's own blobs are not put on the server
    #[arg(long, value_name = "HOST/REPOSITORY", value_parser = registry)]
    registry: Option<Registry>,
    #[command(flatten)]
    keys: KeyOptions,
}

fn registry(text: &str) -> Result<Registry, String> {
    let (host, repository) = text
        .split_once('/')
        .ok_or("must be a host, a slash and a repository")?;
    Registry::new(host, repository).map_err(|error| error.to_string())
}

pub(crate) fn perform(options: &Options) -> Result<ExitCode, XtaskError> {
    let keys = options.keys.keyring()?;
    let valid = std::time::Duration::from_secs(DAY * u64::from(options.valid_days));
    let issue = Issue {
        version: options.version,
        expires: Timestamp::now() + valid,
        registry: options.registry.clone(),
    };
    let index = publish(&options.services, &issue, &keys)?;
    for entry in &index.services {
        let megabytes = entry.size as f64 / 1e6;
        println!("  {} {} ({megabytes:.1} MB)", entry.id, entry.version);
    }
    println!(
        "{}: version {}, good until {}, signed by {} of {} {} keys",
        options.services.display(),
        index.version,
        index.expires,
        keys.signers.len(),
        keys.list.keys.len(),
        keys.list.purpose,
    );
    println!("what owners paste as \"keys\": {}", json!(keys.list));
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn registry_is_a_host_and_a_repository() {
        let registry = registry("registry.example.org:5000/cell/store").unwrap();
        let url = registry.url().to_string();
        assert_eq!(url, "https://registry.example.org:5000/v2/cell/store");
        for wrong in ["", "registry.example.org", "registry.example.org/", "/cell"] {
            assert!(super::registry(wrong).is_err(), "{wrong}");
        }
    }
}
