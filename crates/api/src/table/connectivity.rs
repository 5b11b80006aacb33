//! Ways out to the internet beside the uplink.

use cell_control::connection::{ConnectionBody, ConnectionStatus, ConnectionView};
use cell_control::view::Page;

use crate::answer::{ConnectionAnswer, PeerAnswer};
use crate::parameter::{CURSOR, LIMIT};
use crate::routes::connectivity::{self, ExitForm, FailopenForm};
use crate::row::{CHANGE, READ, Row, handler};

/// One that is right.
const PROXY: &str = r#"{"type":"proxy","name":"Work","config":{"scheme":"socks5","host":"proxy.example.org","port":1080}}"#;

pub(super) static ROWS: &[Row] = &[
    Row::get(
        "/api/connectivity/connections",
        "connections",
        handler!(connectivity::list, &[LIMIT, CURSOR]),
    )
    .is(READ, "Ways out to the internet beside the uplink, by name.")
    .answers::<Page<ConnectionView>>(),
    Row::post(
        "/api/connectivity/connections",
        "addConnection",
        handler!(connectivity::add),
    )
    .is(
        CHANGE,
        "Add a way out. Nobody leaves by it until it is given to a device. 409 pool_full: there are as many as there can be.",
    )
    .takes::<ConnectionBody>(PROXY)
    .creates::<ConnectionAnswer>()
    .may_wait()
    .refuses(&[409]),
    Row::get(
        "/api/connectivity/connections/{connection}",
        "connection",
        handler!(connectivity::show),
    )
    .is(READ, "One way out.")
    .answers::<ConnectionAnswer>()
    .refuses(&[404]),
    Row::put(
        "/api/connectivity/connections/{connection}",
        "putConnection",
        handler!(connectivity::put),
    )
    .is(
        CHANGE,
        "Have a way out be so. Flows by it end when how it leads out changes; a password that is not said stays for the same \
         user at the same host, and so does a tunnel whose file is not said.",
    )
    .takes::<ConnectionBody>(PROXY)
    .answers::<ConnectionAnswer>()
    .may_wait()
    .refuses(&[404, 409]),
    Row::delete(
        "/api/connectivity/connections/{connection}",
        "removeConnection",
        handler!(connectivity::remove),
    )
    .is(CHANGE, "Remove a way out and its secrets. 409 while a device has it.")
    .may_wait()
    .refuses(&[404, 409]),
    Row::get(
        "/api/connectivity/connections/{connection}/health",
        "connectionHealth",
        handler!(connectivity::health),
    )
    .is(
        READ,
        "Whether a way leads out, as seen last: a name server out there is asked by it every 30 seconds, and 5 seconds \
         after each look while none answers.",
    )
    .answers::<ConnectionStatus>()
    .refuses(&[404]),
    Row::put(
        "/api/connectivity/peers/{name}/failopen",
        "changeFailopen",
        handler!(connectivity::failopen),
    )
    .is(CHANGE, "Say whether a device leaves by the uplink while its way out leads nowhere.")
    .takes::<FailopenForm>(r#"{"failopen":true}"#)
    .answers::<PeerAnswer>()
    .may_wait()
    .refuses(&[404, 409]),
    Row::put("/api/peers/{name}/exit", "changeExit", handler!(connectivity::exit))
        .is(
            CHANGE,
            "Give a device a way out of its own, or the uplink again (`null`). What it has open by the other way ends.",
        )
        .takes::<ExitForm>(r#"{"exit_connection_id":null}"#)
        .answers::<PeerAnswer>()
        .may_wait()
        .refuses(&[404, 409]),
];
