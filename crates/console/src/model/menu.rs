//! The menus: what can be chosen, and what that leads to.

use cell_model::config::AddressingConfig;

use super::page::{Account, Page};
use super::{Model, addressing_text};
use crate::effect::{Effect, Side};

/// One line of a menu.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// What it says.
    pub label: String,
    /// What it leads to.
    pub choice: Choice,
}

/// What a choice leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Choice {
    /// Another page.
    Go(Page),
    /// An act.
    Do(Effect),
    /// The page before.
    Back,
}

fn go(label: impl Into<String>, page: Page) -> Entry {
    Entry {
        label: label.into(),
        choice: Choice::Go(page),
    }
}

fn act(label: impl Into<String>, effect: Effect) -> Entry {
    Entry {
        label: label.into(),
        choice: Choice::Do(effect),
    }
}

/// The safe answer comes first, so that Enter alone destroys nothing.
fn unless(yes: impl Into<String>, effect: Effect) -> Vec<Entry> {
    let no = Entry {
        label: "No, go back".to_owned(),
        choice: Choice::Back,
    };
    vec![no, act(yes, effect)]
}

/// The menu of the present page; empty where it has none.
pub(super) fn entries(model: &Model) -> Vec<Entry> {
    match &model.page {
        Page::Main => main(),
        Page::Network => network(model),
        Page::Interface(side) => interfaces(model, *side),
        Page::Addressing(side) => vec![
            go(
                "Automatic: ask a DHCP server",
                Page::ApplyAddressing(*side, AddressingConfig::Dhcp),
            ),
            go("A fixed address", Page::Address(*side)),
            go(
                "Leave what is there",
                Page::ApplyAddressing(*side, AddressingConfig::Adopt),
            ),
        ],
        Page::ApplyAddressing(side, addressing) => unless(
            format!("Yes, use it for {}", side.as_str()),
            Effect::SetAddressing(*side, addressing.clone()),
        ),
        Page::Keep(_) => vec![
            act("Keep the change", Effect::Keep),
            act("Take it back", Effect::TakeBack),
        ],
        Page::Owner => owners(model, |owner| Page::Password(Account::Existing(owner))),
        Page::OtherSlot => {
            let mut entries = unless("Yes, restart into the other system", Effect::BootOther);
            entries.push(act(
                "Install an update from a USB stick",
                Effect::InstallFromStick,
            ));
            entries
        }
        Page::Logs => vec![
            act("To a USB stick (FAT)", Effect::ExportLogs),
            act("Show them here", Effect::ReadLogs),
        ],
        Page::Ssh => {
            let mut entries = vec![go("Let a key in", Page::SshKey)];
            if !model.situation.ssh_keys.is_empty() {
                entries.push(go("Switch SSH off", Page::SshOff));
            }
            entries
        }
        Page::SshOff => unless("Yes, remove every key", Effect::DisableSsh),
        Page::Shell => owners(model, Page::ShellPassword),
        Page::Power => vec![
            go("Restart the box", Page::Restart),
            go("Power off", Page::PowerOff),
        ],
        Page::Restart => unless("Yes, restart now", Effect::Restart),
        Page::PowerOff => unless("Yes, power off now", Effect::PowerOff),
        _ => Vec::new(),
    }
}

fn main() -> Vec<Entry> {
    vec![
        go("Status", Page::Status),
        go("Network", Page::Network),
        go("Reset the owner's password", Page::Owner),
        go("Boot the other system, or update it", Page::OtherSlot),
        go("Export logs", Page::Logs),
        go("SSH", Page::Ssh),
        go("Factory reset", Page::FactoryReset),
        go("Open a shell", Page::Shell),
        go("Restart or power off", Page::Power),
    ]
}

fn network(model: &Model) -> Vec<Entry> {
    let start = &model.situation.start;
    let name = |interface: &Option<_>, none: &str| {
        interface
            .as_ref()
            .map_or_else(|| none.to_owned(), ToString::to_string)
    };
    let mut entries = vec![
        go(
            format!("WAN interface: {}", name(&start.wan, "chosen by the box")),
            Page::Interface(Side::Wan),
        ),
        go(
            format!("LAN interface: {}", name(&start.lan, "none")),
            Page::Interface(Side::Lan),
        ),
    ];
    if let Some(network) = model
        .stored
        .as_ref()
        .and_then(|stored| stored.network.as_ref())
    {
        for (side, interface) in [(Side::Wan, &network.wan), (Side::Lan, &network.lan)] {
            entries.push(go(
                format!(
                    "{} addresses: {}",
                    side.as_str(),
                    addressing_text(&interface.addressing)
                ),
                Page::Addressing(side),
            ));
        }
    }
    if let Some(pending) = &model.situation.pending {
        entries.push(go(
            "Keep or take back the change that waits",
            Page::Keep(pending.seconds_left),
        ));
    }
    entries
}

fn interfaces(model: &Model, side: Side) -> Vec<Entry> {
    let start = &model.situation.start;
    let other = match side {
        Side::Wan => &start.lan,
        Side::Lan => &start.wan,
    };
    let mut entries: Vec<Entry> = model
        .situation
        .interfaces
        .iter()
        .filter(|interface| interface.is_port && Some(&interface.name) != other.as_ref())
        .map(|interface| {
            let cable = if interface.carrier {
                "connected"
            } else {
                "not connected"
            };
            act(
                format!("{} ({cable})", interface.name),
                Effect::SetInterface(side, Some(interface.name.clone())),
            )
        })
        .collect();
    if side == Side::Lan {
        entries.push(act(
            "None: the box has one cable only",
            Effect::SetInterface(side, None),
        ));
    }
    entries
}

fn owners(model: &Model, page: impl Fn(cell_model::name::Username) -> Page) -> Vec<Entry> {
    let owners = model.stored.iter().flat_map(|stored| &stored.owners);
    owners
        .map(|owner| go(owner.as_str(), page(owner.clone())))
        .collect()
}
