//! Pages of views that a box without trouble does not give.

mod cells;
mod exits;
mod mail;

use cell_control::ask;
use cell_control::caller::{Caller, Credential};
use cell_control::change::{Change, PeerReceipt, Pending, Preview};
use cell_control::fake::{FakeControl, Stage};
use cell_control::query::{Peer, RootCertificate, Settings, Status};
use cell_control::view::{Page, PeerView, StatusView};
use cell_control::{Control, query};
use cell_model::account::{Identity, Role};
use cell_model::secret::Secret;
use cell_model::status::State;
use maud::Markup;

use crate::clock::Clock;
use crate::forms;
use crate::frame::Frame;

fn core() -> (FakeControl, Caller) {
    let session = FakeControl::session(Role::Owner);
    let caller = Caller {
        credential: Credential::Session(Secret::new(session)),
        ..Caller::local()
    };
    (FakeControl::new(Stage::Ready), caller)
}

async fn answer<Q: query::Question>(question: Q) -> Q::Answer {
    let (control, caller) = core();
    ask(&control, &caller, question).await.unwrap()
}

fn frame(role: Role, path: &str) -> Frame {
    Frame {
        cell_name: Some("home".to_owned()),
        identity: Some(Identity::new(role.as_str().parse().unwrap(), role)),
        csrf_token: Some("token".to_owned()),
        path: path.to_owned(),
        services: Vec::new(),
        connection: None,
        clock: Clock::now(None),
        done: None,
    }
}

fn text(markup: Markup) -> String {
    markup.into_string()
}

async fn peer() -> PeerView {
    answer(Peer {
        name: "anna-phone".parse().unwrap(),
    })
    .await
}

async fn receipt(public_key: bool) -> PeerReceipt {
    let (control, caller) = core();
    let name = "anna-phone".parse().unwrap();
    let change = if public_key {
        Change::FetchPeerFile { name }
    } else {
        Change::RekeyPeer { name }
    };
    control.submit(&caller, change).await.unwrap().peer.unwrap()
}

async fn overview(role: Role, change: impl FnOnce(&mut StatusView)) -> String {
    let mut status = answer(Status).await;
    change(&mut status);
    text(super::overview::render(&frame(role, "/"), &status))
}

#[tokio::test]
async fn overview_tells_what_is_asked_for_from_what_is_in_force() {
    assert!(overview(Role::Owner, |_| ()).await.contains("As asked"));
    let behind = overview(Role::Owner, |status| status.revision = Some(8)).await;
    assert!(behind.contains("Revision 8") && behind.contains("Revision 7"));
    assert!(behind.contains("On its way"));
    let broken = overview(Role::Owner, |status| status.items[0].state = State::Failed).await;
    assert!(broken.contains("Not as asked") && broken.contains("9 of 10 work"));
}

#[tokio::test]
async fn only_who_made_a_change_is_offered_to_keep_it() {
    let waits = |username: &str| Pending {
        revision: 8,
        username: username.parse().unwrap(),
        seconds_left: 61,
    };
    let own = overview(Role::Admin, |status| status.pending = Some(waits("admin"))).await;
    assert!(own.contains("action=\"/confirm\"") && own.contains("action=\"/revert\""));
    let other = overview(Role::Admin, |status| status.pending = Some(waits("anna"))).await;
    assert!(!other.contains("action=\"/confirm\"") && other.contains("action=\"/revert\""));
    let helper = overview(Role::Helper, |status| status.pending = Some(waits("anna"))).await;
    assert!(!helper.contains("<form") && helper.contains("61 seconds"));
}

#[tokio::test]
async fn page_of_a_thousand_devices_has_each_of_them_once() {
    let sample = peer().await;
    let items = (0..1_000).map(|number| PeerView {
        name: format!("device-{number}").parse().unwrap(),
        ..sample.clone()
    });
    let peers = Page {
        items: items.collect(),
        next: Some("device-999".to_owned()),
    };
    let page = text(super::peers::render(
        &frame(Role::Owner, "/peers"),
        &peers,
        true,
        &[],
    ));
    assert_eq!(page.matches("href=\"/peers/device-").count(), 1_000);
    assert!(page.contains("/peers?cursor=device-999"));
    // About a third of a kibibyte each: a phone on a slow line still gets it within seconds.
    assert!(page.len() < 800 * 1024, "{}", page.len());
}

