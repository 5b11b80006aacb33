//! The terminal's modes and size.

use std::cell::RefCell;
use std::io::{self, IsTerminal};

use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcgetwinsize, tcsetattr};

use crate::draw::full::{MIN_COLUMNS, MIN_ROWS};

/// A serial line does not know its size; terminals at its other end have this one at least.
const FALLBACK: (u16, u16) = (80, 24);

/// How to draw.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// On all of a screen with so many columns and rows.
    Full(u16, u16),
    /// Line by line.
    Plain,
}

/// The terminal on standard input; its modes come back on drop.
#[derive(Debug)]
pub(super) struct Tty {
    /// As it was found; `None`: standard input is no terminal.
    before: Option<Termios>,
    /// As it was set; `None` while somebody else has it.
    set: RefCell<Option<Termios>>,
}

impl Tty {
    pub(super) fn open() -> Self {
        Self {
            before: tcgetattr(io::stdin()).ok(),
            set: RefCell::default(),
        }
    }

    /// How to draw, as things are now.
    pub(super) fn kind(&self, plain: bool) -> Kind {
        let size = tcgetwinsize(io::stdout()).map_or((0, 0), |size| (size.ws_col, size.ws_row));
        let size = if size.0 == 0 || size.1 == 0 {
            FALLBACK
        } else {
            size
        };
        let can_draw = self.before.is_some() && io::stdout().is_terminal() && has_cursor();
        if plain || !can_draw || size.0 < MIN_COLUMNS || size.1 < MIN_ROWS {
            Kind::Plain
        } else {
            Kind::Full(size.0, size.1)
        }
    }

    /// Every byte as it is typed, without echo and without signals.
    pub(super) fn raw(&self) -> io::Result<()> {
        self.set(|modes| modes.make_raw())
    }

    /// Line by line; the echo as said.
    pub(super) fn lines(&self, echo: bool) -> io::Result<()> {
        self.set(|modes| {
            let whole = LocalModes::ICANON | LocalModes::ISIG | LocalModes::ECHOE;
            modes.local_modes.insert(whole);
            modes.local_modes.set(LocalModes::ECHO, echo);
            // The line end alone, so that what comes next has a line of its own.
            modes.local_modes.set(LocalModes::ECHONL, !echo);
        })
    }

    /// As it was found.
    pub(super) fn restore(&self) {
        // A terminal that is gone needs no modes.
        let _ = self.set(|_| {});
        self.set.take();
    }

    /// Sets the modes anew if another program has changed them: on a machine's console others may do so at any time.
    pub(super) fn hold(&self) -> io::Result<()> {
        let set = self.set.borrow();
        let Some(modes) = &*set else {
            return Ok(());
        };
        if is_same(&tcgetattr(io::stdin())?, modes) {
            return Ok(());
        }
        // At once: what is still to be sent need not wait for it.
        Ok(tcsetattr(io::stdin(), OptionalActions::Now, modes)?)
    }

    fn set(&self, change: impl FnOnce(&mut Termios)) -> io::Result<()> {
        let Some(before) = &self.before else {
            return Ok(());
        };
        let mut modes = before.clone();
        change(&mut modes);
        // What was typed ahead stays.
        tcsetattr(io::stdin(), OptionalActions::Drain, &modes)?;
        self.set.replace(Some(modes));
        Ok(())
    }
}

impl Drop for Tty {
    fn drop(&mut self) {
        self.restore();
    }
}

/// Whether two have the same modes of input, output and line; speed and size are the line's own.
fn is_same(one: &Termios, other: &Termios) -> bool {
    one.input_modes == other.input_modes
        && one.output_modes == other.output_modes
        && one.local_modes == other.local_modes
}

/// Whether the terminal can be drawn on: every one with a name but `dumb` moves its cursor as ECMA-48 has it.
fn has_cursor() -> bool {
    std::env::var("TERM").is_ok_and(|name| !name.is_empty() && name != "dumb" && name != "unknown")
}
