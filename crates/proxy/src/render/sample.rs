//! A box with a calendar, files and an admin page, for tests.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use cell_model::secret::Secret;
use cell_model::spec::{AdminRouteSpec, AnswersSpec, DocumentSpec, ProxyHostSpec, ProxySpec};

use crate::Certificates;

pub(crate) fn spec() -> ProxySpec {
    let calendar = ProxyHostSpec {
        service: "calendar".parse().unwrap(),
        names: names(&["calendar.home.example"]),
        answers: AnswersSpec::Backend("172.20.0.2:5232".parse().unwrap()),
        max_body_mib: 16,
        well_known: BTreeMap::from([("caldav".to_owned(), "/".to_owned())]),
        account_header: Some("X-Remote-User".to_owned()),
        public: true,
        refused: BTreeSet::new(),
        guests: BTreeSet::new(),
    };
    let wiki = ProxyHostSpec {
        service: "wiki".parse().unwrap(),
        names: names(&["wiki.home.example", "notes.home.example"]),
        answers: AnswersSpec::Backend("172.20.0.34:8080".parse().unwrap()),
        max_body_mib: 1,
        well_known: BTreeMap::new(),
        account_header: None,
        public: false,
        refused: BTreeSet::new(),
        guests: BTreeSet::new(),
    };
    let updated = ProxyHostSpec {
        service: "photos".parse().unwrap(),
        names: names(&["photos.home.example"]),
        answers: AnswersSpec::Later,
        ..wiki.clone()
    };
    let settings = ProxyHostSpec {
        service: "mail".parse().unwrap(),
        names: names(&["autoconfig.home.example"]),
        answers: AnswersSpec::Documents(BTreeMap::from([("/config.xml".to_owned(), document())])),
        public: true,
        ..wiki.clone()
    };
    ProxySpec {
        cell: "home".parse().unwrap(),
        http_port: 8080,
        https_port: 8443,
        outside_https_port: 443,
        control: "/run/caddy/control.sock".parse().unwrap(),
        ask: "/run/cell/accounts.sock".parse().unwrap(),
        hosts: vec![calendar, wiki, updated, settings],
        sources: ["192.168.1.0/24", "fd09:8::/64"]
            .map(|net| net.parse().unwrap())
            .into(),
        admin: Some(AdminRouteSpec {
            names: names(&["home.example", "admin.home.example"]),
            socket: "/run/cell/page.sock".parse().unwrap(),
            opened_after: Duration::from_millis(1_500),
        }),
    }
}

fn document() -> DocumentSpec {
    DocumentSpec {
        media_type: "application/xml".to_owned(),
        text: "<a>%EMAILADDRESS%</a>\n".to_owned(),
    }
}

pub(crate) fn certificates() -> Certificates {
    Certificates {
        chain_der: vec![b"leaf".to_vec(), vec![7; 60]],
        key_der: Secret::new(b"key".to_vec()),
    }
}

fn names(names: &[&str]) -> BTreeSet<cell_model::name::Domain> {
    names.iter().map(|name| name.parse().unwrap()).collect()
}
