//! One built-in part: how it is, what it says of itself, its log.

use cell_control::action::LogLevel;
use cell_control::view::{LogLine, PartView};
use maud::{Markup, html};

use crate::frame::Frame;
use crate::parts::action::{Look, button};
use crate::parts::list::table;
use crate::parts::shell::page;
use crate::parts::state::badge_since;
use crate::parts::text::{empty, facts, time};

/// The page.
pub(crate) fn render(frame: &Frame, part: &PartView, logs: &[LogLine]) -> Markup {
    let word = part.part.as_str();
    let mut pairs = vec![
        ("State", badge_since(part.state, part.since, &frame.clock)),
        ("Detail", html! { (part.detail) }),
    ];
    if let Some(id) = part.process_id {
        pairs.push((
            "Process",
            html! { (id) ", started anew " (part.restarts) " times" },
        ));
    }
    pairs.extend(
        part.facts
            .iter()
            .map(|(name, value)| (name.as_str(), html! { span.value { (value) } })),
    );
    let content = html! {
        (facts(&pairs))
        div.buttons {
            (button(frame, &format!("/parts/{word}/test"), "Test it", Look::Main, &[]))
            @if frame.may_post("/parts/{part}/restart") {
                (button(frame, &format!("/parts/{word}/restart"), "Start it anew", Look::Plain, &[]))
            }
        }
        section {
            h2 { "Recent log" }
            (log(frame, logs))
            p { a href={ "/parts/" (word) } { "Refresh" } }
        }
    };
    page(frame, &content)
}

fn log(frame: &Frame, lines: &[LogLine]) -> Markup {
    if lines.is_empty() {
        return empty(
            "It has said nothing since the box started.",
            &html! { p.quiet { "That is a good sign." } },
        );
    }
    let rows: Vec<Vec<Markup>> = lines
        .iter()
        .rev()
        .map(|line| {
            vec![
                time(&frame.clock, line.time),
                html! { (level(line.level)) },
                html! { (line.message) },
            ]
        })
        .collect();
    table("Recent log", &["When", "Level", "Message"], &rows)
}

fn level(level: LogLevel) -> &'static str {
    match level {
        LogLevel::Error => "Error",
        LogLevel::Warn => "Warning",
        LogLevel::Info => "Info",
        LogLevel::Debug => "Debug",
    }
}
