//! A page as what is to be drawn, the same for every kind of terminal.

use cell_model::status::{ItemStatus, State};

use super::page::{Outcome, Page};
use super::{Model, addressing_text, ask};
use crate::effect::Side;
use crate::options::Mode;
use crate::situation::{Daemon, Situation};

/// What is to be drawn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct View {
    /// What the page is.
    pub title: String,
    /// What there is to read.
    pub lines: Vec<Line>,
    /// Which of them is to be at the top where not all fit.
    pub scroll: usize,
    /// What can be typed.
    pub form: Form,
    /// What was wrong with what was typed last.
    pub message: Option<String>,
    /// Something is being done.
    pub working: bool,
}

/// A line to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// What it says.
    pub text: String,
    /// It must not be overlooked.
    pub strong: bool,
}

/// What can be typed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Form {
    /// One of these.
    Menu {
        /// What they say.
        entries: Vec<String>,
        /// Where Enter would lead.
        selected: usize,
    },
    /// A text.
    Field {
        /// What is asked.
        label: String,
        /// What was typed so far, as far as it may be seen.
        shown: String,
        /// It may not be seen.
        secret: bool,
    },
    /// Nothing but Enter.
    Read,
}

pub(super) fn view(model: &Model) -> View {
    let entries = model.entries();
    let form = match ask::question(model) {
        Some(question) => Form::Field {
            shown: match question.secret {
                true => String::new(),
                false => model.typed.expose().clone(),
            },
            label: question.label,
            secret: question.secret,
        },
        None if entries.is_empty() => Form::Read,
        None => Form::Menu {
            selected: model.selected.min(entries.len() - 1),
            entries: entries.into_iter().map(|entry| entry.label).collect(),
        },
    };
    View {
        title: title(model),
        lines: lines(model),
        scroll: model.scroll,
        form,
        message: model.message.clone(),
        working: model.is_working(),
    }
}

fn title(model: &Model) -> String {
    match &model.page {
        Page::Main => {
            let name = model.situation.cell_name.as_deref();
            format!(
                "{} - recovery console",
                name.unwrap_or("Personal Internet Cell")
            )
        }
        Page::Status => "Status".to_owned(),
        Page::Network | Page::Keep(_) => "Network".to_owned(),
        Page::Interface(side) => format!("{} interface", side.as_str()),
        Page::Addressing(side) | Page::Address(side) | Page::ApplyAddressing(side, _) => {
            format!("{} addresses", side.as_str())
        }
        Page::Gateway(_) => "WAN addresses".to_owned(),
        Page::Owner | Page::NewOwner | Page::Password(_) | Page::PasswordAgain(..) => {
            "Reset the owner's password".to_owned()
        }
        Page::OtherSlot => "Boot the other system".to_owned(),
        Page::Logs | Page::LogText(_) => "Export logs".to_owned(),
        Page::Ssh | Page::SshKey | Page::SshOff => "SSH".to_owned(),
        Page::FactoryReset => "Factory reset".to_owned(),
        Page::Shell | Page::ShellPassword(_) => "Open a shell".to_owned(),
        Page::Power | Page::Restart | Page::PowerOff => "Restart or power off".to_owned(),
        Page::Outcome(Outcome::Done(_), _) => "Done".to_owned(),
        Page::Outcome(Outcome::Refused(..), _) => "Not done".to_owned(),
    }
}

fn plain(text: impl Into<String>) -> Line {
    Line {
        text: text.into(),
        strong: false,
    }
}

fn strong(text: impl Into<String>) -> Line {
    Line {
        text: text.into(),
        strong: true,
    }
}

fn sentences(texts: &[&str]) -> Vec<Line> {
    texts.iter().map(|text| plain(*text)).collect()
}

