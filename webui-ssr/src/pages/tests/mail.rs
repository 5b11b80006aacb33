//! Mail that is not all well, or not there yet.

use cell_control::mail::{MailView, OwnMailView};
use cell_control::query::{DkimKeys, Mail, MailRecords, OwnMail, Services};
use cell_model::config::DeliveryConfig;
use cell_model::mail::{DkimKey, DkimState, MailPurpose};

use super::*;
use crate::pages;

async fn key(state: DkimState) -> DkimKey {
    let mut keys = answer(DkimKeys).await;
    let key = keys.items.remove(0);
    DkimKey { state, ..key }
}

/// The page of mail with the service open to the internet or not.
async fn mail(role: Role, published: bool, change: impl FnOnce(&mut MailView)) -> String {
    let mut mail = answer(Mail).await;
    mail.domain = "example.org".parse().unwrap();
    change(&mut mail);
    let services = Services {
        range: query::Range::default(),
    };
    let mut frame = frame(role, "/mail");
    frame.services = answer(services).await.items;
    for service in &mut frame.services {
        service.published = Some(published);
    }
    let keys = [key(DkimState::Signing).await];
    text(pages::mail::render(&frame, &mail, &keys))
}

#[tokio::test]
async fn mail_without_its_service_leads_to_installing_it() {
    let link = "href=\"/services/mail/install\"";
    let absent = |mail: &mut MailView| mail.installed = false;
    let page = mail(Role::Admin, true, absent).await;
    assert!(page.contains("is not installed") && page.contains(link));
    assert!(!page.contains("/mail/records"), "{page}");
    let page = mail(Role::Helper, true, absent).await;
    assert!(page.contains("is not installed") && !page.contains(link));
}

#[tokio::test]
async fn closed_service_gets_nothing_from_outside_and_says_so() {
    let said = "No mail from outside arrives.";
    let link = "/internet\">Open it to the internet</a>";
    let page = mail(Role::Admin, false, |_| ()).await;
    assert!(page.contains(said) && page.contains(link), "{page}");
    let page = mail(Role::Helper, false, |_| ()).await;
    assert!(page.contains(said) && !page.contains(link));
    let page = mail(Role::Admin, true, |_| ()).await;
    assert!(!page.contains(said) && page.contains("Open: others bring mail"));
}

#[tokio::test]
async fn each_way_out_is_explained() {
    let with = async |delivery: DeliveryConfig| {
        mail(Role::Admin, true, |mail| mail.delivery = delivery).await
    };
    let direct = with(DeliveryConfig::Direct).await;
    assert!(direct.contains("their providers close port 25"));
    let none = with(DeliveryConfig::ReceiveOnly).await;
    assert!(none.contains("write to people of this box alone"));
    let locked = mail(Role::Admin, true, |mail| mail.relay_password_set = false).await;
    assert!(locked.contains("nothing is sent until it is typed in"));
}

#[tokio::test]
async fn key_that_waits_can_be_signed_with_and_keeps_others_from_being_made() {
    let mail = answer(Mail).await;
    let page = async |role: Role, state: DkimState| {
        let keys = [key(state).await];
        text(pages::mail_keys::render(
            &frame(role, "/mail/keys"),
            &mail,
            &keys,
        ))
    };
    let sign = "href=\"/mail/keys/c202611/sign\"";
    for (state, word, can_sign, can_add) in [
        (DkimState::Made, "Waits for its record", true, false),
        (DkimState::Published, "Signs soon", true, false),
        (DkimState::Signing, "Signs<", false, true),
        (DkimState::Retiring, "Signs no more", false, true),
        (DkimState::Revoked, "Not valid any more", false, true),
    ] {
        let shown = page(Role::Admin, state).await;
        assert!(shown.contains(word), "{state:?}");
        assert_eq!(shown.contains(sign), can_sign, "{state:?}");
        assert_eq!(shown.contains("Make a new key"), can_add, "{state:?}");
        let helper = page(Role::Helper, state).await;
        assert!(helper.contains(word), "{state:?}");
        assert!(!helper.contains(sign) && !helper.contains("Make a new key"));
    }
}

#[tokio::test]
async fn signing_before_the_record_was_seen_says_what_that_does() {
    let frame = frame(Role::Admin, "/mail/keys/c202611/sign");
    let made = text(pages::mail_key_sign::render(
        &frame,
        &key(DkimState::Made).await,
    ));
    assert!(made.contains("c202611._domainkey.home.cell") && made.contains("<form"));
    for state in [DkimState::Signing, DkimState::Retiring, DkimState::Revoked] {
        let page = text(pages::mail_key_sign::render(&frame, &key(state).await));
        assert!(!page.contains("<form class=\"inline\""), "{state:?}");
    }
}

#[tokio::test]
async fn records_are_told_apart_by_what_fails_without_them() {
    let mut view = answer(MailRecords).await;
    let mail = answer(Mail).await;
    let mut better = view.records[0].clone();
    better.needed = false;
    better.name = "_dmarc.home.cell".to_owned();
    let mut host = view.records[0].clone();
    host.purpose = MailPurpose::Host;
    view.records.extend([better, host]);
    let frame = frame(Role::Helper, "/mail/records");
    let page = text(pages::mail_records::render(&frame, &mail, Some(&view)));
    let (needed, better) = page.split_once("Better with these").unwrap();
    assert!(needed.contains("MX") && !needed.contains("_dmarc.home.cell"));
    assert!(better.contains("_dmarc.home.cell"));
    assert!(!page.contains("The address of the server is missing"));
    let none = text(pages::mail_records::render(&frame, &mail, None));
    assert!(none.contains("Mail is not installed"));
}

#[tokio::test]
async fn whoever_cannot_send_is_told_so() {
    let own = answer(OwnMail).await;
    let frame = frame(Role::Owner, "/account/mail");
    let page = |mail: &OwnMailView| text(pages::own_mail::render(&frame, Some(mail), None));
    let usual = page(&own);
    assert!(usual.contains("You may write under each of these addresses."));
    assert!(usual.contains("You get what is sent to an address that nobody has."));
    let receives = page(&OwnMailView {
        can_send: false,
        ..own
    });
    assert!(receives.contains("can write to people of this box alone"));
    assert!(!receives.contains("You may write"));
}
