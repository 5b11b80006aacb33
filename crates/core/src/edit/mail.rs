//! Mail: its settings, and further addresses. Who there is, [`crate::Core`] has looked up before.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;

use cell_control::mail::MailUpdate;
use cell_model::config::{
    Config, DeliveryConfig, MailConfig, MailTarget, RelayConfig, is_login_password,
};
use cell_model::name::{Domain, LocalPart};
use cell_model::problem::{FieldError, Problem};

use super::{Context, Edit};

const QUOTAS: RangeInclusive<u32> = MailConfig::MIN_QUOTA_MIB..=MailConfig::MAX_QUOTA_MIB;

pub(super) fn update(
    config: &Config,
    update: &MailUpdate,
    context: &Context<'_>,
) -> Result<Edit, Problem> {
    let MailUpdate {
        catch_all,
        quota_mib,
        quotas,
        delivery,
        relay_password,
    } = update;
    let mut errors = Vec::new();
    let mut wrong = |field: String, message: &str| {
        let message = message.to_owned();
        errors.push(FieldError { field, message });
    };
    let mut after = config.clone();
    let mail = &mut after.mail;
    if let Some(catch_all) = catch_all {
        mail.catch_all.clone_from(catch_all);
    }
    let out_of_range = format!("must be {} to {} MiB", QUOTAS.start(), QUOTAS.end());
    if let Some(quota) = *quota_mib {
        match QUOTAS.contains(&quota) {
            true => mail.quota_mib = quota,
            false => wrong("quota_mib".to_owned(), &out_of_range),
        }
    }
    for (username, quota) in quotas {
        match *quota {
            None => drop(mail.quotas.remove(username)),
            Some(quota) if QUOTAS.contains(&quota) => {
                mail.quotas.insert(username.clone(), quota);
            }
            Some(_) => wrong(format!("quotas.{username}"), &out_of_range),
        }
    }
    if let Some(delivery) = delivery {
        if let DeliveryConfig::Relay(relay) = delivery {
            if let Err(message) = check_host(&relay.host, &config.domain.name) {
                wrong("delivery.relay.host".to_owned(), message);
            }
            if relay.port == 0 {
                wrong("delivery.relay.port".to_owned(), "must be 1 to 65535");
            }
        }
        mail.delivery = delivery.clone();
    }
    let secret = match (mail.relay(), relay_password) {
        (Some(RelayConfig { username: None, .. }) | None, Some(_)) => {
            let message = "goes with the user name of a relay";
            wrong("relay_password".to_owned(), message);
            None
        }
        (Some(_), Some(password)) if !is_login_password(password.expose()) => {
            let message = "must have 1 to 255 bytes, no line breaks, and no spaces at its ends";
            wrong("relay_password".to_owned(), message);
            None
        }
        (Some(_), Some(password)) => Some(Some(password.clone())),
        (relay, None) => {
            let stays = context.relay_password
                && relay
                    .zip(config.mail.relay())
                    .is_some_and(|(new, old)| new.has_login_of(old));
            let needed = relay.is_some_and(|relay| relay.username.is_some());
            if needed && !stays && delivery.is_some() {
                // It would go to somebody whom it was not for.
                let message = "must be given for this host and user name";
                wrong("relay_password".to_owned(), message);
            }
            (!stays && context.relay_password).then_some(None)
        }
    };
    if !errors.is_empty() {
        return Err(Problem::fields(errors));
    }
    let summary = summary(&config.mail, &after.mail, relay_password.is_some());
    let mut edit = Edit::new(after, "mail.change", "mail", summary);
    edit.relay_password = secret;
    Ok(edit)
}

/// What changed, for history and audit.
fn summary(before: &MailConfig, after: &MailConfig, has_password: bool) -> String {
    let mut what = Vec::new();
    if before.catch_all != after.catch_all {
        what.push("who gets mail for nobody");
    }
    if before.quota_mib != after.quota_mib || before.quotas != after.quotas {
        what.push("how much mail is kept");
    }
    if before.delivery != after.delivery {
        what.push("how mail leaves the box");
    }
    if has_password {
        what.push("the password of the relay");
    }
    match what.as_slice() {
        [] => "Changed nothing".to_owned(),
        what => format!("Changed {}", what.join(" and ")),
    }
}

