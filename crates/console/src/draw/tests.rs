//! Pictures of the pages, and that no page breaks any screen.

use cell_control::change::Pending;
use cell_model::Timestamp;
use cell_model::config::NetworkConfig;
use cell_model::status::{ItemStatus, State};
use proptest::prelude::*;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::{full, plain};
use crate::effect::{Effect, Reply};
use crate::model::{Key, Model, View};
use crate::options::Mode;
use crate::refusal::Refusal;
use crate::situation::{Daemon, Interface, Situation, Stored};
use crate::text::Charset;

fn situation() -> Situation {
    let item = |id: &str, state, detail: &str| ItemStatus {
        id: id.to_owned(),
        state,
        since: Timestamp::UNIX_EPOCH,
        detail: detail.to_owned(),
    };
    let port = |name: &str, carrier, addresses: &[&str]| Interface {
        name: name.parse().unwrap(),
        carrier,
        is_port: true,
        addresses: addresses.iter().map(|text| text.parse().unwrap()).collect(),
    };
    let mut seen = Situation {
        daemon: Daemon::Running,
        set_up: Some(true),
        cell_name: Some("harbour".to_owned()),
        version: "0.1.0".to_owned(),
        slot: Some("a".to_owned()),
        interfaces: vec![
            port("eth0", true, &["203.0.113.2/24", "2001:db8::2/64"]),
            port("eth1", true, &["192.168.77.1/24"]),
            port("eth2", false, &[]),
        ],
        admin: vec!["https://192.168.77.1:8443".to_owned()],
        fingerprint: Some(vec!["AB"; 32].join(":")),
        items: vec![
            item("firewall", State::Ok, "Rules are in force."),
            item("dns", State::Failed, "Port 53 is taken by another program."),
        ],
        notices: vec![
            "The secrets of this box are not protected from whoever holds the disk…".to_owned(),
        ],
        ..Situation::default()
    };
    seen.start.wan = Some("eth0".parse().unwrap());
    seen.start.lan = Some("eth1".parse().unwrap());
    seen
}

fn before_setup() -> Situation {
    Situation {
        set_up: Some(false),
        cell_name: None,
        setup_code: Some("VDDYHH3G".to_owned()),
        items: Vec::new(),
        notices: Vec::new(),
        ..situation()
    }
}

/// A model that has seen this and was typed these lines.
fn sitting(seen: Situation, lines: &[&str]) -> Model {
    let mut model = Model::default();
    model.reply(Reply::Seen(Box::new(seen)));
    for line in lines {
        if model.line(line) == Some(Effect::Load) {
            model.reply(Reply::Loaded(Stored {
                cell_name: Some("harbour".to_owned()),
                owners: vec!["anna".parse().unwrap()],
                network: Some(NetworkConfig::default()),
            }));
        }
    }
    model
}

/// The rows of a full screen.
fn screen(view: &View, columns: u16, rows: u16) -> String {
    let mut buffer = Buffer::empty(Rect::new(0, 0, columns, rows));
    full::draw(view, Charset::Ascii, &mut buffer);
    let mut text = String::new();
    for row in 0..rows {
        let cells = (0..columns).map(|column| buffer[(column, row)].symbol());
        text.push_str(cells.collect::<String>().trim_end());
        text.push('\n');
    }
    text
}

#[test]
fn main_menu_before_setup() {
    insta::assert_snapshot!(screen(&sitting(before_setup(), &[]).view(), 80, 24));
}

#[test]
fn main_menu_on_the_smallest_screen() {
    let mut seen = situation();
    seen.mode = Mode::Recovery;
    seen.daemon = Daemon::Stopped;
    seen.setup_code = Some("VDDYHH3G".to_owned());
    seen.pending = Some(Pending {
        revision: 3,
        username: "root@console".parse().unwrap(),
        seconds_left: 71,
    });
    insta::assert_snapshot!(screen(&sitting(seen, &[]).view(), 60, 20));
}

#[test]
fn status_in_full() {
    insta::assert_snapshot!(screen(&sitting(situation(), &["1"]).view(), 80, 24));
}

#[test]
fn network_page() {
    insta::assert_snapshot!(screen(&sitting(situation(), &["2"]).view(), 80, 24));
}

#[test]
fn password_that_is_too_short() {
    insta::assert_snapshot!(screen(
        &sitting(situation(), &["3", "1", "short"]).view(),
        60,
        20
    ));
}

#[test]
fn refusal_on_both_kinds_of_terminal() {
    let mut model = sitting(situation(), &["9", "1", "2"]);
    model.reply(Reply::Refused(Refusal::new(
        "reboot cannot be started: no such file.",
        "Take the power away for a few seconds; nothing that was acknowledged is lost.",
    )));
    let view = model.view();
    insta::assert_snapshot!(screen(&view, 60, 20) + &plain::draw(&view, Charset::Ascii));
}

#[test]
fn plain_main_menu_before_setup() {
    insta::assert_snapshot!(plain::draw(
        &sitting(before_setup(), &[]).view(),
        Charset::Ascii
    ));
}

#[test]
fn setup_code_is_a_line_of_its_own_on_every_terminal() {
    let view = sitting(before_setup(), &[]).view();
    for text in [
        screen(&view, 80, 24),
        screen(&view, 60, 20),
        plain::draw(&view, Charset::Ascii),
    ] {
        let mut lines = text.lines().map(str::trim);
        assert!(lines.any(|line| line == "Setup code: VDDYHH3G"), "{text}");
    }
}

#[test]
fn chosen_entry_and_end_of_a_long_text_stay_in_sight() {
    let mut model = sitting(situation(), &[]);
    model.key(Key::End);
    assert!(screen(&model.view(), 60, 9).contains("9  Restart or power off"));
    model.key(Key::Char('6'));
    model.key(Key::Char('1'));
    for character in "ssh-ed25519 "
        .chars()
        .chain("x".repeat(100).chars())
        .chain("END".chars())
    {
        model.key(Key::Char(character));
    }
    assert!(screen(&model.view(), 60, 20).contains("xEND\n"));
}

#[test]
fn long_log_scrolls_to_its_last_line() {
    let mut model = sitting(situation(), &["5", "2"]);
    let lines = (0..100).map(|number| format!("line {number}")).collect();
    model.reply(Reply::Logs(lines));
    assert!(screen(&model.view(), 80, 24).contains("-- more"));
    model.key(Key::End);
    let text = screen(&model.view(), 80, 24);
    assert!(
        text.contains("line 99") && !text.contains("-- more"),
        "{text}"
    );
}

#[test]
fn cursor_is_never_beside_the_screen() {
    let view = sitting(situation(), &["7"]).view();
    let mut buffer = Buffer::empty(Rect::new(0, 0, 1, 41));
    assert_eq!(full::draw(&view, Charset::Utf8, &mut buffer), None);
}

proptest! {
    #[test]
    fn no_page_breaks_a_screen_of_any_size(
        columns in 1..140_u16, rows in 1..60_u16,
        keys in prop::collection::vec(prop::sample::select(('1'..='9').collect::<Vec<_>>()), 0..6),
    ) {
        let mut model = sitting(situation(), &[]);
        for key in keys {
            if model.key(Key::Char(key)).is_some() {
                model.reply(Reply::Loaded(Stored::default()));
            }
        }
        let view = model.view();
        let mut buffer = Buffer::empty(Rect::new(0, 0, columns, rows));
        if let Some(cursor) = full::draw(&view, Charset::Utf8, &mut buffer) {
            prop_assert!(buffer.area.contains(cursor));
        }
        plain::draw(&view, Charset::Utf8);
    }
}
