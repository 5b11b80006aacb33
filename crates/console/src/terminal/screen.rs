//! What is on the terminal, in either way of drawing.

use std::cell::RefCell;
use std::io::{self, Write};
use std::rc::Rc;

use ratatui::backend::CrosstermBackend;
use ratatui::layout::Rect;
use ratatui::{Terminal, TerminalOptions, Viewport};

use super::tty::{Kind, Tty};
use crate::draw::{full, plain};
use crate::model::{Model, View};
use crate::text::Charset;

/// What was drawn, on its way to the terminal: one write a picture, and nothing that fails while a picture is dropped
/// (the library would panic over a terminal that is gone).
#[derive(Debug, Clone, Default)]
struct Strokes(Rc<RefCell<Vec<u8>>>);

impl Write for Strokes {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.borrow_mut().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Strokes {
    fn send(&self) -> io::Result<()> {
        print(&std::mem::take(&mut *self.0.borrow_mut()))
    }
}

/// The terminal, drawn on.
pub(super) struct Screen {
    tty: Tty,
    charset: Charset,
    kind: Kind,
    /// The picture that is there; `None` while lines are printed.
    terminal: Option<Terminal<CrosstermBackend<Strokes>>>,
    /// What is to be sent to it.
    strokes: Strokes,
    /// What was drawn last.
    printed: Option<View>,
}

impl Screen {
    pub(super) fn open(tty: Tty, charset: Charset, plain: bool) -> io::Result<Self> {
        let mut screen = Self {
            kind: tty.kind(plain),
            tty,
            charset,
            terminal: None,
            strokes: Strokes::default(),
            printed: None,
        };
        screen.begin()?;
        Ok(screen)
    }

    pub(super) fn is_full(&self) -> bool {
        self.terminal.is_some()
    }

    /// Takes the terminal into use: at the start, for another size, after a shell.
    pub(super) fn begin(&mut self) -> io::Result<()> {
        self.printed = None;
        self.terminal = match self.kind {
            Kind::Plain => {
                self.tty.lines(true)?;
                None
            }
            Kind::Full(columns, rows) => {
                self.tty.raw()?;
                Some(self.blank(columns, rows)?)
            }
        };
        Ok(())
    }

    /// Keeps the terminal as [`begin`](Self::begin) took it.
    pub(super) fn hold(&self) -> io::Result<()> {
        self.tty.hold()
    }

    /// Gives the terminal away as it was found.
    pub(super) fn end(&mut self) {
        if self.terminal.take().is_some() {
            // A terminal that is gone has nothing to wipe.
            let _ = wipe().and_then(|()| print(b"\x1b[?25h"));
        }
        self.tty.restore();
    }

    /// The terminal may have another size.
    pub(super) fn resize(&mut self, plain: bool) -> io::Result<()> {
        let kind = self.tty.kind(plain);
        if kind != self.kind {
            self.end();
            self.kind = kind;
            self.begin()?;
        }
        Ok(())
    }

    /// Everything is drawn anew next time.
    pub(super) fn redraw(&mut self) -> io::Result<()> {
        self.printed = None;
        if let Kind::Full(columns, rows) = self.kind {
            self.terminal = Some(self.blank(columns, rows)?);
        }
        Ok(())
    }

    /// An empty screen. The library's own way to clear it asks where the cursor is, which a serial line may never answer.
    fn blank(
        &mut self,
        columns: u16,
        rows: u16,
    ) -> io::Result<Terminal<CrosstermBackend<Strokes>>> {
        // A picture that is not sent any more must not end up in the next one.
        self.terminal = None;
        self.strokes.0.borrow_mut().clear();
        let viewport = Viewport::Fixed(Rect::new(0, 0, columns, rows));
        let backend = CrosstermBackend::new(self.strokes.clone());
        let terminal = Terminal::with_options(backend, TerminalOptions { viewport })?;
        wipe()?;
        Ok(terminal)
    }

    /// Shows the model. Lines are printed when there is something new to read, not when a number has risen.
    pub(super) fn show(&mut self, model: &Model) -> io::Result<()> {
        let view = model.view();
        let charset = self.charset;
        if let Some(terminal) = &mut self.terminal {
            // Drawing nothing new still moves the cursor about, which a slow line and its recording need not see.
            if self.printed.as_ref() == Some(&view) {
                return Ok(());
            }
            terminal.draw(|frame| {
                if let Some(cursor) = full::draw(&view, charset, frame.buffer_mut()) {
                    frame.set_cursor_position(cursor);
                }
            })?;
            self.strokes.send()?;
            self.printed = Some(view);
            return Ok(());
        }
        if view.working
            || self
                .printed
                .as_ref()
                .is_some_and(|printed| same_page(printed, &view))
        {
            return Ok(());
        }
        self.tty.lines(!model.is_secret())?;
        print(plain::draw(&view, charset).as_bytes())?;
        self.printed = Some(view);
        Ok(())
    }

    /// A line for programs and people alike, whatever else is on the terminal.
    pub(super) fn announce(&mut self, line: &str) -> io::Result<()> {
        if self.is_full() {
            wipe()?;
            print(format!("{line}\r\n").as_bytes())?;
            self.redraw()
        } else {
            print(format!("\n{line}\n").as_bytes())?;
            let prompt = self
                .printed
                .as_ref()
                .map(|view| plain::prompt(view, self.charset));
            print(prompt.unwrap_or_default().as_bytes())
        }
    }

    /// Lines are printed anew even if nothing changed: somebody asked.
    pub(super) fn forget(&mut self) {
        self.printed = None;
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        self.end();
    }
}

/// What a person would call the same: lines that changed by themselves are not printed again while they type.
fn same_page(one: &View, other: &View) -> bool {
    one.title == other.title && one.form == other.form && one.message == other.message
}

/// Erases all and goes to the top (ECMA-48: ED, CUP).
fn wipe() -> io::Result<()> {
    print(b"\x1b[0m\x1b[2J\x1b[H")
}

fn print(bytes: &[u8]) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(bytes)?;
    out.flush()
}