fn lines(model: &Model) -> Vec<Line> {
    let seen = &model.situation;
    match &model.page {
        Page::Main => summary(seen),
        Page::Status => status(seen),
        Page::Network => network(model),
        Page::Interface(side) => interface(model, *side),
        Page::Addressing(side) => model
            .stored
            .as_ref()
            .and_then(|stored| stored.network.as_ref())
            .map(|network| match side {
                Side::Wan => &network.wan,
                Side::Lan => &network.lan,
            })
            .map(|interface| plain(format!("Now: {}", addressing_text(&interface.addressing))))
            .into_iter()
            .collect(),
        Page::Address(_) | Page::Gateway(_) | Page::ShellPassword(_) => Vec::new(),
        Page::ApplyAddressing(side, addressing) => vec![plain(format!(
            "{}: {}",
            side.as_str(),
            addressing_text(addressing)
        ))],
        Page::Keep(seconds) => {
            let left = seen
                .pending
                .as_ref()
                .map_or(*seconds, |pending| pending.seconds_left);
            vec![
                plain("The change is in force."),
                strong(format!(
                    "It returns by itself in {left} s unless you keep it."
                )),
            ]
        }
        Page::Owner if model.is_before_setup() => sentences(&[
            "The box is not set up, so it has no owner yet.",
            "Open the admin page and enter the setup code.",
        ]),
        Page::Owner if model.has_no_owner() => {
            sentences(&["The box has no owner any more. Name a new one."])
        }
        Page::Owner => sentences(&["Whose password is to be set?"]),
        Page::NewOwner => Vec::new(),
        Page::Password(_) | Page::PasswordAgain(..) => sentences(&[
            "At least 10 characters. What you type is not shown.",
            "Every session of the account ends. The audit log keeps that it happened, and the account is told at its next sign-in.",
        ]),
        Page::OtherSlot => vec![
            plain(match &seen.slot {
                Some(slot) => format!("The box runs system {slot}."),
                None => "The box does not say which system it runs.".to_owned(),
            }),
            plain("The other one is tried: unless it proves itself, the box goes back by itself."),
            plain(
                "An update takes the place of the other one: the file cell-BOARD.bundle in the first folder of a stick (FAT or exFAT).",
            ),
        ],
        Page::Logs => sentences(&["Passwords and keys are masked in what is exported."]),
        Page::LogText(lines) => lines.iter().map(|line| plain(line.as_str())).collect(),
        Page::Ssh => ssh(seen),
        Page::SshKey => sentences(&["Paste the public key of the computer you will sign in from."]),
        Page::SshOff => sentences(&["Nobody can sign in over SSH any more."]),
        Page::FactoryReset => vec![
            strong("This erases everything: accounts, settings, keys, services and their data."),
            plain("The box restarts and is as new. Backups on other disks stay."),
        ],
        Page::Shell if model.is_before_setup() => sentences(if seen.setup_code.is_some() {
            &["The box has no owner yet: the setup code opens the shell."]
        } else {
            &[
                "The box has no owner and no setup code yet, so nobody may open a shell.",
                "Start the box normally: the daemon makes a code.",
            ]
        }),
        Page::Shell if model.has_no_owner() => sentences(&[
            "The box has no owner any more, so nobody may open a shell.",
            "Make one first (Reset the owner's password).",
        ]),
        Page::Shell => sentences(&[
            "A shell can do anything to the box. Only an owner may open it.",
            "Whose password?",
        ]),
        Page::Power => Vec::new(),
        Page::Restart => sentences(&["Services and connections stop for a minute or two."]),
        Page::PowerOff => sentences(&["The box stays off until it is switched on by hand."]),
        Page::Outcome(Outcome::Done(lines), _) => {
            lines.iter().map(|line| plain(line.as_str())).collect()
        }
        Page::Outcome(Outcome::Refused(what, todo), _) => {
            vec![strong(what.as_str()), plain(todo.as_str())]
        }
    }
}

/// Above the main menu: what most people come for.
fn summary(seen: &Situation) -> Vec<Line> {
    let mut lines = vec![plain(system(seen)), plain(daemon(seen))];
    if let Some(url) = seen.admin.first() {
        lines.push(plain(format!("Admin page: {url}")));
    }
    if let Some(code) = seen.setup_line() {
        lines.push(strong(code));
    }
    if let Some(pending) = &seen.pending {
        lines.push(strong(format!(
            "A change waits and returns in {} s (Network).",
            pending.seconds_left
        )));
    }
    lines.extend(
        seen.notices
            .first()
            .map(|notice| plain(format!("Note: {notice}"))),
    );
    lines
}

fn system(seen: &Situation) -> String {
    let slot = seen
        .slot
        .as_ref()
        .map_or_else(String::new, |slot| format!(", system {slot}"));
    let mode = match seen.mode {
        Mode::Normal => "",
        Mode::Trial => ", on trial",
        Mode::Recovery => ", RECOVERY MODE",
    };
    format!("Version {}{slot}{mode}", seen.version)
}

