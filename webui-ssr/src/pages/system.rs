//! The system: which version runs, and what becomes of the next one.

use cell_control::view::{AvailableView, FirmwareView, SlotsView, UpdateState, UpdateView};
use cell_model::problem::Problem;
use http::Method;
use maud::{Markup, html};

use crate::frame::Frame;
use crate::parts::action::{Look, button, link, token};
use crate::parts::shell::page;
use crate::parts::text::{Weight, facts, notice};

const FRAGMENT: &str = "/fragments/system";
const POST: &str = "/system";
const TRIAL_LOG: &str = "/system/trial-log";

/// Before a bundle may be sent.
const PASSWORD: &str = "/reauthenticate?next=/system";

/// The page; with why a bundle was not taken, if one was sent. Whose password was not proven a short time ago is asked
/// for it first: nobody shall send a long file in vain.
pub(crate) fn render(
    frame: &Frame,
    firmware: &FirmwareView,
    is_proven: bool,
    refused: Option<&Problem>,
) -> Markup {
    let content = html! {
        @if let Some(problem) = refused {
            div.summary role="alert" tabindex="-1" autofocus aria-labelledby="summary-title" {
                h2 #summary-title { (problem.title) }
                p { (problem.detail) }
            }
        }
        div #live data-live=(FRAGMENT) { (live(frame, firmware)) }
        @if let Some(why) = &firmware.not_updatable {
            p.quiet { (why) }
        } @else if frame.may_post(POST) {
            section {
                h2 { "Install a version" }
                (look(frame, firmware))
                @if is_proven {
                    (upload(frame))
                } @else {
                    p { "It decides what the box runs, and it is a while since you entered your password." }
                    div.buttons { (link(PASSWORD, "Enter your password first", Look::Main)) }
                }
            }
        }
    };
    page(frame, &content)
}

/// What changes by itself.
pub(crate) fn live(frame: &Frame, firmware: &FirmwareView) -> Markup {
    let mut pairs = vec![("Version", html! { (firmware.version) })];
    if let Some(board) = &firmware.board {
        pairs.push(("For", html! { (board) }));
    }
    if let Some(slots) = &firmware.slots {
        pairs.push(("Slot", html! { (slot(slots)) }));
    }
    if let Some(trial) = &firmware.last_trial {
        let word = if trial.passed { "Passed" } else { "Not passed" };
        pairs.push((
            "Last trial",
            html! {
                @if let Some(version) = &trial.version { "Version " (version) ". " }
                (word) ": " (trial.detail)
                @if frame.may(&Method::GET, TRIAL_LOG) { " " a href=(TRIAL_LOG) { "Its log" } }
            },
        ));
    }
    html! {
        @if let Some(why) = firmware.slots.as_ref().and_then(|slots| slots.notice.as_ref()) {
            (notice(Weight::Warning, &html! { p { (why) } }))
        }
        (facts(&pairs))
        @if firmware.update.state != UpdateState::None {
            (update(frame, &firmware.update))
        }
        @if let Some(offered) = firmware.available.as_ref().filter(|_| is_idle(firmware)) {
            (available(frame, offered))
        }
        @if firmware.slots.is_some() {
            div.buttons {
                @if firmware.update.state != UpdateState::Ready && frame.may_post("/system/restart") {
                    (link("/system/restart", "Restart the box", Look::Plain))
                }
                @if may_go_back(firmware) && frame.may_post("/system/other") {
                    (link("/system/other", "Go to the other version", Look::Plain))
                }
            }
        }
        p { a href="/system" { "Refresh" } }
    }
}

/// Whether another version may begin.
fn is_idle(firmware: &FirmwareView) -> bool {
    matches!(
        firmware.update.state,
        UpdateState::None | UpdateState::Failed
    )
}

fn may_go_back(firmware: &FirmwareView) -> bool {
    let other = firmware
        .slots
        .as_ref()
        .and_then(|slots| slots.other.as_ref());
    is_idle(firmware) && other.is_some()
}

fn slot(slots: &SlotsView) -> String {
    let running = format!("{} runs", slots.running);
    match (&slots.trial, &slots.other) {
        (Some(trial), _) if *trial == slots.running => format!("{running}, on trial"),
        (Some(trial), _) => format!("{running}; {trial} is tried at the next start"),
        (None, Some(other)) => format!("{running}; {other} holds another to fall back to"),
        (None, None) => format!("{running}; the other one holds nothing to fall back to yet"),
    }
}

