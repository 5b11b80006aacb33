//! Mail. Fields are named as the core names them, so its errors find them.

use std::collections::{BTreeMap, BTreeSet};

use cell_control::action::Action;
use cell_control::change::Change;
use cell_control::mail::{MailAliasView, MailCheckForm, MailUpdate, MailView};
use cell_model::config::{DeliveryConfig, MailConfig, MailTarget, RelayConfig};
use cell_model::mail::port;
use cell_model::name::{LocalPart, Username};
use cell_model::problem::Problem;

use super::field::{Choice, Field};
use super::{Draft, lines, names};

/// The names of what can be set.
const CATCH_ALL: &str = "catch_all";
const QUOTA: &str = "quota_mib";
const QUOTAS: &str = "quotas";
const MODE: &str = "delivery.mode";
const HOST: &str = "delivery.relay.host";
const PORT: &str = "delivery.relay.port";
const USERNAME: &str = "delivery.relay.username";
const PASSWORD: &str = "relay_password";

/// MiB of the units that amounts are typed in.
const UNITS: [(&str, u32); 3] = [("mib", 1), ("gib", 1 << 10), ("tib", 1 << 20)];

const TARGETS: Field = Field::lines("targets", "Who gets it")
    .hint("One a line: the name of somebody who has an account, another address of the box, or a whole address elsewhere.");

/// Fields of a new address.
pub(crate) const NEW_ALIAS: &[Field] = &[
    Field::text("name", "Name").hint("What stands before the @, such as info or anna.miller."),
    TARGETS,
];

/// Fields of an address that is there.
pub(crate) const ALIAS: &[Field] = &[TARGETS];

/// Field of who gets the rest.
pub(crate) const REST: &[Field] = &[Field::text(CATCH_ALL, "Who gets it")
    .hint("The name of somebody who has an account. Empty: nobody, and whoever sent it is told so.")
    .optional()];

/// Field of a look at mail.
pub(crate) const CHECK: &[Field] = &[Field::text("greet", "A domain to try")
    .hint("Its mail servers are greeted, to see whether yours reaches others. Empty: those of two large providers.")
    .optional()];

/// Fields of how much is kept.
pub(crate) const ROOM: &[Field] = &[
    Field::text(QUOTA, "For each person").hint("An amount such as 2 GiB or 512 MiB."),
    Field::lines(QUOTAS, "Other amounts")
        .hint("A name and an amount a line, such as anna 10 GiB. Who is not named may keep as much as everybody.")
        .optional(),
];

const MODES: &[Choice] = &[
    (
        "direct",
        "Straight to the servers of those it is for. The connection has to let port 25 out, and its address needs a name; \
         most at home have neither.",
    ),
    (
        "relay",
        "Through a provider, which takes all of it and brings it on. That works from every connection.",
    ),
    (
        "receive_only",
        "Not at all. People get mail from everywhere, and write to people of this box alone.",
    ),
];

/// Fields of how mail leaves.
pub(crate) const DELIVERY: &[Field] = &[
    Field::one(MODE, "Mail leaves the box", MODES),
    Field::text(HOST, "Server of the provider")
        .hint("Only with a provider. Its name, such as smtp.example.net.")
        .optional(),
    Field::new(PORT, "Port", super::field::Kind::Number)
        .hint("As the provider says: 587, or 465. Empty: 587.")
        .optional(),
    Field::text(USERNAME, "User name there")
        .hint("Often a whole address. Empty: the box does not sign in.")
        .optional(),
    Field::new(PASSWORD, "Password there", super::field::Kind::Password("off"))
        .hint("Kept sealed, and never shown. Empty: the one that is there stays, as long as server and user name do.")
        .optional(),
];

/// The form as the address is now.
pub(crate) fn of_alias(alias: &MailAliasView) -> Draft<'static> {
    Draft::new(ALIAS, [(TARGETS.name, lines(&alias.targets))])
}

/// The form as it is now who gets the rest.
pub(crate) fn of_rest(mail: &MailView) -> Draft<'static> {
    let username = mail.catch_all.as_ref().map(ToString::to_string);
    Draft::new(REST, [(CATCH_ALL, username.unwrap_or_default())])
}

