//! Services come, change and go, as far as the config says so.

use cell_control::change::Change;
use cell_model::config::{DataConfig, FailedUpdateConfig};

use super::*;
use crate::edit::{apply, sample};

const DIGEST: &str = "sha256:0011223344556677889900112233445566778899001122334455667788990011";

fn offer(id: &str, head: &str, rest: &str) -> Offer {
    let text = format!(
        "schema = 1\nid = \"{id}\"\nname = \"The {id}\"\nsummary = \"A\"\nversion = \"1\"\nrelease = 1\n{head}\n\
         [[container]]\nname = \"web\"\nimage = \"a@{DIGEST}\"\nmemory_mib = 64\ncpu_percent = 10\nprocesses = 8\n\
         health = {{ port = 80 }}\n{rest}"
    );
    Offer {
        manifest: Manifest::parse(text.as_bytes()).unwrap(),
        text,
        origin: None,
    }
}

fn files() -> Offer {
    let rest = "[[route]]\nhost = \"files\"\nbackend = \"web:80\"\n[[setting]]\nkey = \"size\"\nlabel = \"Size\"\n\
                kind = \"number\"\nmin = 1\nmax = 9\ndefault = 3\n";
    offer("files", "", rest)
}

fn id(text: &str) -> ServiceId {
    text.parse().unwrap()
}

fn with(offers: &[Offer]) -> Config {
    let config = sample::with_peers(&[]);
    install(&config, offers, &BTreeMap::new()).unwrap().config
}

fn submit(config: &Config, change: &Change) -> Result<Edit, Problem> {
    sample::with_context(|context| apply(config, change, context))
}

fn removed(config: &Config, name: &str, delete_data: bool) -> Result<Edit, Problem> {
    let id = id(name);
    submit(config, &Change::RemoveService { id, delete_data })
}

#[test]
fn what_a_service_needs_is_installed_with_it_and_cannot_go_before_it() {
    let photos = offer("photos", "requires = [\"files\"]", "");
    let config = sample::with_peers(&[]);
    let edit = install(&config, &[files(), photos], &BTreeMap::new()).unwrap();
    assert_eq!(edit.summary, "Installed The photos, and The files with it");
    let slots: Vec<u16> = edit
        .config
        .services
        .installed
        .values()
        .map(|one| one.data.slot)
        .collect();
    assert_eq!(slots, [1, 2]);

    let refused = removed(&edit.config, "files", false).unwrap_err();
    assert_eq!(
        (refused.status, refused.code.as_ref()),
        (409, "service_needed")
    );
    assert!(
        refused
            .detail
            .contains("The photos cannot do without The files"),
        "{refused:?}"
    );
    let stop = Change::ChangeService {
        id: id("files"),
        update: ServiceUpdate {
            enabled: Some(false),
            ..ServiceUpdate::default()
        },
    };
    let problem = submit(&edit.config, &stop).unwrap_err();
    assert_eq!(problem.code, "service_needed");
    assert!(problem.detail.ends_with("Stop it first."), "{problem}");

    let config = removed(&edit.config, "photos", false).unwrap().config;
    let config = submit(&config, &stop).unwrap().config;
    assert!(!config.services.installed[&id("files")].enabled);
    assert!(services::of(&config, None).containers.services.is_empty());
    let config = removed(&config, "files", true).unwrap().config;
    assert!(config.services.installed.is_empty());
    let photos = DataConfig {
        slot: 2,
        number: 3,
        lasting: 4,
    };
    assert_eq!(
        config.services.kept,
        BTreeMap::from([(id("photos"), photos)])
    );
    let discarded = BTreeMap::from([(id("files"), [1, 2].into())]);
    assert_eq!(config.services.discarded, discarded);
}

#[test]
fn data_that_was_kept_is_found_again_or_deleted_later() {
    let config = removed(&with(&[files()]), "files", false).unwrap().config;
    let again = install(&config, &[offer("a", "", "")], &BTreeMap::new())
        .unwrap()
        .config;
    let again = install(&again, &[files()], &BTreeMap::new())
        .unwrap()
        .config;
    let data = DataConfig {
        slot: 1,
        number: 1,
        lasting: 2,
    };
    assert_eq!(again.services.installed[&id("files")].data, data);
    assert!(again.services.kept.is_empty());

    let deleted = removed(&config, "files", true).unwrap();
    assert_eq!(deleted.summary, "Deleted the data of files");
    assert!(deleted.config.services.discarded.contains_key(&id("files")));
    assert_eq!(
        removed(&deleted.config, "files", true).unwrap_err().status,
        404
    );
    let back = install(&deleted.config, &[files()], &BTreeMap::new())
        .unwrap()
        .config;
    // What is new has another number: what is deleted stays deleted, and takes nothing new along.
    assert_eq!(back.services.installed[&id("files")].data.number, 3);
    assert_eq!(back.services.discarded[&id("files")], [1, 2].into());
}

