//! Ways out that a box without trouble does not have.

use cell_control::connection::{ConnectionView, WayView};
use cell_control::query::Connection;
use cell_model::account::Role;
use cell_model::name::PeerName;
use uuid::Uuid;

use super::{answer, frame, text};
use crate::forms::exit::of;

async fn connection() -> ConnectionView {
    let id = Uuid::from_u128(7);
    *answer(Connection { id }).await
}

fn shown(connection: &ConnectionView, open: &[PeerName]) -> String {
    let frame = frame(Role::Owner, "/exits/7");
    let draft = of(connection);
    text(crate::pages::exit::render(&frame, connection, open, &draft))
}

#[tokio::test]
async fn password_that_is_missing_is_asked_for() {
    let mut connection = connection().await;
    assert!(!shown(&connection, &[]).contains("has no password of"));
    let WayView::Proxy(proxy) = &mut connection.way else {
        panic!("{connection:?}");
    };
    proxy.password_set = false;
    let page = shown(&connection, &[]);
    assert!(page.contains("The box has no password of <strong>anna</strong>"));
    let WayView::Proxy(proxy) = &mut connection.way else {
        panic!("{connection:?}");
    };
    proxy.username = None;
    assert!(!shown(&connection, &[]).contains("has no password of"));
}

#[tokio::test]
async fn way_of_a_thousand_devices_names_those_first_that_are_open() {
    let mut connection = connection().await;
    let name = |number: usize| -> PeerName { format!("device-{number}").parse().unwrap() };
    connection.peers = (0..1_000).map(name).collect();
    let page = shown(&connection, &[name(7), name(999)]);
    assert_eq!(page.matches("href=\"/peers/device-").count(), 100);
    assert_eq!(page.matches("Open now").count(), 2);
    assert!(page.contains("<strong>2 devices</strong> leave by the box's own connection now"));
    assert!(page.contains("href=\"/peers/device-999\"") && page.contains("and 900 more"));
    assert!(page.len() < 30 * 1024, "{}", page.len());
    let list = [connection];
    let frame = frame(Role::Owner, "/exits");
    let page = text(crate::pages::exits::render(&frame, &list));
    assert_eq!(page.matches("href=\"/peers/device-").count(), 5);
    assert!(page.contains("and 995 more"));
}