/// The form as it is now how much is kept.
pub(crate) fn of_room(mail: &MailView) -> Draft<'static> {
    let quotas = mail.quotas.iter();
    let quotas = quotas.map(|(username, mib)| format!("{username} {}", amount(*mib)));
    let quotas: Vec<String> = quotas.collect();
    Draft::new(
        ROOM,
        [(QUOTA, amount(mail.quota_mib)), (QUOTAS, quotas.join("\n"))],
    )
}

/// The form as mail leaves now.
pub(crate) fn of_delivery(mail: &MailView) -> Draft<'static> {
    let (mode, relay) = match &mail.delivery {
        DeliveryConfig::Direct => ("direct", None),
        DeliveryConfig::Relay(relay) => ("relay", Some(relay)),
        DeliveryConfig::ReceiveOnly => ("receive_only", None),
    };
    let username = relay.and_then(|relay| relay.username.as_ref());
    Draft::new(
        DELIVERY,
        [
            (MODE, mode.to_owned()),
            (
                HOST,
                relay
                    .map(|relay| relay.host.to_string())
                    .unwrap_or_default(),
            ),
            (
                PORT,
                relay
                    .map_or(port::SUBMISSION, |relay| relay.port)
                    .to_string(),
            ),
            (
                USERNAME,
                username.map(ToString::to_string).unwrap_or_default(),
            ),
        ],
    )
}

/// Reads a new address. One that is there already is changed on its own page, where one sees what it was.
pub(crate) fn parse_new(draft: &mut Draft, mail: &MailView) -> Option<Change> {
    let name = draft.require_with("name", |text| {
        let name: LocalPart = text.parse().map_err(|error| format!("{error}"))?;
        match mail.aliases.iter().any(|alias| alias.name == name) {
            true => Err("is there already".to_owned()),
            false => Ok(name),
        }
    });
    let targets = targets(draft);
    let change = Change::PutMailAlias {
        name: name?,
        targets: targets?,
    };
    draft.accept(Some(change))
}

/// Reads who gets what is sent to an address.
pub(crate) fn parse_alias(draft: &mut Draft, name: LocalPart) -> Option<Change> {
    let targets = targets(draft)?;
    draft.accept(Some(Change::PutMailAlias { name, targets }))
}

/// Reads who gets the rest.
pub(crate) fn parse_rest(draft: &mut Draft) -> Option<Change> {
    let catch_all = draft.maybe(CATCH_ALL)?;
    changed(
        draft,
        MailUpdate {
            catch_all: Some(catch_all),
            ..MailUpdate::default()
        },
    )
}

/// Reads what to look at.
pub(crate) fn parse_check(draft: &mut Draft) -> Option<Action> {
    let greet = draft.maybe("greet")?;
    draft.accept(Some(Action::CheckMail(MailCheckForm { greet })))
}

/// Reads how much is kept. Who had an amount of their own and is not named any more has none from then on.
pub(crate) fn parse_room(draft: &mut Draft, mail: &MailView) -> Option<Change> {
    let quota_mib = draft.require_with(QUOTA, mib);
    let typed = draft.maybe_with(QUOTAS, |text| {
        let lines = text.lines().map(str::trim);
        let lines = lines.filter(|line| !line.is_empty());
        lines.map(quota).collect::<Result<BTreeMap<_, _>, _>>()
    });
    let typed = typed?.unwrap_or_default();
    let before = mail.quotas.keys().map(|username| (username.clone(), None));
    let mut quotas: BTreeMap<Username, Option<u32>> = before.collect();
    quotas.extend(typed.into_iter().map(|(name, mib)| (name, Some(mib))));
    let update = MailUpdate {
        quota_mib: Some(quota_mib?),
        quotas,
        ..MailUpdate::default()
    };
    changed(draft, update)
}