#[test]
fn answers_are_those_the_manifest_takes() {
    let config = with(&[files()]);
    let change = |key: &str, answer: Option<SettingValue>| {
        let answers = BTreeMap::from([(key.parse().unwrap(), answer)]);
        let update = ServiceUpdate {
            answers,
            ..ServiceUpdate::default()
        };
        submit(
            &config,
            &Change::ChangeService {
                id: id("files"),
                update,
            },
        )
    };
    let edit = change("size", Some(SettingValue::Number(7))).unwrap();
    assert_eq!(edit.summary, "Changed the settings of The files");
    for (key, answer) in [
        ("size", Some(SettingValue::Number(10))),
        ("size", Some(SettingValue::Switch(true))),
        ("other", Some(SettingValue::Number(1))),
        ("other", None),
    ] {
        let refused = change(key, answer).unwrap_err();
        assert_eq!(refused.status, 400, "{refused:?}");
    }
    let none = Change::ChangeService {
        id: id("moon"),
        update: ServiceUpdate::default(),
    };
    assert_eq!(submit(&config, &none).unwrap_err().status, 404);
    let answers = BTreeMap::from([("size".parse().unwrap(), SettingValue::Number(0))]);
    let refused = install(&sample::with_peers(&[]), &[files()], &answers).unwrap_err();
    assert_eq!(refused.status, 400);
}

fn published(published: bool) -> Change {
    Change::ChangeService {
        id: id("files"),
        update: ServiceUpdate {
            published: Some(published),
            ..ServiceUpdate::default()
        },
    }
}

#[test]
fn service_is_open_to_the_internet_until_it_is_closed_removed_or_was_not() {
    let before = with(&[files()]);
    let is_open = |config: &Config| config.services.installed[&id("files")].published;
    assert!(!is_open(&before));
    let opened = submit(&before, &published(true)).unwrap();
    assert_eq!(opened.summary, "Opened The files to the internet");
    let open = opened.config;
    assert!(is_open(&open));
    let closed = submit(&open, &published(false)).unwrap();
    assert_eq!(closed.summary, "Closed The files to the internet");
    assert!(!is_open(&closed.config));

    // Other answers leave it as it is.
    let none = Change::ChangeService {
        id: id("files"),
        update: ServiceUpdate::default(),
    };
    assert!(is_open(&submit(&open, &none).unwrap().config));
    let gone = removed(&open, "files", false).unwrap().config;
    let again = install(&gone, &[files()], &BTreeMap::new()).unwrap();
    assert!(!is_open(&again.config));
    let back = crate::edit::restore(&open, before, 1, &BTreeMap::new());
    assert!(!is_open(&back.config));
}

#[test]
fn update_leaves_a_service_open_and_keeps_nobody_from_closing_it() {
    let open = submit(&with(&[files()]), &published(true)).unwrap().config;
    let text = files().text.replace("release = 1", "release = 2");
    let newer = Offer {
        manifest: Manifest::parse(text.as_bytes()).unwrap(),
        text,
        origin: None,
    };
    let updated = update(&open, &[newer]).unwrap().config;
    assert!(updated.services.installed[&id("files")].published);
    let refused = submit(&updated, &published(true)).unwrap_err();
    assert_eq!(refused.code, "service_updating");
    let closed = submit(&updated, &published(false)).unwrap().config;
    assert!(!closed.services.installed[&id("files")].published);
    for (config, stays) in [(&updated, true), (&closed, false)] {
        let back = take_back_update(config, &id("files"), "It ended.").unwrap();
        let service = &back.config.services.installed[&id("files")];
        assert_eq!(service.published, stays);
    }
}

#[test]
fn update_of_what_is_reached_by_ports_leaves_it_open_and_to_whom_it_was() {
    let post = "[[port]]\nprotocol = \"tcp\"\nport = 25\nbackend = \"web:80\"\n";
    let post = offer("files", "", post);
    let mut open = submit(&with(std::slice::from_ref(&post)), &published(true))
        .unwrap()
        .config;
    let service = open.services.installed.get_mut(&id("files")).unwrap();
    Arc::make_mut(service).groups = Some(["family".parse().unwrap()].into());
    let text = post.text.replace("release = 1", "release = 2");
    let newer = Offer {
        manifest: Manifest::parse(text.as_bytes()).unwrap(),
        text,
        origin: None,
    };
    let updated = update(&open, &[newer]).unwrap().config;
    let back = take_back_update(&updated, &id("files"), "It ended.").unwrap();
    let was = &open.services.installed[&id("files")];
    for config in [&updated, &back.config] {
        let service = &config.services.installed[&id("files")];
        assert!(service.published);
        assert_eq!(service.groups, was.groups);
    }
}

