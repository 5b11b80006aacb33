//! A publisher with a folder on a server, and a box that asks it.

use cell_catalogue::{Entry, Index};
use cell_control::action::{Action, Outcome};
use cell_control::caller::Caller;
use cell_control::change::{Change, ServiceForm};
use cell_control::query::{Offers, Range, Sources};
use cell_control::view::{OfferView, RefreshState, SourceView};
use cell_fetch::FetchError;
use cell_model::Timestamp;
use cell_model::container::ImageDigest;
use cell_model::name::ServiceId;
use cell_packages::INDEX_TYPE;
use cell_signed::{Envelope, KeyList, Purpose, SigningKey};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::home::{Home, code};
use crate::sources::{offer, refuse_stranger};

const PLACE: &str = "https://store.example.org/cell";
const IMAGE: &str = "web@sha256:0011223344556677889900112233445566778899001122334455667788990011";

struct Publisher {
    lists: Vec<(KeyList, Vec<SigningKey>)>,
}

fn keys() -> Vec<SigningKey> {
    let key = || SigningKey::from_pkcs8(SigningKey::generate().unwrap().expose()).unwrap();
    std::iter::repeat_with(key).take(3).collect()
}

fn list(version: u64, keys: &[SigningKey]) -> KeyList {
    KeyList {
        version,
        purpose: Purpose::Release,
        threshold: 2,
        keys: keys.iter().map(SigningKey::public).collect(),
    }
}

fn manifest(id: &str, release: u32) -> String {
    format!(
        "schema = 1\nid = \"{id}\"\nname = \"The {id}\"\nsummary = \"A\"\nversion = \"{release}\"\nrelease = {release}\n\
         [[container]]\nname = \"web\"\nimage = \"{IMAGE}\"\nmemory_mib = 64\ncpu_percent = 10\nprocesses = 8\n\
         health = {{ port = 80 }}\n"
    )
}

fn entry(id: &str, release: u32) -> Entry {
    let bytes = manifest(id, release);
    Entry {
        id: id.parse().unwrap(),
        name: format!("The {id}"),
        summary: "A".to_owned(),
        version: release.to_string(),
        release,
        requires: Default::default(),
        manifest: ImageDigest::new(Sha256::digest(bytes.as_bytes()).into()),
        images: vec![IMAGE.parse().unwrap()],
        size: 1_000,
        registry: None,
    }
}

fn index(version: u64, services: Vec<Entry>) -> Index {
    Index {
        schema: Index::SCHEMA,
        version,
        expires: Timestamp::now() + std::time::Duration::from_secs(24 * 60 * 60),
        services,
    }
}

impl Publisher {
    fn new() -> Self {
        let keys = keys();
        Self {
            lists: vec![(list(1, &keys), keys)],
        }
    }

    fn given(&self) -> Value {
        serde_json::to_value(&self.lists[0].0).unwrap()
    }

    /// Signed by so many of the keys that count now.
    fn sealed(&self, index: &Index, signers: usize) -> Vec<u8> {
        let (_, keys) = self.lists.last().unwrap();
        let payload = serde_json::to_vec(index).unwrap();
        let envelope = Envelope::seal(INDEX_TYPE, payload, &keys[..signers]);
        serde_json::to_vec(&envelope).unwrap()
    }

    fn rotate(&mut self) {
        let version = self.lists.len() as u64 + 1;
        let keys = keys();
        self.lists.push((list(version, &keys), keys));
    }

    fn chain(&self) -> Vec<u8> {
        let pairs = self.lists.windows(2);
        let chain: Vec<Envelope> = pairs
            .map(|pair| pair[1].0.seal(&pair[0].1).unwrap())
            .collect();
        serde_json::to_vec(&chain).unwrap()
    }

    fn publish(&self, home: &Home, index: &Index) {
        for entry in &index.services {
            let text = manifest(entry.id.as_str(), entry.release);
            let place = format!("{PLACE}/{}/service.toml", entry.id);
            home.fetch.put(&place, text.as_bytes());
        }
        put(home, "index.json", &self.sealed(index, 2));
        if self.lists.len() > 1 {
            put(home, "keys.json", &self.chain());
        }
    }
}

fn put(home: &Home, file: &str, bytes: &[u8]) {
    home.fetch.put(&format!("{PLACE}/{file}"), bytes);
}

async fn set(home: &Home, sources: Value) {
    let services = json!({ "network": "172.20.0.0/16", "sources": sources });
    home.settings(json!({ "services": services }))
        .await
        .unwrap();
}

