//! Services that the internet is to reach: what that means.

use std::collections::BTreeSet;

use cell_catalogue::{LetIn, Manifest, Port};
use cell_model::config::Config;
use cell_model::name::ServiceId;

/// What to know of services that the internet reaches after a change, and did not before.
pub(super) fn consequences(before: &Config, after: &Config) -> Vec<String> {
    let open = after.services.installed.keys();
    let open = open.filter(|id| is_open(id, after) && !is_open(id, before));
    let manifests = open.filter_map(|id| {
        let service = after.services.installed.get(id)?;
        Manifest::parse(service.manifest.as_bytes()).ok()
    });
    let manifests: Vec<Manifest> = manifests.collect();
    let opened = manifests.iter().map(|manifest| opened(manifest, after));
    let mut consequences: Vec<String> = opened.collect();
    if !consequences.is_empty() {
        let domain = &after.domain.name;
        let passed_on = passed_on(&manifests);
        consequences.push(format!(
            "Names of {domain} are known at home and in the VPN alone. Visitors need a public DNS record or an entry in \
             their device's hosts file that leads the name to this box, and have to trust its certificate (/ca.pem). A \
             router before the box has to pass on {passed_on}."
        ));
    }
    consequences
}

/// What a router before the box has to pass on.
fn passed_on(manifests: &[Manifest]) -> String {
    let mut ports: Vec<String> = manifests
        .iter()
        .flat_map(|manifest| {
            manifest
                .ports
                .iter()
                .filter(|port| port.from == LetIn::Internet)
        })
        .map(named)
        .collect();
    if manifests.iter().any(Manifest::has_web_hosts) {
        ports.extend(["TCP 80 and 443", "UDP 443"].map(str::to_owned));
    }
    let last = ports.pop().unwrap_or_default();
    match ports.is_empty() {
        true => last,
        false => format!("{}, and {last}", ports.join(", ")),
    }
}

fn named(port: &Port) -> String {
    format!("{} {}", port.protocol.word().to_uppercase(), port.port)
}

fn is_open(id: &ServiceId, config: &Config) -> bool {
    let service = config.services.installed.get(id);
    service.is_some_and(|service| service.enabled && service.published)
}

fn opened(manifest: &Manifest, config: &Config) -> String {
    let domain = &config.domain.name;
    let routes = manifest.routes.iter();
    let mut doors: Vec<String> = routes
        .map(|route| format!("https://{}.{domain}/", route.host))
        .collect();
    let documents = manifest.documents.iter().map(|document| &document.host);
    let documents: BTreeSet<_> = documents.collect();
    let settings = documents.into_iter();
    doors.extend(settings.map(|host| format!("the settings for programs at {host}.{domain}")));
    let ports = manifest.ports.iter();
    let ports = ports.filter(|port| port.from == LetIn::Internet);
    let ports: Vec<String> = ports.map(named).collect();
    if !ports.is_empty() {
        doors.push(format!("the ports {}", ports.join(", ")));
    }
    let guard = match &manifest.accounts {
        Some(_) if !ports.is_empty() => {
            "Strangers leave things there without an app password, as mail is brought. Whoever signs in needs one, and who \
             guesses has to wait."
        }
        Some(_) => "Whoever uses it needs an app password, and who guesses has to wait.",
        None => "The box asks nobody who they are there: what the service shows, it shows to all.",
    };
    format!(
        "Everybody on the internet can knock at {}. {guard} Strangers will try what its programs do wrong: keep it up to \
         date, and close it when nobody needs it away from home. Devices that have the VPN do not need this.",
        doors.join(" and ")
    )
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;

    use cell_model::config::{DataConfig, ServiceConfig};

    use super::*;
    use crate::sample::Sample;

    fn with_calendar(published: bool, enabled: bool) -> Config {
        let digest = format!("sha256:{}", "0".repeat(64));
        let manifest = format!(
            "schema = 1\nid = \"calendar\"\nname = \"A\"\nsummary = \"A\"\nversion = \"1\"\nrelease = 1\n\
             [[container]]\nname = \"web\"\nimage = \"a@{digest}\"\nmemory_mib = 64\ncpu_percent = 10\n\
             processes = 8\nhealth = {{ port = 80 }}\n[[route]]\nhost = \"cal\"\nbackend = \"web:80\"\n"
        );
        let data = DataConfig {
            slot: 1,
            number: 1,
            lasting: 2,
        };
        let service = ServiceConfig {
            published,
            enabled,
            ..ServiceConfig::new(manifest, data, BTreeMap::new())
        };
        let mut config = Sample::two_armed().config.unwrap();
        let id = "calendar".parse().unwrap();
        config.services.installed.insert(id, Arc::new(service));
        config
    }

    #[test]
    fn documents_are_told_from_pages_and_want_the_same_ports() {
        let with_documents = |published| {
            let mut config = with_calendar(published, true);
            let service = config.services.installed.values_mut().next().unwrap();
            let service = Arc::make_mut(service);
            service.manifest = service.manifest.replace(
                "[[route]]\nhost = \"cal\"\nbackend = \"web:80\"\n",
                "[[document]]\nhost = \"cal\"\npath = \"/a\"\nmedia_type = \"text/plain\"\ntext = \"a\"\n",
            );
            config
        };
        let told = consequences(&with_documents(false), &with_documents(true));
        let [opened, names] = &told[..] else {
            panic!("{told:?}");
        };
        assert!(
            opened.contains("the settings for programs at cal.hut.cell."),
            "{opened}"
        );
        assert!(names.contains("TCP 80 and 443"), "{names}");
    }

    #[test]
    fn opening_to_the_internet_is_told_with_what_visitors_need() {
        let told = consequences(&with_calendar(false, true), &with_calendar(true, true));
        let [opened, names] = &told[..] else {
            panic!("{told:?}");
        };
        assert!(opened.contains("https://cal.hut.cell/"), "{opened}");
        assert!(opened.contains("asks nobody"), "{opened}");
        assert!(names.contains("hut.cell"), "{names}");
        // A service that is stopped is reached by nobody until it starts.
        for (before, after) in [
            (with_calendar(true, true), with_calendar(true, true)),
            (with_calendar(true, true), with_calendar(false, true)),
            (with_calendar(false, false), with_calendar(true, false)),
        ] {
            assert_eq!(consequences(&before, &after), Vec::<String>::new());
        }
        let started = consequences(&with_calendar(true, false), &with_calendar(true, true));
        assert_eq!(started.len(), 2);
    }
}
