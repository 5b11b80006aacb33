//! Other cells that something is to be done about.

use cell_control::link::{HeldView, InviteText, LinkState, LinkView};
use cell_control::query::Link;
use cell_control::view::Page;
use cell_model::account::Role;

use super::{answer, frame, text};
use crate::forms::link::of;

async fn link() -> LinkView {
    let name = "cabin".parse().unwrap();
    answer(Link { name }).await
}

fn shown(role: Role, link: &LinkView) -> String {
    let frame = frame(role, "/cells/cabin");
    let history = Page {
        items: Vec::new(),
        next: None,
    };
    text(crate::pages::cell::render(
        &frame,
        link,
        &of(link),
        &history,
    ))
}

#[tokio::test]
async fn held_change_can_be_taken_over_where_only_the_owners_word_is_missing() {
    let mut link = link().await;
    for (acceptable, role, offered) in [
        (true, Role::Owner, true),
        (true, Role::Helper, false),
        (false, Role::Owner, false),
    ] {
        link.held = Some(HeldView {
            name: "hut".parse().unwrap(),
            domain: "example.org".parse().unwrap(),
            vpn_subnet: link.vpn_subnet,
            vpn_subnet6: link.vpn_subnet6,
            detail: "It is in the way.".to_owned(),
            acceptable,
        });
        let page = shown(role, &link);
        assert!(page.contains("It is in the way."), "{page}");
        assert_eq!(page.contains("/cells/cabin/accept"), offered, "{page}");
        let frame = frame(role, "/cells/cabin/accept");
        let asked = text(crate::pages::cell_accept::render(&frame, &link));
        assert_eq!(asked.contains("Take it over"), acceptable, "{asked}");
    }
}

#[tokio::test]
async fn code_is_shown_until_it_was_compared() {
    let mut link = link().await;
    assert!(!shown(Role::Owner, &link).contains("/cells/cabin/confirm"));
    link.state = LinkState::AwaitingConfirmation;
    link.code = Some("012345".to_owned());
    let page = shown(Role::Owner, &link);
    assert!(page.contains("012345") && page.contains("/cells/cabin/confirm"));
    // There is nothing to share yet.
    assert!(!page.contains("What this cell shares with it"), "{page}");
}

#[tokio::test]
async fn acceptance_is_offered_where_the_other_box_is_not_reached() {
    let mut link = link().await;
    link.state = LinkState::Failed;
    assert!(!shown(Role::Owner, &link).contains("acceptance.json"));
    link.acceptance = Some(InviteText {
        cell: "ab".repeat(32),
        ..InviteText::default()
    });
    let page = shown(Role::Owner, &link);
    assert!(page.contains("download=\"acceptance.json\"") && page.contains("class=\"qr\""));
}
