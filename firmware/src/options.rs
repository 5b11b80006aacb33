//! The command line. Stable: other programs start the daemon with it.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use cell_control::action::LogLevel;
use cell_model::config::InitialConfig;
use cell_model::facts::StartOptions;
use cell_model::name::InterfaceName;
use clap::error::ErrorKind;
use clap::{Args, CommandFactory, Parser, Subcommand};

use crate::roles::Role;
use crate::seed::SeedArguments;
use crate::slot::Occasion;

/// Where podman writes what containers say: in memory.
pub(crate) const SERVICE_LOGS: &str = "/run";

/// The daemon of a Personal Internet Cell.
#[derive(Debug, Parser)]
#[command(name = "celld", version, args_conflicts_with_subcommands = true)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
    #[command(flatten)]
    pub(crate) run: RunArguments,
}

/// What to do instead of running.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Look a state directory over without starting.
    Check {
        /// Where state is kept.
        #[arg(long, value_name = "DIR")]
        state_dir: PathBuf,
    },
    /// What boots: the loader's state, for init and for a person at the console.
    #[command(hide = true)]
    Slot {
        #[arg(value_enum)]
        occasion: Occasion,
    },
    /// Settings for the first start; for init, before the daemon runs.
    #[command(hide = true)]
    Seed(SeedArguments),
    /// One of the daemon's own processes; started by the daemon only.
    #[command(hide = true)]
    Role {
        #[arg(value_enum)]
        role: Role,
        /// How much it says to begin with.
        #[arg(long, value_parser = log_level)]
        log_level: LogLevel,
    },
}

fn log_level(word: &str) -> Result<LogLevel, &'static str> {
    LogLevel::from_word(word).ok_or("not a level of the log")
}

/// How to run.
#[derive(Debug, Args)]
pub(crate) struct RunArguments {
    /// Where state is kept: config, keys, audit.
    #[arg(long, value_name = "DIR")]
    state_dir: Option<PathBuf>,
    /// Where the setup code, the certificate to trust and the control socket are put.
    #[arg(long, value_name = "DIR")]
    runtime_dir: Option<PathBuf>,
    /// The uplink's interface.
    #[arg(long, value_name = "IF")]
    wan: Option<InterfaceName>,
    /// The home side's interface; without it the box is one-armed.
    #[arg(long, value_name = "IF")]
    lan: Option<InterfaceName>,
    /// Where the admin page listens instead of the home side's addresses; with 0.0.0.0 only the port counts.
    #[arg(long, value_name = "ADDR:PORT")]
    admin: Option<SocketAddr>,
    /// Port of the name server.
    #[arg(long, value_name = "PORT", default_value_t = 53, value_parser = clap::value_parser!(u16).range(1..))]
    dns_port: u16,
    /// UDP port of the VPN.
    #[arg(long, value_name = "PORT", default_value_t = 51820, value_parser = clap::value_parser!(u16).range(1..))]
    wg_port: u16,
    /// Never run containers.
    #[arg(long)]
    no_containers: bool,
    /// JSON of the config's section "network" that holds until setup, which takes it over. Used by the image; not
    /// looked at once the box is set up. Without it, addresses that are there stay.
    #[arg(long, value_name = "FILE", hide = true)]
    initial_config: Option<PathBuf>,
    /// The socket of `podman system service`.
    #[arg(
        long,
        value_name = "SOCKET",
        hide = true,
        default_value = "/run/podman/podman.sock"
    )]
    podman: PathBuf,
    /// Where podman has volumes.
    #[arg(
        long,
        value_name = "DIR",
        hide = true,
        default_value = "/var/lib/containers/storage/volumes"
    )]
    volumes: PathBuf,
    /// Where podman writes what containers say, as the daemon sees it.
    #[arg(long, value_name = "DIR", hide = true, default_value = SERVICE_LOGS)]
    service_logs: PathBuf,
    /// Services that come with the box, and their images.
    #[arg(
        long,
        value_name = "DIR",
        hide = true,
        default_value = "/usr/share/cell/services"
    )]
    packages: PathBuf,
    /// Where images from elsewhere are until podman has them: on the partition that it has them on.
    #[arg(
        long,
        value_name = "DIR",
        hide = true,
        default_value = "/var/lib/containers/cell"
    )]
    incoming: PathBuf,
    /// A made-up disk with two slots, for tests: files in the place of partitions.
    #[arg(long, value_name = "DIR", hide = true)]
    slots: Option<PathBuf>,
}

