//! Images that come from a source.

use std::sync::Arc;
use std::time::Duration;

use cell_fetch::FetchError;
use cell_model::config::{
    Config, NextConfig, OriginConfig, PublisherKeys, Purpose, ServiceConfig, SourceConfig,
};
use cell_model::container::{ImageDigest, Registry};
use cell_model::status::{NextStatus, ServiceStatus, State};
use cell_plan::services;
use serde_json::json;
use sha2::{Digest, Sha256};
use tokio::time::Instant;

use super::running::{Running, config, desired};
use super::services::{files, files_of};
use super::world::World;

const PLACE: &str = "https://store.example.org/cell";
const STICK: &str = "usb:services";

/// An image: its manifest, and what that names.
struct Image {
    digest: ImageDigest,
    blobs: Vec<(ImageDigest, Vec<u8>)>,
}

impl Image {
    fn new() -> Self {
        let config = b"{}".to_vec();
        let layer = vec![7; 300_000];
        let described = |bytes: &[u8]| json!({ "digest": digest(bytes), "size": bytes.len() });
        let manifest = json!({
            "schemaVersion": 2, "config": described(&config), "layers": [described(&layer)],
        });
        let manifest = manifest.to_string().into_bytes();
        let blobs = [manifest, config, layer].map(|bytes| (digest(&bytes), bytes));
        Self {
            digest: blobs[0].0,
            blobs: blobs.into(),
        }
    }

    fn size(&self) -> u64 {
        self.blobs.iter().map(|(_, bytes)| bytes.len() as u64).sum()
    }

    fn put(&self, world: &World) {
        for (digest, bytes) in &self.blobs {
            world.fetch.put(&place(digest), bytes);
        }
    }
}

fn digest(bytes: &[u8]) -> ImageDigest {
    ImageDigest::new(Sha256::digest(bytes).into())
}

fn place(digest: &ImageDigest) -> String {
    format!("{PLACE}/{}", digest.blob_path())
}

/// A box with the service from a source that has said `size`.
fn with_origin(image: &Image, size: u64, registry: Option<Registry>) -> Config {
    let mut config = config([2]);
    let source = SourceConfig {
        url: PLACE.parse().unwrap(),
        authorities: None,
        keys: PublisherKeys {
            version: 1,
            purpose: Purpose::Release,
            threshold: 2,
            keys: Vec::new(),
        },
    };
    config
        .services
        .sources
        .insert("friends".parse().unwrap(), source);
    let mut service = files_of(&image.digest);
    service.origin = Some(OriginConfig {
        source: "friends".parse().unwrap(),
        size,
        registry,
    });
    config.services.installed.insert(files(), Arc::new(service));
    config
}

async fn until(running: &Running, mut holds: impl FnMut(&ServiceStatus) -> bool) -> ServiceStatus {
    let mut services = running.reconciler.services.clone();
    let found = services.wait_for(|services| services.get(&files()).is_some_and(&mut holds));
    let found = tokio::time::timeout(Duration::from_secs(3_600), found);
    found.await.expect("within an hour").unwrap()[&files()].clone()
}

fn is_well(status: &ServiceStatus) -> bool {
    status.state == State::Ok && status.detail == "It runs, and is well."
}