async fn with(publisher: &Publisher) -> Home {
    let home = Home::set_up().await;
    let source = json!({ "url": PLACE, "keys": publisher.given() });
    set(&home, json!({ "friends": source })).await;
    home
}

async fn refresh(home: &Home) -> SourceView {
    match home.core.act(&Caller::local(), Action::RefreshStore).await {
        Ok(Outcome::Refreshed(mut refreshed)) => refreshed.items.remove(0),
        other => panic!("{other:?}"),
    }
}

async fn refused(home: &Home, code: &str) -> SourceView {
    let view = refresh(home).await;
    assert_eq!(
        (view.state, view.code.as_deref()),
        (RefreshState::Failed, Some(code)),
        "{view:?}"
    );
    view
}

/// What is known of the only source, without asking it.
async fn known(home: &Home) -> SourceView {
    let before = home.fetch.asked().len();
    let page = cell_control::ask(&*home.core, &Caller::local(), Sources).await;
    assert_eq!(home.fetch.asked().len(), before, "nobody is asked");
    page.unwrap().items.remove(0)
}

async fn offers(home: &Home) -> Vec<OfferView> {
    let asked = Offers {
        range: Range::default(),
    };
    cell_control::ask(&*home.core, &Caller::local(), asked)
        .await
        .unwrap()
        .items
}

#[tokio::test]
async fn what_a_source_has_signed_is_offered_and_stays_so_after_a_restart() {
    let publisher = Publisher::new();
    let home = with(&publisher).await;
    publisher.publish(
        &home,
        &index(1, vec![entry("photos", 3), entry("notes", 1)]),
    );
    let view = refresh(&home).await;
    assert_eq!((view.state, view.code), (RefreshState::Ok, None));
    assert_eq!((view.version, view.services), (Some(1), Some(2)));
    let offered = offers(&home).await;
    assert_eq!(offered.len(), 2);
    let source = offered[1].source.as_ref().map(|source| source.as_str());
    assert_eq!(
        (offered[1].id.as_str(), source),
        ("photos", Some("friends"))
    );
    // What did not change is not fetched again.
    let before = home.fetch.asked().len();
    publisher.publish(
        &home,
        &index(2, vec![entry("photos", 3), entry("notes", 2)]),
    );
    assert_eq!(refresh(&home).await.version, Some(2));
    assert_eq!(
        home.fetch.asked().len() - before,
        3,
        "keys, index, one manifest"
    );

    let home = home.restart().await;
    assert_eq!(offers(&home).await.len(), 2);
    publisher.publish(&home, &index(1, vec![entry("photos", 3)]));
    let view = refused(&home, "catalogue_rolled_back").await;
    assert_eq!(view.version, Some(2), "what was known stays");
    // The owner trusts somebody else: nothing of before counts.
    let other = Publisher::new();
    set(
        &home,
        json!({ "friends": { "url": PLACE, "keys": other.given() } }),
    )
    .await;
    assert!(offers(&home).await.is_empty());
    refused(&home, "catalogue_not_signed").await;
    other.publish(&home, &index(1, vec![entry("photos", 1)]));
    assert_eq!(refresh(&home).await.version, Some(1));
}

#[tokio::test]
async fn what_is_known_of_a_source_is_told_without_asking_it() {
    let publisher = Publisher::new();
    let home = with(&publisher).await;
    let view = known(&home).await;
    assert_eq!(
        (view.state, view.asked, view.version),
        (RefreshState::Unasked, None, None)
    );
    publisher.publish(&home, &index(1, vec![entry("photos", 1)]));
    let refreshed = refresh(&home).await;
    assert!(refreshed.asked.is_some());
    assert_eq!(known(&home).await, refreshed);
    put(&home, "index.json", b"<html>");
    let refreshed = refresh(&home).await;
    assert_eq!(refreshed.code.as_deref(), Some("catalogue_unreadable"));
    assert_eq!(known(&home).await, refreshed);

    // What was taken outlives a restart, what was answered does not.
    let home = home.restart().await;
    let view = known(&home).await;
    assert_eq!(
        (view.state, view.asked, view.version),
        (RefreshState::Unasked, None, Some(1))
    );
    publisher.publish(&home, &index(2, vec![entry("photos", 1)]));
    assert_eq!(refresh(&home).await.state, RefreshState::Ok);
    home.let_pass(std::time::Duration::from_secs(25 * 60 * 60));
    let view = known(&home).await;
    let code = view.code.as_deref();
    assert_eq!(
        (view.state, code),
        (RefreshState::Failed, Some("catalogue_expired"))
    );
    assert_eq!((view.version, view.services), (None, None));

    // At another address it is another source, of which nothing was heard.
    let source = json!({ "url": "https://elsewhere.example/", "keys": publisher.given() });
    set(&home, json!({ "friends": source })).await;
    assert_eq!(known(&home).await.state, RefreshState::Unasked);
}