/// Reads how mail leaves. What was typed of a provider counts only with one, and has to be right all the same.
pub(crate) fn parse_delivery(draft: &mut Draft) -> Option<Change> {
    let mode = draft.require_with(MODE, |text| {
        match MODES.iter().find(|(word, _)| *word == text) {
            Some((word, _)) => Ok(*word),
            None => Err("must be one of those shown".to_owned()),
        }
    });
    let host = match mode {
        Some("relay") => draft.require(HOST).map(Some),
        _ => draft.maybe(HOST),
    };
    let number = draft.maybe_with(PORT, |text| match text.parse() {
        Ok(port) if port > 0 => Ok(port),
        _ => Err("must be a number from 1 to 65535".to_owned()),
    });
    let username = draft.maybe(USERNAME);
    let password = match draft.typed(PASSWORD) {
        "" => None,
        _ => draft.secret(PASSWORD),
    };
    let (host, number, username) = (host?, number?, username?);
    let relay = host.map(|host| RelayConfig {
        host,
        port: number.unwrap_or(port::SUBMISSION),
        username,
    });
    let (delivery, relay_password) = match (mode?, relay) {
        ("direct", _) => (DeliveryConfig::Direct, None),
        ("relay", Some(relay)) => (DeliveryConfig::Relay(relay), password),
        _ => (DeliveryConfig::ReceiveOnly, None),
    };
    let update = MailUpdate {
        delivery: Some(delivery),
        relay_password,
        ..MailUpdate::default()
    };
    changed(draft, update)
}

/// The core names an amount of a person by the person; the form has one field for all of them.
pub(crate) fn own_fields(mut problem: Problem) -> Problem {
    for error in &mut problem.errors {
        if let Some(username) = error.field.strip_prefix("quotas.") {
            error.message = format!("of {username} {}", error.message);
            error.field = QUOTAS.to_owned();
        }
    }
    problem
}

/// An amount as it is typed.
pub(crate) fn amount(mib: u32) -> String {
    let mut units = UNITS.iter().rev();
    let unit = units.find(|(_, size)| mib >= *size && mib.is_multiple_of(*size));
    let (word, size) = unit.unwrap_or(&UNITS[0]);
    let prefix = word[..1].to_uppercase();
    format!("{} {prefix}iB", mib / size)
}

fn targets(draft: &mut Draft) -> Option<BTreeSet<MailTarget>> {
    let targets: BTreeSet<MailTarget> = names(draft, TARGETS.name)?;
    if targets.is_empty() {
        draft.note(TARGETS.name, "must name somebody");
    }
    Some(targets)
}

fn changed(draft: &Draft, update: MailUpdate) -> Option<Change> {
    draft.accept(Some(Change::Mail(Box::new(update))))
}

fn quota(line: &str) -> Result<(Username, u32), String> {
    let words = line.split_once(char::is_whitespace);
    let (name, amount) =
        words.ok_or("must have a name and an amount a line, such as anna 10 GiB")?;
    let username = name.parse();
    let username = username.map_err(|error| format!("has {name:?}, which {error}"))?;
    let mib = mib(amount.trim()).map_err(|error| format!("of {name} {error}"))?;
    Ok((username, mib))
}

