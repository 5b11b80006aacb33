//! Services that come, end and go.

use std::sync::Arc;
use std::time::Duration;

use cell_containers::Containers;
use cell_model::config::{Config, DataConfig, ServiceConfig};
use cell_model::container::ImageDigest;
use cell_model::name::ServiceId;
use cell_model::status::{Part, ServiceStatus, State};
use tokio::time::Instant;

use super::running::{Running, config, desired, state};
use super::world::World;

const DIGEST: &str = "sha256:0011223344556677889900112233445566778899001122334455667788990011";
const WEB: &str = "cell.files.web";

pub(super) fn files() -> ServiceId {
    "files".parse().unwrap()
}

/// The service, made from this image.
pub(super) fn files_of(image: &ImageDigest) -> ServiceConfig {
    let manifest = format!(
        "schema = 1\nid = \"files\"\nname = \"Files\"\nsummary = \"A\"\nversion = \"1\"\nrelease = 1\n\
             [[container]]\nname = \"web\"\nimage = \"a@{image}\"\nmemory_mib = 64\ncpu_percent = 10\nprocesses = 8\n\
             health = {{ port = 80, start_s = 60 }}\n\
             [[container.mount]]\nvolume = \"data\"\npath = \"/data\"\n\
             [[volume]]\nname = \"data\"\nbackup = true\n"
    );
    let data = DataConfig {
        slot: 1,
        number: 1,
        lasting: 2,
    };
    ServiceConfig::new(manifest, data, Default::default())
}

fn with_service() -> Config {
    let mut config = config([2]);
    let service = files_of(&DIGEST.parse().unwrap());
    config.services.installed.insert(files(), Arc::new(service));
    config
}

async fn until(
    running: &Running,
    mut holds: impl FnMut(Option<&ServiceStatus>) -> bool,
) -> Option<ServiceStatus> {
    let mut services = running.reconciler.services.clone();
    let found = services.wait_for(|services| holds(services.get(&files())));
    let found = tokio::time::timeout(Duration::from_secs(3_600), found);
    let found = found.await.expect("within an hour").unwrap();
    found.get(&files()).cloned()
}

fn is(wanted: State) -> impl FnMut(Option<&ServiceStatus>) -> bool {
    move |status| status.is_some_and(|status| status.state == wanted)
}

#[tokio::test(start_paused = true)]
async fn service_comes_up_beside_the_others_and_goes_again() {
    let running = Running::with(config([2])).await;
    running.change(2, with_service());
    running.applied(2).await;
    let status = until(&running, is(State::Ok)).await.unwrap();
    assert_eq!(status.detail, "It runs, and is well.");
    // Its networks are known to the packet filter.
    let mut done = running.world.done();
    done.sort_unstable();
    assert_eq!(done, ["containers", "firewall open"]);

    running.change(3, config([2]));
    running.applied(3).await;
    assert_eq!(until(&running, |status| status.is_none()).await, None);
    let published = running
        .until(|published| state(published, Part::Containers) == State::Ok)
        .await;
    let item = &published.items[Part::Containers as usize];
    assert_eq!(item.detail, "No service runs.");
}

#[tokio::test(start_paused = true)]
async fn data_counts_as_deleted_once_that_was_done() {
    let world = World::new();
    world.break_part(Part::Containers);
    let running = Running::start(world, desired(1, with_service()));
    running.applied(1).await;
    let mut config = config([2]);
    config.services.discarded.insert(files(), [1, 2].into());
    running.change(2, config);
    running.applied(2).await;
    tokio::time::sleep(Duration::from_secs(60)).await;
    let published = running.reconciler.published.borrow().clone();
    assert!(published.deleted.is_empty());
    running.world.mend();
    let published = running
        .until(|published| !published.deleted.is_empty())
        .await;
    assert_eq!(published.deleted, [(files(), 1), (files(), 2)].into());
}

#[tokio::test(start_paused = true)]
async fn service_that_ends_is_started_again_with_growing_pauses() {
    let running = Running::start(World::new(), desired(1, with_service()));
    until(&running, is(State::Ok)).await;
    let mut pauses = Vec::new();
    for _ in 0..6 {
        running.world.containers.end(WEB, 1);
        let ended = until(&running, is(State::Failed)).await.unwrap();
        assert!(ended.detail.starts_with("web ended"), "{ended:?}");
        let begun = Instant::now();
        until(&running, is(State::Ok)).await;
        pauses.push(begun.elapsed().as_secs());
    }
    assert!(
        pauses.is_sorted() && pauses[0] <= 4 && (30..40).contains(&pauses[5]),
        "{pauses:?}"
    );
    // Who ran for a while ended for another reason.
    tokio::time::sleep(Duration::from_secs(700)).await;
    running.world.containers.end(WEB, 1);
    until(&running, is(State::Failed)).await;
    let begun = Instant::now();
    until(&running, is(State::Ok)).await;
    assert!(begun.elapsed() <= Duration::from_secs(4));
}