#[tokio::test]
async fn what_came_from_a_source_is_told_with_it() {
    let publisher = Publisher::new();
    let home = with(&publisher).await;
    publisher.publish(
        &home,
        &index(1, vec![entry("photos", 1), entry("notes", 1)]),
    );
    refresh(&home).await;
    for id in ["photos", "notes"] {
        let form = ServiceForm {
            id: id.parse().unwrap(),
            answers: Default::default(),
        };
        home.submit(Change::InstallService(form)).await.unwrap();
    }
    let removal = Change::RemoveService {
        id: "notes".parse().unwrap(),
        delete_data: false,
    };
    home.submit(removal).await.unwrap();
    let view = known(&home).await;
    let names = |ids: &std::collections::BTreeSet<ServiceId>| {
        let names = ids.iter().map(ToString::to_string);
        names.collect::<Vec<_>>()
    };
    assert_eq!(names(&view.installed), ["photos"]);
    assert_eq!(names(&view.kept_data), ["notes"]);
}

#[tokio::test]
async fn each_refusal_has_its_own_word_and_changes_nothing() {
    let publisher = Publisher::new();
    let home = with(&publisher).await;
    let good = index(5, vec![entry("photos", 3)]);
    publisher.publish(&home, &good);
    assert_eq!(refresh(&home).await.state, RefreshState::Ok);
    let newer = |schema| Index {
        schema,
        ..good.clone()
    };
    let expired = Index {
        expires: Timestamp::now() - std::time::Duration::from_secs(1),
        ..good.clone()
    };
    let twice = index(6, vec![entry("photos", 3), entry("photos", 3)]);
    let whole = publisher.sealed(&good, 2);
    for (bytes, code) in [
        (publisher.sealed(&good, 1), "catalogue_not_signed"),
        (Publisher::new().sealed(&good, 3), "catalogue_not_signed"),
        (publisher.sealed(&expired, 2), "catalogue_expired"),
        (
            publisher.sealed(&index(4, Vec::new()), 2),
            "catalogue_rolled_back",
        ),
        (publisher.sealed(&newer(2), 2), "catalogue_too_new"),
        (publisher.sealed(&twice, 2), "catalogue_invalid"),
        (vec![b' '; Index::MAX_BYTES + 1], "catalogue_too_large"),
        (whole[..whole.len() / 2].to_vec(), "catalogue_unreadable"),
        (b"<html>".to_vec(), "catalogue_unreadable"),
    ] {
        put(&home, "index.json", &bytes);
        let view = refused(&home, code).await;
        assert_eq!((view.version, view.services), (Some(5), Some(1)), "{code}");
        assert!(
            view.detail.ends_with("What was known of it stays."),
            "{view:?}"
        );
    }
    publisher.publish(&home, &index(6, vec![entry("photos", 4)]));
    put(
        &home,
        "photos/service.toml",
        manifest("photos", 5).as_bytes(),
    );
    refused(&home, "manifest_altered").await;
    let place = || "store.example.org".to_owned();
    for (error, code) in [
        (FetchError::Name(place()), "source_unknown"),
        (
            FetchError::Unreachable(place(), "no answer".to_owned()),
            "source_unreachable",
        ),
        (
            FetchError::Untrusted(place(), "bad certificate".to_owned()),
            "source_untrusted",
        ),
        (FetchError::Stalled(place()), "source_too_slow"),
        (
            FetchError::Redirected("https://elsewhere.example/".to_owned()),
            "source_redirects",
        ),
        (FetchError::Status(403), "source_refuses"),
        (FetchError::Cut, "source_incomplete"),
        (FetchError::NoSize, "source_garbled"),
    ] {
        home.fetch.fail(Some(error));
        refused(&home, code).await;
    }
    home.fetch.fail(None);
    assert_eq!(offers(&home).await[0].release, 3);
    home.let_pass(std::time::Duration::from_secs(25 * 60 * 60));
    assert!(offers(&home).await.is_empty(), "until it expires");
}

