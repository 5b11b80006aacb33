//! A service, what it says, and what another one has left.

use std::collections::BTreeSet;

use cell_model::config::{PublisherKeys, Purpose, SettingValue, SourceConfig};
use cell_model::status::State;

use super::{NOW, known};
use crate::view::{
    FailedUpdateView, GuideView, KeptDataView, MailboxesView, OfferView, RefreshState,
    ServiceContainerView, ServiceLogLine, ServiceUpdateView, ServiceUsageView, ServiceView,
    ServiceVolumeView, SettingKindView, SettingView, SourceView, WellKnownView,
};

pub(super) fn service() -> ServiceView {
    let offer = offer();
    ServiceView {
        id: offer.id,
        name: offer.name,
        summary: offer.summary,
        version: offer.version,
        release: offer.release,
        enabled: true,
        published: Some(false),
        groups: None,
        state: State::Ok,
        since: Some(NOW),
        detail: "It runs, and is well.".to_owned(),
        urls: vec!["https://files.home.cell/".to_owned()],
        internet: None,
        requires: BTreeSet::new(),
        needed_by: BTreeSet::new(),
        containers: vec![ServiceContainerView {
            name: "web".to_owned(),
            image: format!("web@sha256:{}", "01".repeat(32)),
            memory_mib: 128,
            cpu_percent: 50,
            processes: 32,
            usage: Some(ServiceUsageView {
                memory_bytes: 12 << 20,
                cpu_percent: 3,
                processes: 4,
            }),
        }],
        data_bytes: Some(3 << 30),
        volumes: vec![ServiceVolumeView {
            name: "data".to_owned(),
            free_bytes: Some(7 << 30),
            max_bytes: Some(10 << 30),
            full: false,
        }],
        settings: offer.settings,
        well_known: ["caldav", "carddav"]
            .map(|name| WellKnownView {
                name: name.to_owned(),
                host: "files.home.cell".to_owned(),
            })
            .into(),
        mail: Some(MailboxesView {
            domain: known("home.cell"),
            host: known("mail.home.cell"),
        }),
        guides: vec![GuideView {
            platform: "linux".to_owned(),
            steps: vec!["Open https://files.home.cell/ in the file manager.".to_owned()],
        }],
        on_trial: false,
        next: None,
        update: Some(ServiceUpdateView {
            version: "1.3".to_owned(),
            release: 4,
        }),
        failed_update: Some(FailedUpdateView {
            version: "1.2.9".to_owned(),
            release: 4,
            reason: "web ended; it is started again 8 s after that.".to_owned(),
        }),
    }
}

pub(super) fn offer() -> OfferView {
    OfferView {
        id: known("files"),
        name: "Files".to_owned(),
        summary: "Your files on all your devices".to_owned(),
        version: "1.2".to_owned(),
        release: 3,
        requires: BTreeSet::new(),
        internet: None,
        installed: Some(3),
        kept_data: false,
        source: None,
        settings: setting_views(),
    }
}

/// One of each kind.
fn setting_views() -> Vec<SettingView> {
    let text = |text: &str| Some(SettingValue::Text(text.to_owned()));
    let of = |key: &str, label: &str, kind, value, default: Option<SettingValue>| SettingView {
        key: known(key),
        label: label.to_owned(),
        help: None,
        kind,
        is_default: value == default,
        value,
        default,
    };
    vec![
        of(
            "max_upload",
            "Largest file, in MiB",
            SettingKindView::Number { min: 1, max: 9_999 },
            Some(SettingValue::Number(512)),
            Some(SettingValue::Number(1_024)),
        ),
        of(
            "greeting",
            "What it says above the files",
            SettingKindView::Text { max: 40 },
            text("hello"),
            text("hello"),
        ),
        of(
            "previews",
            "Show small pictures",
            SettingKindView::Switch,
            Some(SettingValue::Switch(true)),
            Some(SettingValue::Switch(true)),
        ),
        of(
            "order",
            "How files are sorted",
            SettingKindView::Choice {
                choices: vec!["by name".to_owned(), "by date".to_owned()],
            },
            text("by name"),
            text("by name"),
        ),
    ]
}

pub(super) fn log_line() -> ServiceLogLine {
    ServiceLogLine {
        time: NOW,
        container: "web".to_owned(),
        message: "listening on port 8080".to_owned(),
    }
}

pub(super) fn kept_data() -> KeptDataView {
    KeptDataView {
        id: known("photos"),
        name: "Photos".to_owned(),
        data_bytes: Some(5 << 30),
    }
}

pub(super) fn source_config() -> SourceConfig {
    SourceConfig {
        url: known("https://store.example.org/cell"),
        authorities: None,
        keys: PublisherKeys {
            version: 1,
            purpose: Purpose::Release,
            threshold: 2,
            keys: ["1f", "a0", "77"]
                .map(|byte| known(&byte.repeat(32)))
                .into(),
        },
    }
}

pub(super) fn source() -> SourceView {
    SourceView {
        source: known("friends"),
        state: RefreshState::Ok,
        asked: Some(NOW),
        code: None,
        detail: "It was taken.".to_owned(),
        version: Some(3),
        expires: Some(NOW),
        services: Some(2),
        installed: BTreeSet::from([known("files")]),
        kept_data: BTreeSet::from([known("photos")]),
    }
}