#[tokio::test(start_paused = true)]
async fn container_that_is_started_again_takes_nobody_along_whose_time_has_not_come() {
    let mut config = with_service();
    let mut notes = files_of(&DIGEST.parse().unwrap());
    notes.manifest = notes.manifest.replace("\"files\"", "\"notes\"");
    (notes.data.slot, notes.data.number, notes.data.lasting) = (2, 3, 4);
    let id: ServiceId = "notes".parse().unwrap();
    config
        .services
        .installed
        .insert(id.clone(), Arc::new(notes));
    let running = Running::start(World::new(), desired(1, config));
    until(&running, is(State::Ok)).await;
    // Its pause is 32 s by now.
    for _ in 0..6 {
        until(&running, is(State::Ok)).await;
        running.world.containers.end(WEB, 1);
        until(&running, is(State::Failed)).await;
    }
    let begun = Instant::now();
    running.world.containers.end("cell.notes.web", 1);
    let mut services = running.reconciler.services.clone();
    for state in [State::Failed, State::Ok] {
        let reached = services.wait_for(|services| services[&id].state == state);
        drop(reached.await.unwrap());
    }
    assert!(begun.elapsed() < Duration::from_secs(10));
    let files = services.borrow()[&files()].clone();
    assert_eq!(files.state, State::Failed, "{files:?}");
    until(&running, is(State::Ok)).await;
    assert!(begun.elapsed() > Duration::from_secs(25));
}

#[tokio::test(start_paused = true)]
async fn service_that_ends_before_anybody_sees_it_run_has_the_same_pauses() {
    let running = Running::start(World::new(), desired(1, with_service()));
    until(&running, is(State::Ok)).await;
    running.world.containers.set_fleeting(true);
    running.world.containers.end(WEB, 1);
    until(&running, is(State::Failed)).await;
    let begun = Instant::now();
    let waits = |pause: &'static str| {
        move |status: Option<&ServiceStatus>| {
            status.is_some_and(|status| status.detail.contains(pause))
        }
    };
    until(&running, waits("again 16 s after")).await;
    // Pauses of 1, 2, 4 and 8 s, and a look after each.
    let took = begun.elapsed().as_secs();
    assert!((15..30).contains(&took), "{took}");
    running.world.containers.set_fleeting(false);
    until(&running, is(State::Ok)).await;
}

#[tokio::test(start_paused = true)]
async fn service_that_cannot_be_made_is_told_and_keeps_nobody_else() {
    let world = World::new();
    world.break_part(Part::Containers);
    let running = Running::start(world, desired(1, with_service()));
    let published = running.applied(1).await;
    assert_eq!(state(&published, Part::Firewall), State::Ok);
    let status = until(&running, is(State::Failed)).await.unwrap();
    assert_eq!(status.detail, "the fake is told to fail");
    running.world.mend();
    until(&running, is(State::Ok)).await;
}

#[tokio::test(start_paused = true)]
async fn podman_that_is_gone_makes_services_unknown_and_not_lost() {
    let running = Running::start(World::new(), desired(1, with_service()));
    until(&running, is(State::Ok)).await;
    running.world.containers.set_failing(true);
    until(&running, is(State::Unknown)).await;
    running.world.containers.set_failing(false);
    until(&running, is(State::Ok)).await;
}

#[tokio::test(start_paused = true)]
async fn service_that_was_started_anew_has_to_show_that_it_is_well() {
    let running = Running::start(World::new(), desired(1, with_service()));
    until(&running, is(State::Ok)).await;
    let spec = running.reconciler.published.borrow().spec.clone().unwrap();
    let containers = &running.world.containers;
    containers.set_unwell(true);
    containers
        .restart(&spec.containers.services[0])
        .await
        .unwrap();
    let status = until(&running, is(State::Pending)).await.unwrap();
    assert_eq!(status.detail, "web starts.");
    containers.set_unwell(false);
    until(&running, is(State::Ok)).await;
}
