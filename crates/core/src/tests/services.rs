//! Looking after services that run, and what removed ones have left.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use cell_audit::Outcome;
use cell_containers::{ContainerState, Containers};
use cell_control::action::Action;
use cell_control::caller::Caller;
use cell_control::change::{Change, ServiceUpdate};
use cell_control::query::{KeptData, Service, ServiceLogs};
use cell_control::{Control, ask};
use cell_model::config::{DataConfig, ServiceConfig};
use cell_model::name::ServiceId;
use cell_model::status::State;

use super::home::{Home, code};

const WEB: &str = "cell.files.web";
const DIGEST: &str = "sha256:0011223344556677889900112233445566778899001122334455667788990011";

fn files() -> ServiceId {
    "files".parse().unwrap()
}

/// A home with a service, as if it had been in the store.
async fn home() -> Home {
    let home = Home::set_up().await;
    let manifest = format!(
        "schema = 1\nid = \"files\"\nname = \"Files\"\nsummary = \"A\"\nversion = \"1\"\nrelease = 1\n\
             [[container]]\nname = \"web\"\nimage = \"a@{DIGEST}\"\nmemory_mib = 64\ncpu_percent = 10\nprocesses = 8\n\
             health = {{ port = 80 }}\n[[container.mount]]\nvolume = \"data\"\npath = \"/data\"\n\
             [[volume]]\nname = \"data\"\nbackup = true\n\
             [[route]]\nhost = \"cloud\"\nbackend = \"web:80\"\nwell_known = {{ caldav = \"/\", carddav = \"/\" }}\n"
    );
    let data = DataConfig {
        slot: 1,
        number: 1,
        lasting: 2,
    };
    let service = ServiceConfig::new(manifest, data, BTreeMap::new());
    home.core.desired.send_modify(|desired| {
        let config = desired.config.as_mut().map(Arc::make_mut).unwrap();
        config.services.installed.insert(files(), Arc::new(service));
    });
    home.until_service(State::Ok).await;
    home
}

impl Home {
    async fn until_service(&self, state: State) {
        let mut services = self.reconciler.services.clone();
        let reached = services.wait_for(|all| {
            let status = all.get(&files());
            status.is_some_and(|status| status.state == state)
        });
        let reached = tokio::time::timeout(Duration::from_secs(60), reached).await;
        reached.expect("within a minute").unwrap();
    }

    async fn start_anew(&self) -> Result<(), cell_model::problem::Problem> {
        let action = Action::RestartService { id: files() };
        let done = self.core.act(&Caller::local(), action).await;
        done.map(drop)
    }
}

#[tokio::test(start_paused = true)]
async fn service_tells_what_it_uses_keeps_and_says() {
    let home = home().await;
    let owner = Caller::local();
    let core: &dyn Control = &*home.core;
    let service = ask(core, &owner, Service { id: files() }).await.unwrap();
    let usage = service.containers[0].usage.unwrap();
    assert_eq!((usage.memory_bytes, usage.processes), (12 << 20, 4));
    assert_eq!(service.data_bytes, Some(4_096));
    let volume = &service.volumes[0];
    assert_eq!(
        (volume.free_bytes, volume.max_bytes),
        (Some(1 << 29), Some(1 << 30))
    );
    assert!(
        !volume.full && !service.detail.contains("MiB"),
        "{}",
        service.detail
    );
    home.containers.set_full(true);
    let service = ask(core, &owner, Service { id: files() }).await.unwrap();
    assert!(service.volumes[0].full);
    let told = "Of the 1024 MiB that it may keep (data), 0 MiB are free";
    assert!(service.detail.contains(told), "{}", service.detail);
    home.containers.set_full(false);
    let found: Vec<_> = service
        .well_known
        .iter()
        .map(|found| (found.name.as_str(), found.host.split('.').next()))
        .collect();
    assert_eq!(
        found,
        [("caldav", Some("cloud")), ("carddav", Some("cloud"))]
    );

    let logs = |limit| ServiceLogs { id: files(), limit };
    let said = ask(core, &owner, logs(10)).await.unwrap().items;
    let messages: Vec<&str> = said.iter().map(|line| line.message.as_str()).collect();
    assert_eq!(messages, ["web starts", "web listens"]);
    let last = ask(core, &owner, logs(1)).await.unwrap().items;
    assert_eq!((last.len(), last[0].message.as_str()), (1, "web listens"));

    // What cannot be told keeps nothing else from being told.
    home.containers.set_failing(true);
    let service = ask(core, &owner, Service { id: files() }).await.unwrap();
    assert_eq!(service.containers[0].usage, None);
    let none = ServiceLogs {
        id: "moon".parse().unwrap(),
        limit: 1,
    };
    assert_eq!(ask(core, &owner, none).await.unwrap_err().status, 404);
}

#[tokio::test(start_paused = true)]
async fn restart_ends_a_pause_and_is_recorded() {
    let home = home().await;
    for _ in 0..6 {
        home.containers.end(WEB, 1);
        home.until_service(State::Failed).await;
        home.until_service(State::Ok).await;
    }
    home.containers.end(WEB, 1);
    home.until_service(State::Failed).await;
    home.start_anew().await.unwrap();
    let seen = home.containers.observe().await.unwrap();
    assert_eq!(seen.containers[WEB].state, ContainerState::Running);
    let record = home.audit().pop().unwrap();
    assert_eq!(
        (
            record.action.as_str(),
            record.object.as_deref(),
            record.outcome
        ),
        ("service.restart", Some("files"), Outcome::Ok)
    );
}

#[tokio::test(start_paused = true)]
async fn what_does_not_run_is_not_started_anew() {
    let home = Home::set_up().await;
    assert_eq!(code(home.start_anew().await).0, 404);

    let home = self::home().await;
    home.containers.set_failing(true);
    let silent = code(home.start_anew().await);
    assert_eq!(silent, (503, "containers_unavailable".to_owned()));
    home.containers.set_failing(false);
    let update = ServiceUpdate {
        enabled: Some(false),
        ..ServiceUpdate::default()
    };
    let stop = Change::ChangeService {
        id: files(),
        update,
    };
    home.submit(stop).await.unwrap();
    let stopped = code(home.start_anew().await);
    assert_eq!(stopped, (409, "service_stopped".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn what_a_removed_service_has_kept_is_listed_until_it_is_deleted() {
    let home = home().await;
    let owner = Caller::local();
    let core: &dyn Control = &*home.core;
    assert_eq!(ask(core, &owner, KeptData).await.unwrap().items, []);
    let remove = |delete_data| Change::RemoveService {
        id: files(),
        delete_data,
    };
    home.submit(remove(false)).await.unwrap();
    let kept = ask(core, &owner, KeptData).await.unwrap().items;
    assert_eq!(kept.len(), 1);
    assert_eq!(
        (kept[0].id.as_str(), kept[0].name.as_str()),
        ("files", "files")
    );
    assert_eq!(kept[0].data_bytes, Some(4_096));
    home.submit(remove(true)).await.unwrap();
    assert_eq!(ask(core, &owner, KeptData).await.unwrap().items, []);
}
