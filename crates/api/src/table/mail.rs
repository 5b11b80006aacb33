//! Mail.

use cell_control::mail::{
    MailAliasView, MailCheckForm, MailFindingsView, MailRecordsView, MailUpdate, MailView,
    OwnMailView,
};
use cell_control::view::Page;
use cell_gate::Access;
use cell_model::mail::DkimKey;

use crate::answer::{ChangeAnswer, MailAliasAnswer};
use crate::parameter::{CURSOR, LIMIT};
use crate::routes::mail::{self, AliasForm};
use crate::routes::mail_check;
use crate::row::{CHANGE, READ, Row, handler};

const UPDATE: &str = r#"{"catch_all":"anna","quota_mib":2048,"quotas":{"ben":4096},
    "delivery":{"mode":"relay","relay":{"host":"smtp.example.net","port":587,"username":"home@example.net"}},
    "relay_password":"a long and quiet river"}"#;

pub(super) static ROWS: &[Row] = &[
    Row::get("/api/peer/mail", "ownMail", handler!(mail::own))
        .is(
            Access::SignedIn,
            "Your own addresses, and what a device needs to read and send.",
        )
        .answers::<OwnMailView>()
        .refuses(&[404]),
    Row::get("/api/mail", "mail", handler!(mail::show))
        .is(READ, "Mail as it is set.")
        .answers::<MailView>(),
    Row::put("/api/mail", "changeMail", handler!(mail::change))
        .is(
            CHANGE,
            "Change settings of mail; what is not named stays. How mail leaves the box changes only after a recent proof.",
        )
        .takes::<MailUpdate>(UPDATE)
        .answers::<ChangeAnswer>()
        .may_wait()
        .refuses(&[409]),
    Row::get(
        "/api/mail/aliases",
        "mailAliases",
        handler!(mail::aliases, &[LIMIT, CURSOR]),
    )
    .is(READ, "Further addresses, and who gets what is sent there.")
    .answers::<Page<MailAliasView>>(),
    Row::put(
        "/api/mail/aliases/{alias}",
        "putMailAlias",
        handler!(mail::put_alias),
    )
    .is(CHANGE, "Make a further address, or lead it to others.")
    .takes::<AliasForm>(r#"{"targets":["anna","friend@example.org"]}"#)
    .answers::<MailAliasAnswer>()
    .may_wait()
    .refuses(&[404, 409]),
    Row::delete(
        "/api/mail/aliases/{alias}",
        "removeMailAlias",
        handler!(mail::remove_alias),
    )
    .is(CHANGE, "Remove a further address that no other leads to.")
    .may_wait()
    .refuses(&[404, 409]),
    Row::get("/api/mail/records", "mailRecords", handler!(mail::records))
        .is(READ, "What mail wants in public DNS.")
        .answers::<MailRecordsView>()
        .refuses(&[404]),
    Row::get("/api/mail/records/zone", "mailZone", handler!(mail::zone))
        .is(READ, "The same as a zone file (RFC 1035).")
        .answers_type("text/dns")
        .refuses(&[404]),
    Row::get(
        "/api/mail/dkim",
        "dkimKeys",
        handler!(mail::keys, &[LIMIT, CURSOR]),
    )
    .is(READ, "Keys that mail is signed with.")
    .answers::<Page<DkimKey>>(),
    Row::post("/api/mail/dkim", "addDkimKey", handler!(mail::add_key))
        .is(
            CHANGE,
            "Make a key that takes over once its record is seen in public DNS.",
        )
        .creates::<DkimKey>()
        .refuses(&[404, 409]),
    Row::post(
        "/api/mail/dkim/{selector}/sign",
        "signWithDkimKey",
        handler!(mail::sign),
    )
    .is(
        CHANGE,
        "Sign with a key from now on, whether or not its record was seen.",
    )
    .refuses(&[404, 409]),
    // Mail as others see it.
    Row::get("/api/mail/check", "mailFindings", handler!(mail_check::show))
        .is(READ, "What was found when mail was looked at last.")
        .answers::<MailFindingsView>()
        .refuses(&[404]),
    Row::post("/api/mail/check", "checkMail", handler!(mail_check::check))
        .is(
            READ,
            "Look at mail as others see it: public DNS, the ways in and out, block lists, certificates. It takes up to 40 \
             seconds, and asks servers of others, which are sent no message.",
        )
        .takes::<MailCheckForm>(r#"{"greet":"example.net"}"#)
        .answers::<MailFindingsView>()
        .refuses(&[404, 409]),
];
