//! Where new versions come from. Fields are named as the core names them, so its errors find them.

use cell_control::action::{BundleSource, FirmwareFetch};
use cell_control::change::{Change, SettingsUpdate};
use cell_control::view::ConfigView;
use cell_model::config::{MaintenanceWindow, ReleaseChannel, UpdateMode, UpdatesConfig};

use super::field::{Choice, Field};
use super::{Draft, REVISION, revision};

const MODES: &[Choice] = &[
    ("manual", "Do nothing by itself"),
    (
        "ask",
        "Look once a day, and say when there is a new version",
    ),
    (
        "automatic",
        "Look once a day, install what is new, and restart into it in the window below",
    ),
];

const CHANNELS: &[Choice] = &[
    ("stable", "Stable: for everybody"),
    (
        "testing",
        "Testing: earlier, for those who want to see faults first",
    ),
];

/// Fields of the settings.
pub(crate) const FIELDS: &[Field] = &[
    Field::one("updates.mode", "By itself the box shall", MODES),
    Field::one("updates.channel", "Versions", CHANNELS),
    Field::text("updates.source", "Server")
        .hint("An https address, such as https://updates.example.org/cell. Empty: none; bundles come as files and on sticks.")
        .optional(),
    Field::lines("updates.authorities", "Authorities of the server")
        .hint("Only for a server of your own: the certificates (PEM) that vouch for it beside the public ones.")
        .optional(),
    Field::text("updates.window.from", "May restart from").hint("A time of day such as 03:00, in the box's time zone."),
    Field::text("updates.window.until", "May restart until").hint("The whole day when both are the same."),
    REVISION,
];

/// Field of the choice where a version comes from.
pub(crate) const FETCH: &[Field] = &[Field::hidden("from")];

/// The form as the settings are now.
pub(crate) fn of(config: &ConfigView) -> Draft<'static> {
    let UpdatesConfig {
        mode,
        channel,
        source,
        authorities,
        window,
    } = &config.updates;
    let mode = match mode {
        UpdateMode::Manual => "manual",
        UpdateMode::Ask => "ask",
        UpdateMode::Automatic => "automatic",
    };
    let source = source.as_ref().map(ToString::to_string);
    Draft::new(
        FIELDS,
        [
            ("updates.mode", mode.to_owned()),
            ("updates.channel", channel.as_str().to_owned()),
            ("updates.source", source.unwrap_or_default()),
            (
                "updates.authorities",
                authorities
                    .as_ref()
                    .map(ToString::to_string)
                    .unwrap_or_default(),
            ),
            ("updates.window.from", window.from.to_string()),
            ("updates.window.until", window.until.to_string()),
            (REVISION.name, config.revision.to_string()),
        ],
    )
}

/// Reads the settings.
pub(crate) fn parse(draft: &mut Draft) -> Option<Change> {
    let revision = revision(draft);
    let unknown = || "must be one of those shown".to_owned();
    let mode = draft.require_with("updates.mode", |text| match text {
        "manual" => Ok(UpdateMode::Manual),
        "ask" => Ok(UpdateMode::Ask),
        "automatic" => Ok(UpdateMode::Automatic),
        _ => Err(unknown()),
    });
    let channel = draft.require_with("updates.channel", |text| match text {
        "stable" => Ok(ReleaseChannel::Stable),
        "testing" => Ok(ReleaseChannel::Testing),
        _ => Err(unknown()),
    });
    let source = draft.maybe("updates.source");
    let authorities = draft.maybe("updates.authorities");
    let from = draft.require("updates.window.from");
    let until = draft.require("updates.window.until");
    let updates = UpdatesConfig {
        mode: mode?,
        channel: channel?,
        source: source?,
        authorities: authorities?,
        window: MaintenanceWindow {
            from: from?,
            until: until?,
        },
    };
    let update = SettingsUpdate {
        revision: Some(revision?),
        updates: Some(updates),
        ..SettingsUpdate::default()
    };
    draft.accept(Some(Change::Settings(Box::new(update))))
}

/// Reads where a version shall come from.
pub(crate) fn parse_fetch(draft: &mut Draft) -> Option<FirmwareFetch> {
    let from = draft.require_with("from", |text| match text {
        "channel" => Ok(BundleSource::Channel),
        "stick" => Ok(BundleSource::Stick),
        _ => Err("must be channel or stick".to_owned()),
    });
    let fetch = FirmwareFetch {
        from: from?,
        allow_older: false,
        allow_expired: false,
    };
    draft.accept(Some(fetch))
}

#[cfg(test)]
mod tests {
    use super::*;
    use cell_gate::form::Form;

    fn draft(body: &str) -> Draft<'static> {
        Draft::read(FIELDS, &Form::parse(body.as_bytes()).unwrap())
    }

    const GOOD: &str = "updates.mode=automatic&updates.channel=testing&updates.source=https://example.org/cell\
        &updates.authorities=&updates.window.from=23:00&updates.window.until=04:30&revision=3";

    #[test]
    fn settings_are_read() {
        let Some(Change::Settings(update)) = parse(&mut draft(GOOD)) else {
            panic!("refused");
        };
        let updates = update.updates.unwrap();
        assert_eq!(updates.mode, UpdateMode::Automatic);
        assert_eq!(
            updates.source.unwrap().to_string(),
            "https://example.org/cell"
        );
        assert_eq!(updates.authorities, None);
        assert_eq!(updates.window.until.to_string(), "04:30");
    }

    #[test]
    fn what_is_wrong_is_said_at_its_field() {
        for (good, bad, field) in [
            ("=automatic", "=always", "updates.mode"),
            ("=testing", "=", "updates.channel"),
            ("https:", "http:", "updates.source"),
            ("23:00", "25:00", "updates.window.from"),
            ("04:30", "4", "updates.window.until"),
        ] {
            let mut draft = draft(&GOOD.replace(good, bad));
            assert!(parse(&mut draft).is_none());
            assert!(draft.error(field).is_some(), "{field}");
        }
    }
}