/// Reads an amount. What others call GB is near enough to GiB.
fn mib(text: &str) -> Result<u32, String> {
    let end = text.find(|c: char| !c.is_ascii_digit());
    let (number, unit) = text.split_at(end.unwrap_or(text.len()));
    let unit = unit.trim().to_ascii_lowercase();
    let mut units = UNITS.iter();
    let unit = units.find(|(word, _)| *word == unit || unit == format!("{}b", &word[..1]));
    let mib = number
        .parse()
        .ok()
        .zip(unit)
        .and_then(|(number, (_, size)): (u32, _)| number.checked_mul(*size));
    let mib = mib.ok_or("must be an amount such as 2 GiB or 512 MiB")?;
    let (least, most) = (MailConfig::MIN_QUOTA_MIB, MailConfig::MAX_QUOTA_MIB);
    match (least..=most).contains(&mib) {
        true => Ok(mib),
        false => Err(format!("must be {} to {}", amount(least), amount(most))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cell_gate::form::{Form, encode};

    fn read(fields: &'static [Field<'static>], pairs: &[(&str, &str)]) -> Draft<'static> {
        let pairs = pairs.iter();
        let pairs: Vec<String> = pairs
            .map(|(name, value)| format!("{name}={}", encode(value)))
            .collect();
        Draft::read(fields, &Form::parse(pairs.join("&").as_bytes()).unwrap())
    }

    fn update(change: Option<Change>) -> MailUpdate {
        match change {
            Some(Change::Mail(update)) => *update,
            other => panic!("{other:?}"),
        }
    }

    fn mail() -> MailView {
        MailView {
            domain: "home.cell".parse().unwrap(),
            installed: true,
            aliases: Vec::new(),
            kept_names: Vec::new(),
            catch_all: None,
            quota_mib: 2_048,
            quotas: BTreeMap::from([("ben".parse().unwrap(), 512)]),
            delivery: DeliveryConfig::Direct,
            relay_password_set: false,
        }
    }

    #[test]
    fn amounts_are_typed_as_they_are_shown() {
        for (text, expected) in [
            ("64 MiB", 64),
            ("1536 MiB", 1_536),
            ("2 GiB", 2_048),
            ("4 TiB", 4 << 20),
        ] {
            assert_eq!(
                (mib(text), amount(expected)),
                (Ok(expected), text.to_owned())
            );
        }
        for (text, expected) in [("2gb", 2_048), ("512 MB", 512), ("1 tib", 1 << 20)] {
            assert_eq!(mib(text), Ok(expected), "{text}");
        }
        for bad in [
            "",
            "2",
            "GiB",
            "-2 GiB",
            "2.5 GiB",
            "2 KiB",
            "63 MiB",
            "5 TiB",
            "9999999999 GiB",
        ] {
            assert!(mib(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn whoever_is_not_named_any_more_may_keep_as_much_as_everybody() {
        let typed = [
            ("quota_mib", "3 GiB"),
            ("quotas", "anna 10 GiB\r\n\r\ncarla  64 MB"),
        ];
        let mut draft = read(ROOM, &typed);
        let update = update(parse_room(&mut draft, &mail()));
        assert_eq!(update.quota_mib, Some(3_072));
        let quotas = update.quotas.iter();
        let quotas: Vec<_> = quotas.map(|(name, mib)| (name.as_str(), *mib)).collect();
        let expected = [("anna", Some(10_240)), ("ben", None), ("carla", Some(64))];
        assert_eq!(quotas, expected);
        for wrong in ["anna", "anna much", "a/b 2 GiB", "anna 1 MiB"] {
            let mut draft = read(ROOM, &[("quota_mib", "3 GiB"), ("quotas", wrong)]);
            assert!(parse_room(&mut draft, &mail()).is_none(), "{wrong}");
            assert!(draft.error("quotas").is_some(), "{wrong}");
        }
    }

    #[test]
    fn form_that_is_sent_as_it_came_changes_nothing() {
        let view = mail();
        let mut draft = of_room(&view);
        let room = update(parse_room(&mut draft, &view));
        assert_eq!(
            room.quotas,
            BTreeMap::from([("ben".parse().unwrap(), Some(512))])
        );
        let delivery = update(parse_delivery(&mut of_delivery(&view)));
        assert_eq!(delivery.delivery, Some(DeliveryConfig::Direct));
        assert!(delivery.relay_password.is_none());
        assert_eq!(
            update(parse_rest(&mut of_rest(&view))).catch_all,
            Some(None)
        );
    }

    #[test]
    fn provider_counts_only_where_there_is_one() {
        let provider = [
            ("delivery.relay.host", "SMTP.example.net"),
            ("delivery.relay.port", ""),
            ("delivery.relay.username", "home@example.net"),
            ("relay_password", " kept as it is "),
        ];
        let of = |mode| {
            let pairs = [&[("delivery.mode", mode)][..], &provider].concat();
            update(parse_delivery(&mut read(DELIVERY, &pairs)))
        };
        let relayed = of("relay");
        let Some(DeliveryConfig::Relay(relay)) = relayed.delivery else {
            panic!("no provider");
        };
        assert_eq!((relay.host.as_str(), relay.port), ("smtp.example.net", 587));
        assert_eq!(relay.username.unwrap().as_str(), "home@example.net");
        assert_eq!(
            relayed.relay_password.unwrap().expose().as_str(),
            " kept as it is "
        );
        let only = of("receive_only");
        assert_eq!(only.delivery, Some(DeliveryConfig::ReceiveOnly));
        assert!(only.relay_password.is_none());
        let mut without = read(DELIVERY, &[("delivery.mode", "relay")]);
        assert!(parse_delivery(&mut without).is_none());
        assert_eq!(
            without.error("delivery.relay.host"),
            Some("must not be empty")
        );
    }

    #[test]
    fn amount_of_a_person_is_wrong_at_the_field_of_all() {
        let problem = own_fields(Problem::field(
            "quotas.zoe",
            "must be of somebody who has an account",
        ));
        let error = &problem.errors[0];
        let expected = "of zoe must be of somebody who has an account";
        assert_eq!(
            (error.field.as_str(), error.message.as_str()),
            ("quotas", expected)
        );
    }
}
