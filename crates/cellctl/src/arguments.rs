//! The command line: what may be asked for, and who answers it.

use std::path::PathBuf;

use clap::{CommandFactory, Parser, Subcommand};
use clap_complete::Shell;

use crate::command::{
    accounts, app_passwords, audit, cells, exits, firmware, groups, interfaces, logs, mail, parts,
    passkeys, peers, revisions, services, settings, setup, status, store, tokens,
};
use crate::core::Core;
use crate::error::CellctlError;
use crate::output::Output;

/// Run a Personal Internet Cell from its own command line
#[derive(Debug, Parser)]
#[command(name = "cellctl", version)]
pub(crate) struct Arguments {
    /// The daemon's control socket
    #[arg(
        long,
        global = true,
        env = "CELL_SOCKET",
        value_name = "PATH",
        default_value = "/run/cell/control.sock"
    )]
    socket: PathBuf,
    /// Print JSON instead of tables
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Show how everything is: desired and actual
    Status(status::Options),
    /// Show what a change of the settings would do, without doing it
    Plan(settings::Source),
    /// Show the settings, or change them
    #[command(subcommand)]
    Config(settings::Command),
    /// Keep a risky change that waits for its confirmation
    Confirm,
    /// Take a risky change back before its deadline
    Revert,
    /// Devices on the VPN
    #[command(subcommand)]
    Peers(peers::Command),
    /// Show the VPN interface as it really is
    Wireguard,
    /// Show interfaces, addresses and listeners
    Network,
    /// Print the root certificate that devices must trust
    Certificate,
    /// Earlier states of the settings
    #[command(subcommand)]
    Revisions(revisions::Command),
    /// Who did what
    #[command(subcommand)]
    Audit(audit::Command),
    /// People who may sign in
    #[command(subcommand)]
    Accounts(accounts::Command),
    /// Groups of people
    #[command(subcommand)]
    Groups(groups::Command),
    /// Links to other cells
    #[command(subcommand)]
    Cells(cells::Command),
    /// Ways out to the internet beside the uplink
    #[command(subcommand)]
    Exits(exits::Command),
    /// Set a new password for an account; it is read from the terminal, or from standard input
    ResetPassword(accounts::Reset),
    /// Passwords of people's devices, for services
    #[command(subcommand)]
    AppPasswords(app_passwords::Command),
    /// Passkeys, which people sign in with
    #[command(subcommand)]
    Passkeys(passkeys::Command),
    /// Tokens of programs that use the interface on somebody's behalf
    #[command(subcommand)]
    Tokens(tokens::Command),
    /// Services that are installed
    #[command(subcommand)]
    Services(services::Command),
    /// Mail of the box's domain
    #[command(subcommand)]
    Mail(mail::Command),
    /// Services that can be installed
    #[command(subcommand)]
    Store(store::StoreCommand),
    /// Where services come from beside the box's image
    #[command(subcommand)]
    Sources(store::SourcesCommand),
    /// The system's version, and the next one
    #[command(subcommand)]
    Firmware(firmware::Command),
    /// Built-in parts of the box
    #[command(subcommand)]
    Parts(parts::Command),
    /// Show lines of the log, newest last
    Logs(logs::Options),
    /// Show or set how much the log says, until the next start
    Verbosity(logs::VerbosityOptions),
    /// Set the box up; code and password are read from the terminal, or from two lines of standard input
    Setup(setup::Options),
    /// Print a completion script
    Completion {
        /// For which shell
        shell: Shell,
    },
}

impl Arguments {
    /// Does what was asked for.
    pub(crate) async fn perform(self) -> Result<(), CellctlError> {
        let output = Output::new(self.json);
        if let Command::Completion { shell } = self.command {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Self::command(), "cellctl", &mut script);
            return Ok(output.bytes(&script)?);
        }
        let core = Core::connect(&self.socket).await?;
        match self.command {
            Command::Status(options) => options.perform(&core, &output).await,
            Command::Plan(source) => settings::plan(source, &core, &output).await,
            Command::Config(command) => command.perform(&core, &output).await,
            Command::Confirm => settings::confirm(&core, &output).await,
            Command::Revert => settings::revert(&core, &output).await,
            Command::Peers(command) => command.perform(&core, &output).await,
            Command::Wireguard => interfaces::wireguard(&core, &output).await,
            Command::Network => interfaces::network(&core, &output).await,
            Command::Certificate => interfaces::certificate(&core, &output).await,
            Command::Revisions(command) => command.perform(&core, &output).await,
            Command::Audit(command) => command.perform(&core, &output).await,
            Command::Accounts(command) => command.perform(&core, &output).await,
            Command::ResetPassword(reset) => reset.perform(&core, &output).await,
            Command::Groups(command) => command.perform(&core, &output).await,
            Command::Cells(command) => command.perform(&core, &output).await,
            Command::Exits(command) => command.perform(&core, &output).await,
            Command::AppPasswords(command) => command.perform(&core, &output).await,
            Command::Passkeys(command) => command.perform(&core, &output).await,
            Command::Tokens(command) => command.perform(&core, &output).await,
            Command::Services(command) => command.perform(&core, &output).await,
            Command::Mail(command) => command.perform(&core, &output).await,
            Command::Store(command) => command.perform(&core, &output).await,
            Command::Sources(command) => command.perform(&core, &output).await,
            Command::Firmware(command) => command.perform(&core, &output).await,
            Command::Parts(command) => command.perform(&core, &output).await,
            Command::Logs(options) => options.perform(&core, &output).await,
            Command::Verbosity(options) => options.perform(&core, &output).await,
            Command::Setup(options) => options.perform(&core, &output).await,
            Command::Completion { .. } => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn command_line_is_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn no_option_takes_a_password_or_a_code() {
        fn check(command: &clap::Command) {
            for argument in command.get_arguments() {
                let id = argument.get_id().as_str();
                assert!(
                    !id.contains("password") && !id.contains("code"),
                    "{} takes {id}",
                    command.get_name()
                );
            }
            command.get_subcommands().for_each(check);
        }
        check(&Arguments::command());
    }
}
