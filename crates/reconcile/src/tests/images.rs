//! Images that come from a source.

use std::sync::Arc;
use std::time::Duration;

use cell_fetch::FetchError;
use cell_model::config::{Config, OriginConfig, PublisherKeys, Purpose, SourceConfig};
use cell_model::container::{ImageDigest, Registry};
use cell_model::status::{ServiceStatus, State};
use cell_plan::services;
use serde_json::json;
use sha2::{Digest, Sha256};
use tokio::time::Instant;

use super::running::{Running, config, desired};
use super::services::{files, files_of};
use super::world::World;

const PLACE: &str = "https://store.example.org/cell";

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
