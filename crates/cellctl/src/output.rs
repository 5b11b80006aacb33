//! Standard output: a table for a person or JSON for a program.

use std::io::{self, IsTerminal, Write};

use cell_control::view::Page;
use serde::Serialize;

use crate::text;

/// Clears the screen and goes to its top left corner (ECMA-48, ED and CUP).
const CLEAR: &str = "\x1b[2J\x1b[H";

/// Where answers go, and in which of the two forms.
pub(crate) struct Output {
    json: bool,
}

impl Output {
    /// JSON, or text for a person.
    pub(crate) fn new(json: bool) -> Self {
        Self { json }
    }

    /// Whether a program reads it.
    pub(crate) fn is_json(&self) -> bool {
        self.json
    }

    /// Whether a person looks at it, so that colours have a meaning.
    pub(crate) fn is_terminal(&self) -> bool {
        io::stdout().is_terminal()
    }

    /// Shows one value.
    pub(crate) fn show<T: Serialize>(
        &self,
        value: &T,
        render: impl FnOnce(&T) -> String,
    ) -> io::Result<()> {
        if self.json {
            let document = serde_json::to_string_pretty(value)?;
            self.bytes(format!("{}\n", text::escaped(&document)).as_bytes())
        } else {
            self.bytes(text::printable(&render(value)).as_bytes())
        }
    }

    /// Shows a list, and says when there is more than was fetched.
    pub(crate) fn show_page<T: Serialize>(
        &self,
        page: &Page<T>,
        render: impl FnOnce(&[T]) -> String,
    ) -> io::Result<()> {
        self.show(page, |page| render(&page.items))?;
        if page.next.is_some() && !self.json {
            self.note("There are more: raise --limit.");
        }
        Ok(())
    }

    /// Shows a value that was shown before and has changed: one JSON document a line, or the screen anew.
    pub(crate) fn show_again<T: Serialize>(
        &self,
        value: &T,
        render: impl FnOnce(&T) -> String,
    ) -> io::Result<()> {
        if self.json {
            let document = serde_json::to_string(value)?;
            return self.bytes(format!("{}\n", text::escaped(&document)).as_bytes());
        }
        let before = if self.is_terminal() { CLEAR } else { "" };
        self.bytes(format!("{before}{}\n", text::printable(&render(value))).as_bytes())
    }

    /// Says that something was done.
    pub(crate) fn done(&self, sentence: &str) -> io::Result<()> {
        self.show(&serde_json::json!({ "done": true }), |_| {
            format!("{sentence}\n")
        })
    }

    /// Writes bytes as they are.
    pub(crate) fn bytes(&self, bytes: &[u8]) -> io::Result<()> {
        let mut out = io::stdout().lock();
        out.write_all(bytes)?;
        out.flush()
    }

    /// Says something beside the answer, on standard error.
    pub(crate) fn note(&self, sentence: &str) {
        // The answer itself was written; a closed standard error takes nothing away from it.
        let _ = writeln!(io::stderr(), "{}", text::printable(sentence));
    }
}
