//! A view as numbered lines, for terminals that can do no more, for pipes and for screen readers.

use crate::model::{Form, View};
use crate::text::{Charset, wrap};

/// Lines are broken here; a terminal that says nothing about itself has 80 columns.
const WIDTH: usize = 78;

/// The view as text; the last line is a prompt without a line end.
pub fn draw(view: &View, charset: Charset) -> String {
    let mut text = format!("\n== {} ==\n", charset.line(&view.title));
    for line in &view.lines {
        let line = charset.line(&line.text);
        // What a program may look for stays on one line.
        for piece in wrap(&line, WIDTH) {
            text.push_str(&piece);
            text.push('\n');
        }
    }
    if let Form::Menu { entries, .. } = &view.form {
        for (index, label) in entries.iter().enumerate() {
            text.push_str(&format!("{:2}  {}\n", index + 1, charset.line(label)));
        }
    }
    if let Some(message) = &view.message {
        text.push_str(&format!("{}\n", charset.line(message)));
    }
    text.push_str(&prompt(view, charset));
    text
}

/// The last line alone.
pub fn prompt(view: &View, charset: Charset) -> String {
    match &view.form {
        Form::Menu { .. } => "Number (empty: back or refresh): ".to_owned(),
        Form::Field { label, .. } => format!("{} (empty: back): ", charset.line(label)),
        Form::Read => "Enter: back ".to_owned(),
    }
}