#[tokio::test]
async fn first_device_is_one_link_away() {
    let none = Page {
        items: Vec::new(),
        next: None,
    };
    let page = |role| {
        text(super::peers::render(
            &frame(role, "/peers"),
            &none,
            true,
            &[],
        ))
    };
    assert!(page(Role::Owner).contains("There is no device yet"));
    assert!(page(Role::Owner).contains("href=\"/peers/new\""));
    assert!(!page(Role::Helper).contains("href=\"/peers/new\""));
}

#[tokio::test]
async fn first_app_password_is_one_link_away() {
    let frame = frame(Role::Member, "/account/app-passwords");
    let page = text(super::app_passwords::render(&frame, None, &[]));
    assert!(page.contains("There is no app password yet"));
    assert!(page.contains("href=\"/account/app-passwords/new\""));
}

#[tokio::test]
async fn new_key_is_shown_as_code_text_and_download() {
    let page = text(super::peer_file::render(
        &frame(Role::Owner, "/peers/new"),
        &receipt(false).await,
        "/peers/anna-phone",
        "/peers",
    ));
    assert!(page.contains("This is shown once") && page.contains("<svg"));
    assert!(page.contains("download=\"anna-phone.conf\"") && page.contains("data:application"));
    assert!(page.contains("PrivateKey = ") && page.contains("works only at home"));
}

#[tokio::test]
async fn file_without_its_key_is_no_code_to_scan() {
    let page = text(super::peer_file::render(
        &frame(Role::Owner, "/peers/anna-phone/file"),
        &receipt(true).await,
        "/peers/anna-phone",
        "/peers",
    ));
    assert!(!page.contains("shown once") && !page.contains("class=\"qr\""));
    assert!(page.contains("own private key in its place first"));
}

#[tokio::test]
async fn device_that_is_over_or_out_of_date_says_so() {
    let page = |peer: &PeerView| {
        let frame = frame(Role::Helper, "/peers/anna-phone");
        let draft = forms::peer::of(forms::peer::ACCESS, peer, &frame.clock);
        text(super::peer::render(&frame, peer, &[], &draft))
    };
    let mut peer = peer().await;
    assert!(!page(&peer).contains("needs its file anew"));
    peer.reinstall_needed = true;
    peer.expired = true;
    assert!(page(&peer).contains("needs its file anew") && page(&peer).contains("Expired"));
    // A helper reads.
    assert!(!page(&peer).contains("method=\"post\""));
}

#[tokio::test]
async fn review_says_what_happens_and_carries_the_form() {
    let config = answer(Settings { revision: None }).await;
    let draft = forms::settings::of(&config);
    let preview = Preview {
        steps: vec!["The VPN moves to 10.9.0.0/24.".to_owned()],
        warnings: vec!["Every device needs its file anew.".to_owned()],
        needs_confirmation: true,
        changes_nothing: false,
    };
    let page = text(super::review::render(
        &frame(Role::Owner, "/settings"),
        &draft,
        &preview,
    ));
    assert!(page.contains("The VPN moves to 10.9.0.0/24.") && page.contains("90 seconds"));
    assert!(page.contains("name=\"vpn.subnet\" value=\"10.31.7.0/24\""));
    assert!(page.contains("name=\"revision\" value=\"7\""));
    assert!(page.contains("name=\"reviewed\" value=\"yes\""));
    let nothing = Preview {
        steps: Vec::new(),
        warnings: Vec::new(),
        needs_confirmation: false,
        changes_nothing: true,
    };
    let page = text(super::review::render(
        &frame(Role::Owner, "/settings"),
        &draft,
        &nothing,
    ));
    assert!(page.contains("the settings are like this already"));
    assert!(!page.contains("value=\"yes\"") && page.contains("value=\"no\""));
}

#[tokio::test]
async fn whoever_is_signed_in_is_not_asked_to_sign_in_after_setup() {
    let root = answer(RootCertificate).await;
    let page = |frame: &Frame| text(super::setup_done::render(frame, &root));
    let nobody = Frame {
        identity: None,
        ..frame(Role::Owner, "/setup/done")
    };
    assert!(page(&nobody).contains("href=\"/sign-in\""));
    let owner = page(&frame(Role::Owner, "/setup/done"));
    assert!(!owner.contains("href=\"/sign-in\"") && owner.contains("Go on"));
    assert!(page(&frame(Role::Member, "/setup/done")).contains("href=\"/me\""));
}
