//! Secrets from the person at the terminal, or from whatever standard input is.
//!
//! Never from the command line: every process of the box can read that (proc(5), `cmdline`).

use std::io::{self, BufRead, IsTerminal, Read, Write};

use cell_model::secret::Secret;
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};

/// A line of a terminal is no longer (termios(3), canonical mode), and passwords have at most 1,024 bytes.
const MAX_LINE: usize = 4_096;

/// Why a secret could not be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PromptError {
    /// The terminal did not stop its echo.
    #[error("the terminal cannot hide what is typed")]
    Hide(#[source] io::Error),
    /// Nothing can be read.
    #[error("{what} cannot be read")]
    Read {
        /// What was asked for.
        what: &'static str,
        /// Why.
        source: io::Error,
    },
    /// An empty line, or none.
    #[error("{what} is missing: type it, or give it as a line of standard input")]
    Missing {
        /// What was asked for.
        what: &'static str,
    },
    /// More than a line can hold.
    #[error("{what} is too long")]
    TooLong {
        /// What was asked for.
        what: &'static str,
    },
    /// The two times a password was typed differ.
    #[error("the two passwords are not the same")]
    Different,
}

/// Reads what may be seen while it is typed, such as the code on the screen of the box.
pub(crate) async fn visible(what: &'static str) -> Result<Secret<String>, PromptError> {
    ask(what, what).await
}

/// Reads a password that somebody has already: without echo at a terminal.
pub(crate) async fn hidden(what: &'static str) -> Result<Secret<String>, PromptError> {
    let _hidden = match io::stdin().is_terminal() {
        true => Some(Hidden::begin().map_err(PromptError::Hide)?),
        false => None,
    };
    ask(what, what).await
}

/// Reads a new password: twice and without echo at a terminal, else one line.
pub(crate) async fn new_password() -> Result<Secret<String>, PromptError> {
    const WHAT: &str = "the new password";
    if !io::stdin().is_terminal() {
        return ask(WHAT, WHAT).await;
    }
    // One for both times: switching the echo throws away what was typed ahead.
    let _hidden = Hidden::begin().map_err(PromptError::Hide)?;
    let password = ask(WHAT, WHAT).await?;
    if ask(WHAT, "the new password again").await? == password {
        Ok(password)
    } else {
        Err(PromptError::Different)
    }
}

async fn ask(what: &'static str, label: &str) -> Result<Secret<String>, PromptError> {
    if io::stdin().is_terminal() {
        let mut screen = io::stderr();
        // A prompt that cannot be shown is no reason not to read.
        let _ = write!(screen, "Type {label}: ").and_then(|()| screen.flush());
    }
    // A person may take their time, and Ctrl-C must still be heard.
    tokio::task::spawn_blocking(move || read_line(&mut io::stdin().lock(), what))
        .await
        .unwrap_or_else(|error| {
            Err(PromptError::Read {
                what,
                source: io::Error::other(error),
            })
        })
}

fn read_line(from: &mut impl BufRead, what: &'static str) -> Result<Secret<String>, PromptError> {
    // With room for all of it the text never moves and leaves no copy behind.
    let mut line = String::with_capacity(MAX_LINE + 1);
    let limit = MAX_LINE as u64 + 1;
    let read = from.take(limit).read_line(&mut line);
    let kept = line.trim_end_matches(['\r', '\n']).len();
    line.truncate(kept);
    let line = Secret::new(line);
    match read {
        Err(source) => Err(PromptError::Read { what, source }),
        Ok(_) if kept > MAX_LINE => Err(PromptError::TooLong { what }),
        Ok(_) if kept == 0 => Err(PromptError::Missing { what }),
        Ok(_) => Ok(line),
    }
}

/// A terminal without echo; it comes back on drop.
struct Hidden {
    before: Termios,
}

impl Hidden {
    fn begin() -> io::Result<Self> {
        let before = tcgetattr(io::stdin())?;
        let mut modes = before.clone();
        modes.local_modes.remove(LocalModes::ECHO);
        // The line end alone, so that the next prompt has a line of its own.
        modes.local_modes.insert(LocalModes::ECHONL);
        tcsetattr(io::stdin(), OptionalActions::Flush, &modes)?;
        Ok(Self { before })
    }
}

impl Drop for Hidden {
    fn drop(&mut self) {
        // A terminal that is gone needs no echo.
        let _ = tcsetattr(io::stdin(), OptionalActions::Now, &self.before);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(text: &str) -> Result<Secret<String>, PromptError> {
        read_line(&mut text.as_bytes(), "it")
    }

    #[test]
    fn line_ends_are_no_part_of_a_secret() {
        for text in ["a secret", "a secret\n", "a secret\r\n", "a secret\nmore"] {
            assert_eq!(line(text).unwrap().expose(), "a secret");
        }
        assert_eq!(line(" spaced \n").unwrap().expose(), " spaced ");
    }

    #[test]
    fn lines_are_read_one_after_the_other() {
        let mut input = "code\npassword\n".as_bytes();
        assert_eq!(read_line(&mut input, "it").unwrap().expose(), "code");
        assert_eq!(read_line(&mut input, "it").unwrap().expose(), "password");
        assert!(matches!(
            read_line(&mut input, "it"),
            Err(PromptError::Missing { .. })
        ));
    }

    #[test]
    fn empty_and_endless_lines_are_refused() {
        assert!(matches!(line("\n"), Err(PromptError::Missing { .. })));
        assert!(matches!(
            line(&"x".repeat(MAX_LINE + 1)),
            Err(PromptError::TooLong { .. })
        ));
        assert!(line(&("x".repeat(MAX_LINE) + "\n")).is_ok());
    }
}