#[test]
fn host_of_a_port_is_nobody_elses() {
    let port = |id: &str, number: u16, host: &str| {
        let rest = format!(
            "[[port]]\nprotocol = \"tcp\"\nport = {number}\nbackend = \"web:80\"\nhost = \"{host}\"\n"
        );
        offer(id, "", &rest)
    };
    let config = with(&[files(), port("post", 25, "post")]);
    for other in [
        port("other", 26, "files"),
        port("other", 26, "post"),
        offer(
            "other",
            "",
            "[[route]]\nhost = \"post\"\nbackend = \"web:80\"\n",
        ),
    ] {
        let refused = install(&config, &[other], &BTreeMap::new()).unwrap_err();
        assert_eq!(refused.code, "service_clash");
    }
}

#[test]
fn service_that_nothing_leads_to_cannot_be_opened_to_the_internet() {
    let port = "[[port]]\nhost = \"files\"\nprotocol = \"tcp\"\nport = 25\nbackend = \"web:80\"\n";
    let at_home = format!("{port}from = \"home\"\n");
    for nowhere in ["", &at_home] {
        let nameless = offer("files", "", nowhere);
        assert!(!nameless.manifest.can_be_published(), "{nowhere}");
        let refused = submit(&with(&[nameless]), &published(true)).unwrap_err();
        assert_eq!(refused.code, "nothing_to_publish", "{nowhere}");
    }
    let by_port = offer("files", "", port);
    assert!(by_port.manifest.can_be_published());
    submit(&with(&[by_port]), &published(true)).unwrap();
}

#[test]
fn service_with_a_name_is_not_installed_where_the_box_has_its_ports() {
    let taken = || Some("--admin with port 443".to_owned());
    let refused = refuse_taken_ports(taken(), &[offer("a", "", ""), files()]).unwrap_err();
    assert_eq!((refused.status, &*refused.code), (409, "port_taken"));
    assert!(
        refused.detail.contains("started by --admin with port 443"),
        "{refused}"
    );
    let documents =
        "[[document]]\nhost = \"a\"\npath = \"/a\"\nmedia_type = \"text/plain\"\ntext = \"a\"\n";
    for rest in ["", documents] {
        assert!(refuse_taken_ports(taken(), &[offer("a", "", rest)]).is_ok());
    }
    assert!(refuse_taken_ports(None, &[files()]).is_ok());
}

#[test]
fn two_services_do_not_share_a_host_and_one_is_not_installed_twice() {
    let config = with(&[files()]);
    let twin = offer(
        "twin",
        "",
        "[[route]]\nhost = \"files\"\nbackend = \"web:80\"\n",
    );
    let refused = install(&config, &[twin], &BTreeMap::new()).unwrap_err();
    assert_eq!(refused.code, "service_clash");
    let refused = install(&config, &[files()], &BTreeMap::new()).unwrap_err();
    assert_eq!(refused.code, "already_installed");
}

/// The files of release 2, which ask another question.
fn newer() -> Offer {
    let rest = "[[route]]\nhost = \"files\"\nbackend = \"web:80\"\n[[setting]]\nkey = \"size\"\nlabel = \"Size\"\n\
                kind = \"number\"\nmin = 1\nmax = 5\ndefault = 3\n[[container.mount]]\nvolume = \"more\"\npath = \"/more\"\n\
                [[volume]]\nname = \"more\"\nbackup = true\n";
    let mut offer = offer("files", "", rest);
    offer.text = offer.text.replace("release = 1", "release = 2");
    offer.text = offer.text.replace("version = \"1\"", "version = \"2\"");
    offer.manifest = Manifest::parse(offer.text.as_bytes()).unwrap();
    offer
}

/// Files with an answer that release 2 does not take.
fn answered() -> Config {
    let answers = BTreeMap::from([("size".parse().unwrap(), SettingValue::Number(9))]);
    install(&sample::with_peers(&[]), &[files()], &answers)
        .unwrap()
        .config
}