fn update(frame: &Frame, update: &UpdateView) -> Markup {
    let UpdateView {
        state,
        version,
        notes,
        done,
        total,
        problem,
        ..
    } = update;
    html! {
        section {
            h2 { "New version" @if let Some(version) = version { " " (version) } }
            p { (sentence(*state)) }
            @if state.is_busy() && *total > 0 {
                p {
                    label for="progress" { (megabytes(*done)) " of " (megabytes(*total)) }
                    " "
                    progress #progress value=(done) max=(total) {}
                }
            }
            @if let Some(problem) = problem {
                p { strong { (problem.title) ": " } (problem.detail) }
            }
            @if let Some(notes) = notes.as_ref().filter(|notes| !notes.is_empty()) {
                h3 { "What has changed" }
                pre.notes { (notes) }
            }
            @if matches!(state, UpdateState::Comparing | UpdateState::Receiving) && frame.may_post("/system/drop") {
                div.buttons { (button(frame, "/system/drop", "Stop it", Look::Plain, &[])) }
            }
            @if matches!(state, UpdateState::Ready | UpdateState::OnTrial) && frame.may_post("/system/drop") {
                div.buttons {
                    @if *state == UpdateState::Ready {
                        (link("/system/restart", "Restart into it", Look::Main))
                    }
                    @let label = match state {
                        UpdateState::OnTrial => "Drop it and restart",
                        _ => "Drop it",
                    };
                    (button(frame, "/system/drop", label, Look::Danger, &[]))
                }
            }
        }
    }
}

fn sentence(state: UpdateState) -> &'static str {
    match state {
        UpdateState::None => "There is none.",
        UpdateState::Comparing => "The box looks which parts of it are here already.",
        UpdateState::Receiving => "What is missing is on its way.",
        UpdateState::Writing => "It is written beside the running one. Everything works on.",
        UpdateState::Verifying => "What was written is read back.",
        UpdateState::Ready => {
            "It is tried at the next start. Should it not get well, the box comes back to this one."
        }
        UpdateState::OnTrial => {
            "It runs on trial. Changes wait until it has proven itself, a minute or two."
        }
        UpdateState::Failed => "It was not taken. The running one stays as it is.",
    }
}

fn megabytes(bytes: u64) -> String {
    format!("{}.{} MB", bytes / 1_000_000, bytes % 1_000_000 / 100_000)
}

/// Other ways for a version to come than as a file.
fn look(frame: &Frame, firmware: &FirmwareView) -> Markup {
    html! {
        @if let Some(checked) = &firmware.checked {
            p.quiet {
                "Looked at the server " (frame.clock.distance(checked.at)) ": "
                @match (&checked.problem, &firmware.available) {
                    (Some(problem), _) => { (problem.title) "." },
                    (None, Some(available)) => { "version " (available.version) " is there." },
                    (None, None) => { "nothing newer than this version." },
                }
            }
        }
        div.buttons {
            (button(frame, "/system/check", "Look for a new version", Look::Plain, &[]))
            (button(frame, "/system/fetch", "Install from a USB stick", Look::Plain, &[("from", "stick")]))
            (link("/system/updates", "Server and time", Look::Plain))
        }
    }
}

/// A newer version that the server has.
fn available(frame: &Frame, available: &AvailableView) -> Markup {
    html! {
        section {
            h2 { "Version " (available.version) " is there" }
            @if !available.notes.is_empty() { pre.notes { (available.notes) } }
            p.quiet { "At most " (megabytes(available.size)) "; what the box has already is not fetched." }
            @if frame.may_post("/system/fetch") {
                div.buttons { (button(frame, "/system/fetch", "Install it", Look::Main, &[("from", "channel")])) }
            }
        }
    }
}

/// The token goes before the file: it is looked at first.
fn upload(frame: &Frame) -> Markup {
    html! {
        form method="post" action=(POST) enctype="multipart/form-data" {
            (token(frame))
            div.field {
                label for="bundle" { "Bundle" }
                p.hint #bundle-hint { "A file that ends with .bundle, for this board. It is checked before anything is written." }
                input #bundle type="file" name="bundle" required aria-describedby="bundle-hint";
            }
            button class=(Look::Main.class()) { "Send it to the box" }
        }
    }
}
