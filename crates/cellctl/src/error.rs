//! Why a command failed, and how that is said.

use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use cell_control::connection::ConfigError;
use cell_model::problem::{Problem, chain};

use crate::input::InputError;
use crate::prompt::PromptError;
use crate::qr::QrError;
use crate::text;

/// As clap ends on a line it does not take.
const USAGE: u8 = 2;
/// 128 and the signal's number, as shells have it.
const INTERRUPTED: u8 = 130;

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CellctlError {
    /// The process could not get ready.
    #[error("cellctl cannot start")]
    Start(#[source] io::Error),
    /// Nobody listens at the socket.
    #[error(
        "celld is not running at {}: start it, or name its socket with --socket or CELL_SOCKET",
        .socket.display()
    )]
    NotRunning {
        /// Where it was tried.
        socket: PathBuf,
    },
    /// The socket is root's.
    #[error("you may not use {}: cellctl must run as root", .socket.display())]
    NotRoot {
        /// Where it was tried.
        socket: PathBuf,
    },
    /// The socket cannot be used for another reason.
    #[error("cannot connect to {}", .socket.display())]
    Connect {
        /// Where it was tried.
        socket: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// The core refused.
    #[error(transparent)]
    Refused(#[from] Problem),
    /// What a file says of a way out is not right.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A file could not be used.
    #[error(transparent)]
    Input(#[from] InputError),
    /// A secret could not be read.
    #[error(transparent)]
    Prompt(#[from] PromptError),
    /// A file does not fit a QR code.
    #[error(transparent)]
    Qr(#[from] QrError),
    /// The output could not be written.
    #[error("the output cannot be written")]
    Output(#[from] io::Error),
    /// Everything went well and the answer is no; the output says why.
    #[error("the answer is no")]
    Negative,
    /// A picture was asked for where a program reads.
    #[error("--qr prints a picture for people and cannot go with --json")]
    PictureForPrograms,
    /// Ctrl-C.
    #[error("interrupted")]
    Interrupted,
}

impl CellctlError {
    /// What a refused connection means.
    pub(crate) fn connect(socket: &Path, source: io::Error) -> Self {
        let socket = socket.to_owned();
        match source.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => {
                Self::NotRunning { socket }
            }
            io::ErrorKind::PermissionDenied => Self::NotRoot { socket },
            _ => Self::Connect { socket, source },
        }
    }

    /// Says it on standard error and gives the exit status.
    pub(crate) fn report(&self) -> ExitCode {
        match self {
            // Whoever read our output had enough: `cellctl audit list | head`.
            Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                return ExitCode::SUCCESS;
            }
            Self::Negative => return ExitCode::FAILURE,
            Self::Interrupted => return ExitCode::from(INTERRUPTED),
            _ => {}
        }
        // Where standard error is closed there is nobody to tell.
        let _ = io::stderr().write_all(text::printable(&self.lines()).as_bytes());
        match self {
            Self::PictureForPrograms => ExitCode::from(USAGE),
            _ => ExitCode::FAILURE,
        }
    }

    fn lines(&self) -> String {
        match self {
            Self::Refused(problem) => problem_lines(problem),
            _ => {
                format!("error: {}\n", chain(self))
            }
        }
    }
}

/// What it is, what to do, and one line for each wrong field.
fn problem_lines(problem: &Problem) -> String {
    let mut lines = format!("error: {}", problem.title);
    if !problem.detail.is_empty() {
        let _ = write!(lines, ": {}", problem.detail);
    }
    lines.push('\n');
    for error in &problem.errors {
        let _ = writeln!(lines, "  {}: {}", error.field, error.message);
    }
    if let Some(seconds) = problem.retry_after {
        let _ = writeln!(lines, "  try again in {seconds} s");
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use cell_model::problem::FieldError;

    #[test]
    fn problem_names_its_fields_on_lines_of_their_own() {
        let problem = Problem::fields(vec![
            FieldError {
                field: "cell.name".to_owned(),
                message: "must not be empty".to_owned(),
            },
            FieldError {
                field: "domain.name".to_owned(),
                message: "must not end in a number".to_owned(),
            },
        ]);
        assert_eq!(
            CellctlError::from(problem).lines(),
            "error: Some fields are not right: Correct what is named and send it again.\n  \
             cell.name: must not be empty\n  domain.name: must not end in a number\n"
        );
    }

    #[test]
    fn problem_without_detail_is_its_title() {
        let problem = Problem::new(409, "taken", "The name is taken", "");
        assert_eq!(problem_lines(&problem), "error: The name is taken\n");
    }

    #[test]
    fn causes_follow_on_the_same_line() {
        let error = CellctlError::Output(io::Error::other("disk full"));
        assert_eq!(
            error.lines(),
            "error: the output cannot be written: disk full\n"
        );
    }

    #[test]
    fn refused_connection_says_what_to_do() {
        let said = |kind| CellctlError::connect(Path::new("/s"), io::Error::from(kind)).lines();
        let gone = said(io::ErrorKind::ConnectionRefused);
        assert!(gone.starts_with("error: celld is not running at /s: start it"));
        let foreign = said(io::ErrorKind::PermissionDenied);
        assert!(foreign.ends_with("must run as root\n"), "{foreign}");
        let other = said(io::ErrorKind::TimedOut);
        assert_eq!(other, "error: cannot connect to /s: timed out\n");
    }
}