async fn until_loaded(running: &Running, image: &Image) {
    while !running.world.containers.has(&image.digest) {
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn images_of_a_source_are_fetched_given_to_podman_and_not_kept() {
    let (image, world) = (Image::new(), World::new());
    image.put(&world);
    world.containers.set_next_image(image.digest);
    let running = Running::start(world, desired(1, with_origin(&image, image.size(), None)));
    until_loaded(&running, &image).await;
    until(&running, is_well).await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    let left = std::fs::read_dir(running.world.incoming.path()).unwrap();
    assert_eq!(left.count(), 0, "what podman has is not kept twice");
    let asked = running.world.fetch.asked();
    assert_eq!(asked.len(), 3, "manifest, config, layer, and each once");
}

#[tokio::test(start_paused = true)]
async fn stick_is_looked_for_until_it_is_there_and_soon_then() {
    let (image, world) = (Image::new(), World::new());
    world.fetch.fail(Some(FetchError::NoStick));
    let mut config = with_origin(&image, image.size(), None);
    let source = config.services.sources.values_mut().next().unwrap();
    source.url = STICK.parse().unwrap();
    let running = Running::start(world, desired(1, config));
    let is_told = |status: &ServiceStatus| status.detail.contains("no USB stick is plugged in");
    until(&running, is_told).await;
    tokio::time::sleep(Duration::from_secs(3_600)).await;
    let fetch = &running.world.fetch;
    for (digest, bytes) in &image.blobs {
        fetch.put(&format!("{STICK}/{}", digest.blob_path()), bytes);
    }
    running.world.containers.set_next_image(image.digest);
    fetch.fail(None);
    let begun = Instant::now();
    until_loaded(&running, &image).await;
    assert!(begun.elapsed() < Duration::from_secs(30));
}

#[tokio::test(start_paused = true)]
async fn what_has_come_is_not_fetched_again_and_what_is_wrong_is() {
    let (image, world) = (Image::new(), World::new());
    image.put(&world);
    let layer = &image.blobs[2];
    let mut wrong = layer.1.clone();
    wrong[299_999] = 8;
    world.fetch.put(&place(&layer.0), &wrong);
    world.containers.set_next_image(image.digest);
    let running = Running::start(world, desired(1, with_origin(&image, image.size(), None)));
    let status = until(&running, |status| status.detail.contains("was altered")).await;
    assert!(
        status.detail.contains("tried again after 10 s"),
        "{status:?}"
    );
    assert!(!running.world.containers.has(&image.digest));
    let before = running.world.fetch.asked().len();

    // Half of it is there from before.
    let half = running.world.incoming.path().join("files");
    let half = half.join(layer.0.blob_path()).with_extension("part");
    std::fs::write(half, &layer.1[..150_000]).unwrap();
    running.world.fetch.put(&place(&layer.0), &layer.1);
    until_loaded(&running, &image).await;
    let asked = running.world.fetch.asked();
    let mut anew = asked[before..]
        .iter()
        .filter(|command| command.url.to_string() == place(&layer.0));
    assert_eq!(
        anew.next().unwrap().parts,
        std::slice::from_ref(&(150_000..300_000)),
        "what was missing"
    );
    assert!(anew.next().is_none());
    assert!(
        !asked[before..]
            .iter()
            .any(|command| command.url.to_string() == place(&image.digest))
    );
}

#[tokio::test(start_paused = true)]
async fn what_is_larger_than_its_source_said_is_not_fetched() {
    let (image, world) = (Image::new(), World::new());
    image.put(&world);
    let running = Running::start(
        world,
        desired(1, with_origin(&image, image.size() - 1, None)),
    );
    until(&running, |status| {
        status.detail.contains("their source has said")
    })
    .await;
    let asked = running.world.fetch.asked();
    assert!(
        asked
            .iter()
            .all(|command| command.url.to_string() == place(&image.digest))
    );
}

#[tokio::test(start_paused = true)]
async fn server_that_gives_nothing_is_asked_again_ever_more_rarely() {
    let (image, world) = (Image::new(), World::new());
    world.fetch.fail(Some(FetchError::Status(503)));
    let running = Running::start(world, desired(1, with_origin(&image, image.size(), None)));
    let begun = Instant::now();
    let status = until(&running, |status| status.detail.contains("after 40 s")).await;
    assert!(
        status.detail.contains("it answers with status 503"),
        "{status:?}"
    );
    assert!(begun.elapsed() >= Duration::from_secs(30));
    assert_eq!(running.world.fetch.asked().len(), 3);
    // Other settings are tried at once, and no service is asked for no more.
    running.world.fetch.fail(None);
    image.put(&running.world);
    running.world.containers.set_next_image(image.digest);
    running.change(2, with_origin(&image, image.size() + 1, None));
    let begun = Instant::now();
    until_loaded(&running, &image).await;
    assert!(begun.elapsed() < Duration::from_secs(10));
}

#[tokio::test(start_paused = true)]
async fn other_settings_end_the_pause_of_what_did_not_come() {
    let (image, world) = (Image::new(), World::new());
    world.fetch.fail(Some(FetchError::Status(503)));
    let running = Running::start(world, desired(1, with_next(&image)));
    let is_late = |status: &NextStatus| status.detail.contains("after 80 s");
    until_next(&running, is_late).await;
    running.world.fetch.fail(None);
    image.put(&running.world);
    running.world.containers.set_next_image(image.digest);
    let begun = Instant::now();
    running.change(2, with_next(&image));
    until_next(&running, |status| status.state == State::Ok).await;
    assert!(begun.elapsed() < Duration::from_secs(10));
}

/// A box with a service that is to become one of this image.
fn with_next(image: &Image) -> Config {
    let mut config = with_origin(image, image.size(), None);
    let next = ServiceConfig::clone(&config.services.installed[&files()]);
    let mut service = files_of(&digest(b"the image of before"));
    service.next = Some(NextConfig {
        manifest: next.manifest,
        origin: next.origin,
    });
    config.services.installed.insert(files(), Arc::new(service));
    config
}

async fn until_next(running: &Running, mut holds: impl FnMut(&NextStatus) -> bool) -> NextStatus {
    let mut next = running.reconciler.next.clone();
    let found = next.wait_for(|next| next.get(&files()).is_some_and(&mut holds));
    let found = tokio::time::timeout(Duration::from_secs(3_600), found);
    found.await.expect("within an hour").unwrap()[&files()].clone()
}

#[tokio::test(start_paused = true)]
async fn service_goes_on_as_it_is_while_its_next_version_is_fetched() {
    let (image, world) = (Image::new(), World::new());
    world.fetch.fail(Some(FetchError::Status(503)));
    let running = Running::start(world, desired(1, with_next(&image)));
    until(&running, is_well).await;
    let status = until_next(&running, |status| status.state == State::Failed).await;
    assert_eq!(status.images, [image.digest].into());
    assert!(
        status
            .detail
            .starts_with("The next version could not be fetched: ")
            && status.detail.ends_with("tried again after 10 s."),
        "{status:?}"
    );
    assert!(!status.obstacle.unwrap().is_network);
    let services = running.reconciler.services.borrow().clone();
    assert!(is_well(&services[&files()]), "{services:?}");

    running.world.done();
    running.world.fetch.fail(None);
    image.put(&running.world);
    running.world.containers.set_next_image(image.digest);
    until_next(&running, |status| status.state == State::Ok).await;
    assert!(running.world.containers.has(&image.digest));
    let services = running.reconciler.services.borrow().clone();
    assert!(is_well(&services[&files()]), "{services:?}");
    assert!(running.world.done().is_empty(), "nothing was touched");

    // Nobody wants it any more.
    let mut config = with_next(&image);
    let service = config.services.installed.get_mut(&files()).unwrap();
    Arc::make_mut(service).next = None;
    running.change(2, config);
    let mut next = running.reconciler.next.clone();
    next.wait_for(|next| next.is_empty()).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn next_version_of_the_box_is_here_once_podman_has_it_and_what_it_needs() {
    let (next, needed) = (digest(b"the next image"), digest(b"one that is needed"));
    let mut config = config([2]);
    let mut service = files_of(&digest(b"the image of before"));
    let manifest = files_of(&next).manifest;
    service.next = Some(NextConfig {
        manifest: manifest.replace("release = 1", "release = 2\nrequires = [\"notes\"]"),
        origin: None,
    });
    let mut notes = files_of(&needed);
    notes.manifest = notes.manifest.replace("\"files\"", "\"notes\"");
    (notes.data.slot, notes.data.number, notes.data.lasting) = (2, 3, 4);
    let installed = &mut config.services.installed;
    installed.insert("notes".parse().unwrap(), Arc::new(notes));
    installed.insert(files(), Arc::new(service));
    let world = World::new();
    world.containers.put_image(next);
    let running = Running::start(world, desired(1, config));
    let status = until_next(&running, |_| true).await;
    assert_eq!(status.state, State::Pending);
    assert_eq!(
        status.detail,
        "The next version waits for notes, which it needs."
    );
    running.world.containers.put_image(needed);
    until_next(&running, |status| status.state == State::Ok).await;
}

#[tokio::test(start_paused = true)]
async fn next_version_comes_where_the_image_of_before_is_not_had_any_more() {
    let (image, world) = (Image::new(), World::new());
    image.put(&world);
    world.containers.set_next_image(image.digest);
    let mut config = with_next(&image);
    let service = config.services.installed.get_mut(&files()).unwrap();
    let service = Arc::make_mut(service);
    service.origin = service.next.as_ref().unwrap().origin.clone();
    let running = Running::start(world, desired(1, config));
    until_next(&running, |status| status.state == State::Ok).await;
}

#[tokio::test(start_paused = true)]
async fn next_version_that_nobody_has_is_told_and_a_broken_line_is_told_from_a_refusal() {
    let (image, world) = (Image::new(), World::new());
    let name = "store.example.org".to_owned();
    world.fetch.fail(Some(FetchError::Name(name)));
    let running = Running::start(world, desired(1, with_next(&image)));
    let status = until_next(&running, |status| status.state == State::Failed).await;
    assert!(status.obstacle.unwrap().is_network);

    let mut config = with_next(&image);
    config.services.sources.clear();
    running.change(2, config);
    let status = until_next(&running, |status| status.detail.contains("no place")).await;
    assert_eq!(status.state, State::Failed);
    assert!(!status.obstacle.unwrap().is_network);
}

#[tokio::test(start_paused = true)]
async fn images_that_nobody_needs_go_a_while_after_and_those_that_may_be_needed_stay() {
    let (before, image) = (digest(b"the image of before"), Image::new());
    let (stopped, proxy) = (digest(b"that of a stopped one"), digest(b"of nobody"));
    let (world, mut config) = (World::new(), with_next(&image));
    for digest in [before, image.digest, stopped, proxy] {
        world.containers.put_image(digest);
    }
    let mut notes = files_of(&stopped);
    notes.manifest = notes.manifest.replace("\"files\"", "\"notes\"");
    notes.enabled = false;
    let id = "notes".parse().unwrap();
    config.services.installed.insert(id, Arc::new(notes));
    let running = Running::start(world, desired(1, config.clone()));
    until(&running, is_well).await;
    let containers = &running.world.containers;
    tokio::time::sleep(Duration::from_secs(50)).await;
    assert!(containers.has(&proxy), "not at once");
    // What does not go is tried again, and podman that is away for a while is waited for.
    containers.set_failing(true);
    tokio::time::sleep(Duration::from_secs(60)).await;
    containers.set_failing(false);
    tokio::time::sleep(Duration::from_secs(700)).await;
    assert!(!containers.has(&proxy));
    for needed in [before, image.digest, stopped] {
        assert!(containers.has(&needed), "{needed}");
    }
    // The last service goes.
    config.services.installed.clear();
    running.change(2, config.clone());
    tokio::time::sleep(Duration::from_secs(120)).await;
    for gone in [before, image.digest, stopped] {
        assert!(!containers.has(&gone), "{gone}");
    }
    // It comes again: what was there is not thought to be there still.
    image.put(&running.world);
    containers.set_next_image(image.digest);
    running.change(3, with_origin(&image, image.size(), None));
    until_loaded(&running, &image).await;
}

#[tokio::test(start_paused = true)]
async fn images_stay_while_not_all_that_are_needed_are_known() {
    let (world, mut config) = (World::new(), with_origin(&Image::new(), 1, None));
    let strange = digest(b"of nobody");
    world.containers.put_image(strange);
    let service = config.services.installed.get_mut(&files()).unwrap();
    Arc::make_mut(service).manifest = "schema = 9".to_owned();
    let running = Running::start(world, desired(1, config));
    tokio::time::sleep(Duration::from_secs(3_600)).await;
    assert!(running.world.containers.has(&strange));
}

#[test]
fn images_are_asked_for_where_the_source_has_them() {
    let image = Image::new();
    let registry = Registry::new("registry.example.org", "cell/files").unwrap();
    for (registry, expected) in [
        (None, place(&image.digest)),
        (
            Some(registry),
            format!(
                "https://registry.example.org/v2/cell/files/blobs/{}",
                image.digest
            ),
        ),
    ] {
        let config = with_origin(&image, 1, registry);
        let origins = services::of(&config, None).containers.origins;
        assert_eq!(origins[&files()].blob(&image.digest).to_string(), expected);
    }
    // A source that is none any more is not asked.
    let mut config = with_origin(&image, 1, None);
    config.services.sources.clear();
    assert!(services::of(&config, None).containers.origins.is_empty());
}
