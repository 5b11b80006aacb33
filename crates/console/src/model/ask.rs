//! The questions a line of text answers, and what an answer leads to.

use cell_auth::check_password_rules;
use cell_model::config::AddressingConfig;
use cell_model::name::Username;
use cell_model::secret::Secret;
use cell_model::ssh_key::SshKey;
use ipnet::Ipv4Net;

use super::Model;
use super::menu::Choice;
use super::page::{Account, Page};
use crate::effect::{Effect, Proof, Side};

/// Typed instead of the box's name to confirm a factory reset.
const RESET: &str = "RESET";
/// Typed where there is no next hop.
const NONE: &str = "none";
/// Names that end so are the console's own in the audit.
const CONSOLE_SUFFIX: &str = "@console";

/// A question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Question {
    pub(super) label: String,
    pub(super) secret: bool,
}

/// What the present page asks; `None` where it asks nothing.
pub(super) fn question(model: &Model) -> Option<Question> {
    let visible = |label: &str| {
        Some(Question {
            label: label.to_owned(),
            secret: false,
        })
    };
    let secret = |label: String| {
        Some(Question {
            label,
            secret: true,
        })
    };
    match &model.page {
        Page::Address(_) => visible("Address and prefix length, such as 192.168.1.2/24"),
        Page::Gateway(_) => visible("Gateway, such as 192.168.1.1, or none"),
        Page::NewOwner => visible("Name of the new owner"),
        Page::Password(account) => secret(format!("New password of {}", account.name())),
        Page::PasswordAgain(..) => secret("The same password again".to_owned()),
        Page::SshKey => visible("Public key, such as ssh-ed25519 AAAA... name"),
        Page::FactoryReset => visible(&confirming(model)),
        Page::ShellPassword(owner) => secret(format!("Password of {owner}")),
        Page::Shell if model.is_before_setup() && model.situation.setup_code.is_some() => {
            visible("Setup code")
        }
        Page::Owner if model.has_no_owner() => visible("Name of the new owner"),
        _ => None,
    }
}

fn confirming(model: &Model) -> String {
    match model.cell_name() {
        Some(name) => format!("Type {name} or {RESET} to erase everything"),
        None => format!("Type {RESET} to erase everything"),
    }
}

/// What the answer leads to, or what is wrong with it.
pub(super) fn answer(model: &Model, text: &Secret<String>) -> Result<Choice, String> {
    let typed = text.expose().trim();
    match &model.page {
        Page::Address(side) => {
            let address: Ipv4Net = typed.parse().map_err(|_| {
                "That is no address with a prefix length. Type it like 192.168.1.2/24.".to_owned()
            })?;
            Ok(Choice::Go(match side {
                Side::Wan => Page::Gateway(address),
                Side::Lan => fixed(Side::Lan, address, None),
            }))
        }
        Page::Gateway(address) => {
            let gateway = if typed.eq_ignore_ascii_case(NONE) {
                None
            } else {
                let gateway = typed.parse().map_err(|_| {
                    "That is no address. Type it like 192.168.1.1, or none.".to_owned()
                })?;
                Some(gateway)
            };
            Ok(Choice::Go(fixed(Side::Wan, *address, gateway)))
        }
        Page::NewOwner | Page::Owner => {
            let name: Username = typed
                .parse()
                .map_err(|error| format!("The name {error}."))?;
            if name.as_str().ends_with(CONSOLE_SUFFIX) {
                return Err("That name is kept for the console.".to_owned());
            }
            Ok(Choice::Go(Page::Password(Account::New(name))))
        }
        Page::Password(account) => {
            check_password_rules(text, account.name())
                .map_err(|error| format!("The password {error}."))?;
            Ok(Choice::Go(Page::PasswordAgain(
                account.clone(),
                text.clone(),
            )))
        }
        Page::PasswordAgain(account, first) => {
            if first != text {
                return Err(
                    "The two are not the same. Type the same password again, or go back."
                        .to_owned(),
                );
            }
            Ok(Choice::Do(match account {
                Account::Existing(name) => Effect::SetPassword(name.clone(), text.clone()),
                Account::New(name) => Effect::AddOwner(name.clone(), text.clone()),
            }))
        }
        Page::SshKey => {
            let key = typed.parse::<SshKey>();
            key.map_err(|error| format!("The key {error}."))?;
            Ok(Choice::Do(Effect::AddKey(typed.to_owned())))
        }
        Page::FactoryReset => {
            if typed == RESET || model.cell_name() == Some(typed) {
                Ok(Choice::Do(Effect::FactoryReset))
            } else {
                Err(format!("Nothing was erased. {}.", confirming(model)))
            }
        }
        Page::ShellPassword(owner) => Ok(Choice::Do(Effect::OpenShell(Proof::Owner(
            owner.clone(),
            text.clone(),
        )))),
        Page::Shell => Ok(Choice::Do(Effect::OpenShell(Proof::SetupCode(
            text.clone(),
        )))),
        _ => Ok(Choice::Back),
    }
}

fn fixed(side: Side, address: Ipv4Net, gateway: Option<std::net::Ipv4Addr>) -> Page {
    Page::ApplyAddressing(side, AddressingConfig::Static { address, gateway })
}