/// Everything a run needs.
#[derive(Debug)]
pub(crate) struct RunOptions {
    pub(crate) state_dir: PathBuf,
    pub(crate) runtime_dir: PathBuf,
    pub(crate) slots: Option<PathBuf>,
    pub(crate) podman: PathBuf,
    pub(crate) packages: PathBuf,
    pub(crate) volumes: PathBuf,
    pub(crate) service_logs: PathBuf,
    pub(crate) incoming: PathBuf,
    pub(crate) start: StartOptions,
}

impl RunArguments {
    /// The options, or the error that names what is missing.
    pub(crate) fn required(self) -> Result<RunOptions, clap::Error> {
        let missing = |name: &str| {
            let text = format!("the following required argument was not provided: {name}\n");
            Arguments::command().error(ErrorKind::MissingRequiredArgument, text)
        };
        if self.lan.is_some() && self.lan == self.wan {
            return Err(Arguments::command().error(
                ErrorKind::ArgumentConflict,
                "--lan and --wan must be different interfaces; leave --lan out on a box with one\n",
            ));
        }
        Ok(RunOptions {
            state_dir: self.state_dir.ok_or_else(|| missing("--state-dir <DIR>"))?,
            runtime_dir: self
                .runtime_dir
                .ok_or_else(|| missing("--runtime-dir <DIR>"))?,
            slots: self.slots,
            podman: self.podman,
            packages: self.packages,
            volumes: self.volumes,
            service_logs: self.service_logs,
            incoming: self.incoming,
            start: StartOptions {
                wan: self.wan.ok_or_else(|| missing("--wan <IF>"))?,
                lan: self.lan,
                admin: self.admin,
                dns_port: self.dns_port,
                wireguard_port: self.wg_port,
                containers: !self.no_containers,
                initial: self.initial_config.as_deref().map_or_else(
                    || Ok(InitialConfig::default()),
                    |path| {
                        read(path).map_err(|reason| {
                            let text = format!("--initial-config {}: {reason}\n", path.display());
                            Arguments::command().error(ErrorKind::ValueValidation, text)
                        })
                    },
                )?,
            },
        })
    }
}

/// The file's content, for a command line that only needs that.
pub(crate) fn initial_config(path: &str) -> Result<InitialConfig, String> {
    read(Path::new(path))
}

fn read(path: &Path) -> Result<InitialConfig, String> {
    let text = std::fs::read_to_string(path).map_err(|error| error.to_string())?;
    serde_json::from_str(&text).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<RunOptions, clap::Error> {
        Arguments::try_parse_from(line.split_whitespace())?
            .run
            .required()
    }

    #[test]
    fn defaults_are_those_other_programs_count_on() {
        let options = parse("celld --state-dir d --runtime-dir r --wan eth0").unwrap();
        assert_eq!(options.start.dns_port, 53);
        assert_eq!(options.start.wireguard_port, 51820);
        assert_eq!(options.start.admin_port(), 8443);
        assert!(options.start.containers);
    }

    #[test]
    fn missing_or_senseless_arguments_are_named() {
        for (line, named) in [
            ("celld --runtime-dir r --wan eth0", "--state-dir"),
            ("celld --state-dir d --wan eth0", "--runtime-dir"),
            ("celld --state-dir d --runtime-dir r", "--wan"),
            (
                "celld --state-dir d --runtime-dir r --wan a --lan a",
                "different",
            ),
            ("celld --state-dir d --runtime-dir r --wan a/b", "--wan"),
            (
                "celld --state-dir d --runtime-dir r --wan a --wg-port 0",
                "--wg-port",
            ),
        ] {
            let error = parse(line).unwrap_err().to_string();
            assert!(error.contains(named), "{line}: {error}");
        }
    }

    #[test]
    fn initial_config_is_read_strictly() {
        let folder = std::env::temp_dir().join(format!("celld-options-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let path = folder.join("initial.json");
        let start = |text: &str| {
            std::fs::write(&path, text).unwrap();
            let line = "celld --state-dir d --runtime-dir r --wan eth0 --initial-config";
            parse(&format!("{line} {}", path.display()))
        };
        let options = start(r#"{"network":{"wan":{"addressing":{"mode":"dhcp"}}}}"#).unwrap();
        assert_eq!(
            options.start.initial.network.wan.addressing,
            cell_model::config::AddressingConfig::Dhcp
        );
        for wrong in [
            "",
            r#"{"moon":{}}"#,
            r#"{"network":{"wan":{"addressing":{"mode":"dance"}}}}"#,
        ] {
            let error = start(wrong).unwrap_err().to_string();
            assert!(error.contains("--initial-config"), "{error}");
        }
        std::fs::remove_dir_all(&folder).unwrap();
        let line =
            "celld --state-dir d --runtime-dir r --wan eth0 --initial-config /nonexistent/file";
        assert!(parse(line).is_err());
    }
}