#[test]
fn update_works_on_another_copy_and_stays_or_goes() {
    let before = answered();
    let edit = update(&before, &[newer()]).unwrap();
    assert_eq!(
        edit.summary,
        "Began to update The files from version 1 to 2"
    );
    let on_trial = &edit.config.services.installed[&id("files")];
    assert_eq!((on_trial.data.number, on_trial.data.lasting), (3, 2));
    assert!(on_trial.answers.is_empty(), "9 is too much for it");
    let former = on_trial.former.as_ref().unwrap();
    assert_eq!((former.number, former.answers.len()), (1, 1));

    let kept = keep_update(&edit.config, &id("files")).unwrap();
    assert_eq!(kept.summary, "The update of The files stays: it is well");
    let discarded = BTreeMap::from([(id("files"), [1].into())]);
    assert_eq!(kept.config.services.discarded, discarded);
    let stays = &kept.config.services.installed[&id("files")];
    assert_eq!((stays.data.number, &stays.former), (3, &None));
    assert!(keep_update(&kept.config, &id("files")).is_none());
    assert!(take_back_update(&kept.config, &id("files"), "late").is_none());

    let back = take_back_update(&edit.config, &id("files"), "web ended.").unwrap();
    let discarded = BTreeMap::from([(id("files"), [3].into())]);
    assert_eq!(back.config.services.discarded, discarded);
    let mut was = ServiceConfig::clone(&before.services.installed[&id("files")]);
    was.failed_update = Some(FailedUpdateConfig {
        release: 2,
        version: "2".to_owned(),
        reason: "web ended.".to_owned(),
    });
    assert_eq!(*back.config.services.installed[&id("files")], was);
    // The next try has a copy of its own.
    let again = update(&back.config, &[newer()]).unwrap().config;
    let again = &again.services.installed[&id("files")];
    assert_eq!((again.data.number, &again.failed_update), (4, &None));
}

#[test]
fn update_is_refused_that_is_none_or_would_lose_something() {
    let code = |config: &Config, offer: Offer| {
        let refused = update(config, &[offer]).unwrap_err();
        (refused.status, refused.code.into_owned())
    };
    let refusal = |code: &str| (409, code.to_owned());
    let before = answered();
    assert_eq!(code(&before, files()), refusal("up_to_date"));
    let updated = update(&before, &[newer()]).unwrap().config;
    assert_eq!(code(&updated, newer()), refusal("service_updating"));
    let kept = keep_update(&updated, &id("files")).unwrap().config;
    assert_eq!(code(&kept, files()), refusal("older_release"));
    assert_eq!(code(&sample::with_peers(&[]), files()).0, 404);

    let mut moved = newer();
    moved.text = moved.text.replace("release = 2", "release = 3");
    moved.text.push_str("snapshot = false\n");
    moved.manifest = Manifest::parse(moved.text.as_bytes()).unwrap();
    assert_eq!(code(&kept, moved), refusal("service_unfit"));

    let mut stopped = before;
    let service = stopped.services.installed.get_mut(&id("files")).unwrap();
    Arc::make_mut(service).enabled = false;
    assert_eq!(code(&stopped, newer()), refusal("service_stopped"));
}

#[test]
fn nothing_is_changed_of_a_service_on_trial_but_it_can_be_removed() {
    let updated = update(&answered(), &[newer()]).unwrap().config;
    let stop = Change::ChangeService {
        id: id("files"),
        update: ServiceUpdate {
            enabled: Some(false),
            ..ServiceUpdate::default()
        },
    };
    let refused = submit(&updated, &stop).unwrap_err();
    assert_eq!(refused.code, "service_updating");
    let gone = removed(&updated, "files", false).unwrap().config.services;
    // What it had before counts.
    assert_eq!(gone.kept[&id("files")].number, 1);
    assert_eq!(gone.discarded[&id("files")], [3].into());
    let gone = removed(&updated, "files", true).unwrap().config.services;
    assert_eq!(gone.discarded[&id("files")], [1, 2, 3].into());
}

/// The files of release 2, of another image.
fn elsewhere() -> Offer {
    let mut offer = newer();
    offer.text = offer.text.replace("sha256:00", "sha256:ff");
    offer.manifest = Manifest::parse(offer.text.as_bytes()).unwrap();
    offer
}

