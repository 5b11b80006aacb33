//! A view on a full screen, from 60 columns and 20 rows up.

use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use ratatui::style::{Modifier, Style};

use crate::model::{Form, View};
use crate::text::{Charset, wrap};

/// The smallest screen that is drawn in full.
pub const MIN_COLUMNS: u16 = 60;
/// Its rows.
pub const MIN_ROWS: u16 = 20;

/// Columns left free on both sides.
const MARGIN: u16 = 1;
/// Rows a message may take.
const MAX_MESSAGE: u16 = 3;
/// Before what is typed.
const PROMPT: &str = "> ";

/// Draws the view into all of the buffer. Answers where the cursor is to be, when something can be typed.
pub fn draw(view: &View, charset: Charset, buffer: &mut Buffer) -> Option<Position> {
    let area = buffer.area;
    let title = bar(area, area.top());
    let help = bar(area, area.bottom().saturating_sub(1));
    let width = usize::from(inner(area, 0, 1).width);
    let strong = Style::default().add_modifier(Modifier::BOLD);
    let reversed = Style::default().add_modifier(Modifier::REVERSED);

    buffer.set_style(title, reversed);
    put(buffer, shifted(title), &charset.line(&view.title), reversed);
    buffer.set_style(help, reversed);
    put(buffer, shifted(help), help_text(&view.form), reversed);
    let message = match (&view.message, view.working) {
        (_, true) => vec!["Working...".to_owned()],
        (Some(text), false) => wrap(&charset.line(text), width),
        (None, false) => vec![String::new()],
    };
    let message_height = height(message.len()).min(MAX_MESSAGE);
    let message_top = help.y.saturating_sub(message_height);
    for (row, text) in (0..message_height).zip(&message) {
        put(buffer, inner(area, message_top + row, 1), text, strong);
    }

    // Title, a free row, body, form, message, help.
    let top = area.top() + 2;
    let room = message_top.saturating_sub(top);
    let form = rows_of(&view.form, charset, width);
    let form_height = height(form.len()).min(room);
    let body = inner(area, top, room - form_height);
    let used = body_into(view, charset, buffer, body);
    // A free row below the text, where there is one.
    let free = u16::from(used > 0 && used < body.height);
    let form_top = top + used + free;

    let first = match view.form {
        // The chosen line stays in sight where not all fit.
        Form::Menu { selected, .. } => (selected + 1).saturating_sub(usize::from(form_height)),
        _ => 0,
    };
    let mut cursor = None;
    for (row, (index, text)) in (0..form_height).zip(form.iter().enumerate().skip(first)) {
        let line = inner(area, form_top + row, 1);
        let style = match view.form {
            Form::Menu { selected, .. } if selected == index => reversed,
            _ => Style::default(),
        };
        put(buffer, line, text, style);
        if matches!(view.form, Form::Field { .. }) && index + 1 == form.len() {
            let column = height(text.chars().count()).min(line.width.saturating_sub(1));
            cursor = Some(Position::new(line.x + column, line.y));
        }
    }
    // A screen of one column is all margin: nothing typed is seen on it.
    cursor.filter(|cursor| !view.working && area.contains(*cursor))
}

/// Answers how many rows were used.
fn body_into(view: &View, charset: Charset, buffer: &mut Buffer, area: Rect) -> u16 {
    let width = usize::from(area.width);
    let rows: Vec<(String, Style)> = view
        .lines
        .iter()
        .skip(view.scroll)
        .flat_map(|line| {
            let mut style = Style::default();
            if line.strong {
                style = style.add_modifier(Modifier::BOLD);
            }
            let pieces = wrap(&charset.line(&line.text), width);
            pieces.into_iter().map(move |piece| (piece, style))
        })
        // One more than fits, to know that there is more.
        .take(usize::from(area.height) + 1)
        .collect();
    let used = height(rows.len()).min(area.height);
    let overflow = rows.len() > usize::from(area.height);
    for (row, (text, style)) in (0..area.height).zip(rows) {
        let line = Rect::new(area.x, area.y + row, area.width, 1);
        let last = overflow && row + 1 == area.height;
        let more = match view.form {
            Form::Read => "-- more: Down or Page Down --",
            _ => "...",
        };
        put(buffer, line, if last { more } else { &text }, style);
    }
    used
}

/// The form as rows: a menu's entries, or a question and what is typed.
fn rows_of(form: &Form, charset: Charset, width: usize) -> Vec<String> {
    match form {
        Form::Menu { entries, .. } => {
            let numbered = entries.iter().enumerate();
            numbered
                .map(|(index, label)| {
                    let number = match index {
                        0..9 => (index + 1).to_string(),
                        _ => " ".to_owned(),
                    };
                    cut(&format!("{number}  {}", charset.line(label)), width)
                })
                .collect()
        }
        Form::Field { label, shown, .. } => {
            let mut rows = wrap(&format!("{}:", charset.line(label)), width);
            // The end is where the person types.
            let room = width.saturating_sub(PROMPT.len() + 1);
            let shown = charset.line(shown);
            let hidden = shown.chars().count().saturating_sub(room);
            rows.push(PROMPT.to_owned() + &shown.chars().skip(hidden).collect::<String>());
            rows
        }
        Form::Read => Vec::new(),
    }
}

fn help_text(form: &Form) -> &'static str {
    match form {
        Form::Menu { .. } => "Up, Down, Enter or a number: choose   Esc: back",
        Form::Field { secret: true, .. } => "Enter: take it   Esc: back   (typing is not shown)",
        Form::Field { .. } => "Enter: take it   Esc: back   Ctrl-U: empty",
        Form::Read => "Enter or Esc: back   Up, Down: scroll",
    }
}

fn cut(text: &str, width: usize) -> String {
    text.chars().take(width).collect()
}

fn put(buffer: &mut Buffer, area: Rect, text: &str, style: Style) {
    // Outside of the buffer there is nothing to write to.
    if area.is_empty() || !buffer.area.contains(Position::new(area.x, area.y)) {
        return;
    }
    buffer.set_stringn(area.x, area.y, text, usize::from(area.width), style);
}

fn bar(area: Rect, row: u16) -> Rect {
    Rect::new(area.x, row, area.width, 1)
}

fn shifted(bar: Rect) -> Rect {
    Rect::new(
        bar.x + MARGIN,
        bar.y,
        bar.width.saturating_sub(2 * MARGIN),
        1,
    )
}

fn inner(area: Rect, top: u16, rows: u16) -> Rect {
    let width = area.width.saturating_sub(2 * MARGIN);
    Rect::new(area.x + MARGIN, top, width, rows)
}

fn height(count: usize) -> u16 {
    u16::try_from(count).unwrap_or(u16::MAX)
}
