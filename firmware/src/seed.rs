//! `celld seed`: settings for the first start. Init calls it before the daemon.

use std::error::Error;
use std::path::PathBuf;

use cell_core::seed::{SeedRequest, apply};
use cell_model::Timestamp;
use cell_model::config::InitialConfig;

use crate::{logging, options};

/// Where what is.
#[derive(Debug, clap::Args)]
pub(crate) struct SeedArguments {
    /// The seed; without it only what a power cut interrupted is finished.
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// Where state is kept.
    #[arg(long, value_name = "DIR")]
    state_dir: PathBuf,
    /// Where the names of the interfaces go.
    #[arg(long, value_name = "FILE")]
    start_conf: PathBuf,
    /// Where the keys go that may sign in over SSH.
    #[arg(long, value_name = "FILE")]
    authorized_keys: PathBuf,
    /// What the daemon will be started with.
    #[arg(long, value_name = "FILE", value_parser = options::initial_config)]
    initial_config: Option<InitialConfig>,
}

/// Applies it, and says what came of it.
pub(crate) fn run(arguments: &SeedArguments) -> Result<(), Box<dyn Error>> {
    let outcome = apply(&SeedRequest {
        file: arguments.file.as_deref(),
        state_dir: &arguments.state_dir,
        start_conf: &arguments.start_conf,
        authorized_keys: &arguments.authorized_keys,
        initial: &arguments.initial_config.clone().unwrap_or_default(),
        clock: Timestamp::now,
    })?;
    let text = outcome.to_string();
    if !text.is_empty() {
        logging::pass_on(&text);
    }
    Ok(())
}