/// A host elsewhere: services reach the internet alone.
pub(crate) fn check_host(name: &Domain, own: &Domain) -> Result<(), &'static str> {
    let host = name.as_str();
    let is_own = host == own.as_str()
        || host
            .strip_suffix(own.as_str())
            .is_some_and(|rest| rest.ends_with('.'));
    if is_own {
        return Err("must be another's: this one is the box itself");
    }
    if !host.contains('.') {
        return Err("must be a whole name, such as smtp.example.org");
    }
    match name.is_for_home() {
        true => Err("must be a host on the internet: services reach nothing at home"),
        false => Ok(()),
    }
}

pub(super) fn put_alias(
    config: &Config,
    name: &LocalPart,
    targets: &BTreeSet<MailTarget>,
) -> Result<Edit, Problem> {
    let is_new = !config.mail.aliases.contains_key(name);
    if is_new && config.mail.aliases.len() >= MailConfig::MAX_ALIASES {
        return Err(Problem::conflict(
            "too_many",
            "There are too many aliases",
            format!(
                "A box has at most {}. Remove one that nobody needs.",
                MailConfig::MAX_ALIASES
            ),
        ));
    }
    let domain = &config.domain.name;
    let targets: BTreeSet<MailTarget> =
        targets.iter().map(|target| target.within(domain)).collect();
    if targets.is_empty() {
        return Err(Problem::field("targets", "must name somebody"));
    }
    let too_many = || {
        let message = format!(
            "must come to at most {} people and addresses, aliases followed",
            MailConfig::MAX_TARGETS
        );
        Problem::field("targets", message)
    };
    if targets.len() > MailConfig::MAX_TARGETS {
        return Err(too_many());
    }
    let lost = targets.iter().find(|target| match target {
        MailTarget::Address(address) => address.domain() == domain.as_str(),
        MailTarget::Name(_) => false,
    });
    if let Some(lost) = lost {
        return Err(Problem::field(
            "targets",
            format!("must not name {lost}, which is no address of the box"),
        ));
    }
    let mut config = config.clone();
    config.mail.aliases.insert(name.clone(), targets);
    if config.mail.is_circle(name, &config.domain.name) {
        return Err(Problem::field(
            "targets",
            "must not lead back to the alias itself",
        ));
    }
    // One that leads here has grown too.
    let mail = &config.mail;
    let large =
        |alias| mail.ends_of(alias, &config.domain.name, |_| false).len() > MailConfig::MAX_TARGETS;
    if mail.aliases.keys().any(large) {
        return Err(too_many());
    }
    let verb = if is_new { "Added" } else { "Changed" };
    let summary = format!("{verb} the mail alias {name}");
    Ok(Edit::new(config, "mail.alias.put", name.as_str(), summary))
}

pub(super) fn remove_alias(config: &Config, name: &LocalPart) -> Result<Edit, Problem> {
    if !config.mail.aliases.contains_key(name) {
        return Err(Problem::not_found(format!("alias {name}")));
    }
    let target = MailTarget::Name(name.clone());
    let aliases = config.mail.aliases.iter();
    let users: Vec<&str> = aliases
        .filter(|(_, targets)| targets.contains(&target))
        .map(|(alias, _)| alias.as_str())
        .collect();
    if !users.is_empty() {
        return Err(Problem::conflict(
            "alias_in_use",
            "The alias is in use",
            format!(
                "What is sent to {} goes there. Change that first.",
                users.join(", ")
            ),
        ));
    }
    let mut config = config.clone();
    config.mail.aliases.remove(name);
    let summary = format!("Removed the mail alias {name}");
    Ok(Edit::new(
        config,
        "mail.alias.remove",
        name.as_str(),
        summary,
    ))
}

/// Whether a config that comes back has another relay than the one whose password is there, so that this must go.
pub(crate) fn loses_relay_password(now: &Config, coming: &Config) -> bool {
    let logins = now.mail.relay().zip(coming.mail.relay());
    !logins.is_some_and(|(now, coming)| coming.has_login_of(now))
}

#[cfg(test)]
#[path = "mail_tests.rs"]
mod tests;