fn daemon(seen: &Situation) -> String {
    let wrong: Vec<&str> = seen
        .items
        .iter()
        .filter(|item| item.state == State::Failed)
        .map(|item| item.id.as_str())
        .collect();
    match seen.daemon {
        Daemon::Unknown => "Looking...".to_owned(),
        Daemon::Stopped if seen.mode == Mode::Recovery => {
            "The daemon is not started in recovery mode.".to_owned()
        }
        Daemon::Stopped => "The daemon does not run. Settings here still work.".to_owned(),
        Daemon::Silent => {
            "The daemon runs but does not answer. Restart the box if it stays.".to_owned()
        }
        Daemon::Running if seen.set_up == Some(false) => {
            "The daemon runs. The box is not set up yet.".to_owned()
        }
        Daemon::Running if wrong.is_empty() => "The daemon runs.".to_owned(),
        Daemon::Running => format!("The daemon runs; failed: {}.", wrong.join(", ")),
    }
}

fn status(seen: &Situation) -> Vec<Line> {
    let mut lines = vec![
        plain(match (&seen.cell_name, seen.set_up) {
            (Some(name), _) => format!("Name: {name}"),
            (None, Some(false)) => "Name: none yet, the box is not set up".to_owned(),
            (None, _) => "Name: not known while the daemon does not run".to_owned(),
        }),
        plain(system(seen)),
        plain(daemon(seen)),
    ];
    lines.extend(addresses(seen));
    for url in &seen.admin {
        lines.push(plain(format!("Admin page: {url}")));
    }
    match &seen.fingerprint {
        Some(fingerprint) => {
            lines.push(plain("CA fingerprint (SHA-256):"));
            // 16 pairs in a line, as the pages show them and as 60 columns hold them.
            let pairs: Vec<&str> = fingerprint.split(':').collect();
            for part in pairs.chunks(16) {
                lines.push(plain(format!("  {}", part.join(":"))));
            }
        }
        None => lines.push(plain(
            "CA fingerprint: not known while the daemon is not started",
        )),
    }
    lines.extend(seen.setup_line().map(strong));
    if !seen.items.is_empty() {
        lines.push(plain("Health:"));
        lines.extend(seen.items.iter().map(item));
    }
    lines.extend(
        seen.notices
            .iter()
            .map(|notice| plain(format!("Note: {notice}"))),
    );
    lines
}

fn item(item: &ItemStatus) -> Line {
    Line {
        text: format!("  {:10} {:8} {}", item.id, item.state.as_str(), item.detail),
        strong: item.state == State::Failed,
    }
}

fn addresses(seen: &Situation) -> Vec<Line> {
    seen.interfaces
        .iter()
        .filter(|interface| interface.is_port || !interface.addresses.is_empty())
        .map(|interface| {
            let name = Some(&interface.name);
            let side = match () {
                () if name == seen.start.wan.as_ref() => " (WAN)",
                () if name == seen.start.lan.as_ref() => " (LAN)",
                () => "",
            };
            let addresses: Vec<String> = interface
                .addresses
                .iter()
                .map(ToString::to_string)
                .collect();
            let text = match (addresses.is_empty(), interface.carrier) {
                (true, true) => "no address".to_owned(),
                (true, false) => "not connected".to_owned(),
                (false, _) => addresses.join(", "),
            };
            plain(format!("{}{side}: {text}", interface.name))
        })
        .collect()
}

fn network(model: &Model) -> Vec<Line> {
    let mut lines = addresses(&model.situation);
    if model.is_before_setup() {
        lines.push(plain(
            "Addresses are automatic until the box is set up; fixed ones can be set then.",
        ));
    }
    lines
}

fn interface(model: &Model, side: Side) -> Vec<Line> {
    let mut lines = vec![plain(match side {
        Side::Wan => "Which interface leads to the internet?",
        Side::Lan => "Which interface leads to the home network?",
    })];
    if model.entries().is_empty() {
        lines.push(plain("There is no other one. Plug one in and come back."));
    }
    lines
}

fn ssh(seen: &Situation) -> Vec<Line> {
    if seen.ssh_keys.is_empty() {
        return sentences(&["SSH is off: nobody can sign in over it."]);
    }
    let mut lines = sentences(&["SSH is on, for whoever has one of these keys:"]);
    lines.extend(seen.ssh_keys.iter().map(|key| plain(format!("  {key}"))));
    lines
}