#[test]
fn update_waits_for_its_images_and_changes_nothing_before_they_are_here() {
    let before = answered();
    let was = before.services.installed[&id("files")].clone();
    let waits = update(&before, &[elsewhere()]).unwrap();
    assert_eq!(
        waits.summary,
        "Began to update The files from version 1 to 2"
    );
    let mut service = ServiceConfig::clone(&waits.config.services.installed[&id("files")]);
    let next = service.next.take().unwrap();
    assert_eq!(next.manifest, elsewhere().text);
    assert_eq!(service, *was);
    assert!(waits.config.services.discarded.is_empty());

    // Nothing is changed of it meanwhile; it can be removed, with what it has.
    let again = update(&waits.config, &[elsewhere()]).unwrap_err();
    assert_eq!(again.code, "service_updating");
    let stop = Change::ChangeService {
        id: id("files"),
        update: ServiceUpdate {
            enabled: Some(false),
            ..ServiceUpdate::default()
        },
    };
    let refused = submit(&waits.config, &stop).unwrap_err();
    assert_eq!(refused.code, "service_updating");
    let gone = removed(&waits.config, "files", false).unwrap().config;
    assert_eq!(gone.services.kept[&id("files")], was.data);

    let tried = try_update(&waits.config, &id("files")).unwrap();
    assert_eq!(
        tried.summary,
        "Version 2 of The files is here, and is tried"
    );
    let on_trial = &tried.config.services.installed[&id("files")];
    assert_eq!((on_trial.data.number, &on_trial.next), (3, &None));
    assert_eq!(on_trial.former.as_ref().unwrap().number, 1);
    assert!(try_update(&tried.config, &id("files")).is_none());

    let given_up = give_up_update(&waits.config, &id("files"), "Nobody answers.").unwrap();
    let service = &given_up.config.services.installed[&id("files")];
    assert_eq!((service.data, &service.next), (was.data, &None));
    let failed = service.failed_update.as_ref().unwrap();
    assert_eq!(
        (failed.release, failed.reason.as_str()),
        (2, "Nobody answers.")
    );
    assert!(give_up_update(&given_up.config, &id("files"), "").is_none());
    assert!(given_up.config.services.discarded.is_empty());
}

#[test]
fn update_that_has_got_something_in_its_way_while_it_was_fetched_is_given_up() {
    let photos = offer(
        "photos",
        "",
        "[[port]]\nprotocol = \"tcp\"\nport = 993\nbackend = \"web:80\"\n",
    );
    let mut next = elsewhere();
    next.text
        .push_str("[[port]]\nprotocol = \"tcp\"\nport = 993\nbackend = \"web:80\"\n");
    next.manifest = Manifest::parse(next.text.as_bytes()).unwrap();
    let waits = update(&with(&[files()]), &[next]).unwrap().config;
    let both = install(&waits, &[photos], &BTreeMap::new()).unwrap().config;
    let given_up = try_update(&both, &id("files")).unwrap();
    assert!(
        given_up
            .summary
            .starts_with("Gave up the update of The files")
    );
    let service = &given_up.config.services.installed[&id("files")];
    assert_eq!((service.data.number, &service.next), (1, &None));
    let reason = &service.failed_update.as_ref().unwrap().reason;
    assert!(reason.contains("photos"), "{reason}");
}

#[test]
fn update_that_brings_another_service_along_waits_for_it() {
    let mut next = newer();
    next.text = next
        .text
        .replace("release = 2", "release = 2\nrequires = [\"photos\"]");
    next.manifest = Manifest::parse(next.text.as_bytes()).unwrap();
    let photos = offer("photos", "", "");
    let waits = update(&with(&[files()]), &[photos, next]).unwrap().config;
    assert!(waits.services.installed.contains_key(&id("photos")));
    let service = &waits.services.installed[&id("files")];
    assert!(service.next.is_some() && service.former.is_none());
}

#[test]
fn data_that_is_gone_is_not_named_any_more_and_its_number_stays_used() {
    let removed = removed(&answered(), "files", true).unwrap().config;
    assert_eq!(removed.services.discarded[&id("files")], [1, 2].into());
    let gone = BTreeSet::from([(id("files"), 2), (id("photos"), 9)]);
    let edit = forget_deleted(&removed, &gone).unwrap();
    assert_eq!(edit.summary, "What was to be deleted of files is gone");
    assert_eq!(edit.config.services.discarded[&id("files")], [1].into());
    assert_eq!(edit.config.services.deleted_to, 2);
    assert!(forget_deleted(&edit.config, &gone).is_none());
    let all = BTreeSet::from([(id("files"), 1)]);
    let edit = forget_deleted(&edit.config, &all).unwrap();
    assert!(edit.config.services.discarded.is_empty());
    let again = install(&edit.config, &[files()], &BTreeMap::new()).unwrap();
    let again = again.config.services.installed[&id("files")].data;
    assert_eq!(again.numbers(), [3, 4], "neither of those that are gone");
}