#[tokio::test]
async fn keys_are_replaced_by_those_who_have_the_old_ones_and_by_nobody_else() {
    let mut publisher = Publisher::new();
    let home = with(&publisher).await;
    publisher.rotate();
    let first = index(1, vec![entry("photos", 1)]);
    put(&home, "index.json", &publisher.sealed(&first, 2));
    refused(&home, "catalogue_not_signed").await;
    publisher.rotate();
    publisher.publish(&home, &first);
    assert_eq!(refresh(&home).await.state, RefreshState::Ok);
    // The old keys count no more, even for who shows no new ones.
    let (lists, chain) = (publisher.lists.split_off(1), publisher.chain());
    put(
        &home,
        "index.json",
        &publisher.sealed(&index(2, Vec::new()), 3),
    );
    refused(&home, "catalogue_not_signed").await;
    put(&home, "keys.json", &chain);
    refused(&home, "catalogue_not_signed").await;
    let home = home.restart().await;
    put(
        &home,
        "index.json",
        &publisher.sealed(&index(2, Vec::new()), 3),
    );
    refused(&home, "catalogue_not_signed").await;
    // Somebody else's next list.
    let stranger = keys();
    let forged = list(4, &stranger).seal(&keys()).unwrap();
    put(&home, "keys.json", &serde_json::to_vec(&[forged]).unwrap());
    refused(&home, "catalogue_keys").await;
    publisher.lists.extend(lists);
    publisher.publish(&home, &index(2, vec![entry("photos", 2)]));
    assert_eq!(refresh(&home).await.version, Some(2));
}

#[tokio::test]
async fn manifest_that_the_box_does_not_take_is_not_offered_and_the_others_are() {
    let publisher = Publisher::new();
    let home = with(&publisher).await;
    let mut other = entry("notes", 1);
    other.release = 7;
    publisher.publish(&home, &index(1, vec![entry("photos", 1), other]));
    // The catalogue says another release than the manifest that it names.
    put(&home, "notes/service.toml", manifest("notes", 1).as_bytes());
    let view = refresh(&home).await;
    assert_eq!((view.state, view.services), (RefreshState::Ok, Some(1)));
    assert!(view.detail.contains("one service"), "{view:?}");
    assert_eq!(offers(&home).await.len(), 1);
}

#[tokio::test]
async fn highest_release_of_all_sources_is_offered_and_takes_nothing_over() {
    let (one, other) = (Publisher::new(), Publisher::new());
    let home = with(&one).await;
    let source =
        |publisher: &Publisher, url: &str| json!({ "url": url, "keys": publisher.given() });
    one.publish(&home, &index(1, vec![entry("photos", 2)]));
    let both = json!({
        "friends": source(&one, PLACE), "others": source(&other, "https://other.example.org"),
    });
    set(&home, both.clone()).await;
    let text = manifest("photos", 9);
    home.fetch.put(
        "https://other.example.org/photos/service.toml",
        text.as_bytes(),
    );
    let sealed = other.sealed(&index(1, vec![entry("photos", 9)]), 2);
    home.fetch
        .put("https://other.example.org/index.json", &sealed);
    refresh(&home).await;
    let best = &offers(&home).await[0];
    assert_eq!(
        (best.release, best.source.as_ref().unwrap().as_str()),
        (9, "others")
    );

    // Kept from one source, it is not given to the other.
    let config = home.config();
    let library = home.core.library().unwrap();
    let id = "photos".parse().unwrap();
    let mut services = config.services.clone();
    let data = services.data_for(&id).unwrap();
    services.kept.insert(id.clone(), data);
    services
        .kept_from
        .insert(id.clone(), "friends".parse().unwrap());
    let chosen = offer(&library, &services, &id).unwrap();
    assert_eq!(
        chosen.manifest.release, 2,
        "what there is belongs to friends"
    );
    refuse_stranger(&services, &chosen).unwrap();
    let best = library.offer(&id).unwrap();
    let problem = refuse_stranger(&services, &best).unwrap_err();
    assert_eq!(
        (problem.status, problem.code.as_ref()),
        (409, "service_of_another_source")
    );
    // As is what the box's own image has installed.
    services.kept_from.clear();
    assert!(refuse_stranger(&services, &best).is_err());
}

#[tokio::test]
async fn nobody_but_admins_has_sources_asked() {
    let home = with(&Publisher::new()).await;
    let helper = home.somebody(cell_model::account::Role::Helper);
    let refused = home.core.act(&helper, Action::RefreshStore).await;
    assert_eq!(code(refused), (403, "wrong_role".to_owned()));
    // Nothing is known of a source that was not asked.
    let form = ServiceForm {
        id: "photos".parse().unwrap(),
        answers: Default::default(),
    };
    let refused = home.submit(Change::InstallService(form)).await;
    assert_eq!(code(refused), (404, "not_found".to_owned()));
}
