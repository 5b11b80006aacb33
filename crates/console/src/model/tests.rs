//! Every way through the pages, and whatever else may be typed.

use proptest::prelude::*;

use cell_model::config::{AddressingConfig, NetworkConfig};

use super::*;
use crate::effect::{Proof, Side};
use crate::refusal::Refusal;
use crate::situation::{Daemon, Interface};

const PASSWORD: &str = "a long and quiet river";
const KEY: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILM+rvN+ot98qgEN796jTiQfZfG1KaT0PtFDJ/XFSqti anna@laptop";

fn stored() -> Stored {
    Stored {
        cell_name: Some("harbour".to_owned()),
        owners: vec!["anna".parse().unwrap(), "ben".parse().unwrap()],
        network: Some(NetworkConfig::default()),
    }
}

fn situation() -> Situation {
    let port = |name: &str, carrier| Interface {
        name: name.parse().unwrap(),
        carrier,
        is_port: true,
        addresses: Vec::new(),
    };
    Situation {
        daemon: Daemon::Running,
        cell_name: Some("harbour".to_owned()),
        interfaces: vec![port("eth0", true), port("eth1", false)],
        ..Situation::default()
    }
}

/// A console that has looked once, and reads this whenever it asks what is stored.
struct Sitting {
    model: Model,
    stored: Stored,
}

impl Sitting {
    fn new(stored: Stored) -> Self {
        let mut model = Model::default();
        model.reply(Reply::Seen(Box::new(situation())));
        Self { model, stored }
    }

    /// Types lines; answers what the last one asks for.
    fn lines(&mut self, lines: &[&str]) -> Option<Effect> {
        let mut last = None;
        for line in lines {
            last = self.model.line(line);
            if last == Some(Effect::Load) {
                self.model.reply(Reply::Loaded(self.stored.clone()));
                last = None;
            }
        }
        last
    }
}

fn typed(lines: &[&str]) -> Option<Effect> {
    Sitting::new(stored()).lines(lines)
}

fn secret(text: &str) -> Secret<String> {
    Secret::new(text.to_owned())
}

#[test]
fn every_entry_leads_to_its_act() {
    let anna = || "anna".parse().unwrap();
    let address = AddressingConfig::Static {
        address: "192.168.1.2/24".parse().unwrap(),
        gateway: Some("192.168.1.1".parse().unwrap()),
    };
    let lan = AddressingConfig::Static {
        address: "10.0.0.1/24".parse().unwrap(),
        gateway: None,
    };
    let eth1 = || Some("eth1".parse().unwrap());
    let cases: [(&[&str], Effect); 18] = [
        (&["2", "1", "2"], Effect::SetInterface(Side::Wan, eth1())),
        (&["2", "2", "3"], Effect::SetInterface(Side::Lan, None)),
        (
            &["2", "3", "2", "192.168.1.2/24", "192.168.1.1", "2"],
            Effect::SetAddressing(Side::Wan, address),
        ),
        (
            &["2", "4", "2", "10.0.0.1/24", "2"],
            Effect::SetAddressing(Side::Lan, lan),
        ),
        (
            &["2", "3", "1", "2"],
            Effect::SetAddressing(Side::Wan, AddressingConfig::Dhcp),
        ),
        (
            &["2", "4", "3", "2"],
            Effect::SetAddressing(Side::Lan, AddressingConfig::Adopt),
        ),
        (
            &["3", "1", PASSWORD, PASSWORD],
            Effect::SetPassword(anna(), secret(PASSWORD)),
        ),
        (&["4", "2"], Effect::BootOther),
        (&["4", "3"], Effect::InstallFromStick),
        (&["5", "1"], Effect::ExportLogs),
        (&["5", "2"], Effect::ReadLogs),
        (&["6", "1", KEY], Effect::AddKey(KEY.to_owned())),
        (&["7", "harbour"], Effect::FactoryReset),
        (&["7", "RESET"], Effect::FactoryReset),
        (
            &["8", "1", PASSWORD],
            Effect::OpenShell(Proof::Owner(anna(), secret(PASSWORD))),
        ),
        (&["9", "1", "2"], Effect::Restart),
        (&["9", "2", "2"], Effect::PowerOff),
        (&[""], Effect::Look),
    ];
    for (lines, effect) in cases {
        assert_eq!(typed(lines), Some(effect), "{lines:?}");
    }
}

#[test]
fn what_destroys_is_not_one_number_away() {
    for lines in [
        &["4", "1"][..],
        &["9", "1", "1"],
        &["9", "2", ""],
        &["7", "harbor"],
        &["7", "reset"],
        &["3", "1", PASSWORD, "another password"],
        &["3", "1", "short"],
        &["6", "1", "no key"],
        &["2", "3", "2", "192.168.1.2"],
        &["2", "3", "2", "192.168.1.2/24", "somewhere"],
    ] {
        assert_eq!(typed(lines), None, "{lines:?}");
    }
}

#[test]
fn what_is_wrong_is_said_and_the_question_stays() {
    let mut sitting = Sitting::new(stored());
    sitting.lines(&["3", "1", "short"]);
    let view = sitting.model.view();
    let message = view.message.unwrap();
    assert!(message.contains("at least 10 characters"), "{message}");
    assert!(matches!(view.form, Form::Field { secret: true, .. }));
    sitting.lines(&[PASSWORD, "something else"]);
    assert!(matches!(sitting.model.page(), Page::PasswordAgain(..)));
    let mut sitting = Sitting::new(stored());
    sitting.lines(&["12"]);
    assert_eq!(
        sitting.model.view().message.as_deref(),
        Some("Type a number from 1 to 9.")
    );
}

#[test]
fn box_without_an_owner_lets_one_be_made() {
    let none = Stored {
        owners: Vec::new(),
        ..stored()
    };
    let effect = Sitting::new(none.clone()).lines(&["3", "Carla", PASSWORD, PASSWORD]);
    let carla = "carla".parse().unwrap();
    assert_eq!(effect, Some(Effect::AddOwner(carla, secret(PASSWORD))));
    let mut sitting = Sitting::new(none);
    assert_eq!(sitting.lines(&["3", "root@console"]), None);
    assert!(sitting.model.view().message.unwrap().contains("console"));
    // There is nobody whose password could open a shell.
    sitting.lines(&["", "8", "anything"]);
    assert_eq!(sitting.model.page(), &Page::Main);
}

#[test]
fn before_setup_the_code_opens_the_shell_and_nothing_else_does() {
    let mut sitting = Sitting::new(Stored::default());
    assert_eq!(sitting.lines(&["8", "VDDYHH3G"]), None);
    let mut seen = situation();
    seen.setup_code = Some("VDDYHH3G".to_owned());
    sitting.model.reply(Reply::Seen(Box::new(seen)));
    let effect = sitting.lines(&["8", "vddy-hh3g"]);
    let proof = Proof::SetupCode(secret("vddy-hh3g"));
    assert_eq!(effect, Some(Effect::OpenShell(proof)));
    // Neither a password nor addresses can be set.
    let mut sitting = Sitting::new(Stored::default());
    sitting.lines(&["3"]);
    assert_eq!(sitting.model.view().form, Form::Read);
    sitting.lines(&["", "2"]);
    assert_eq!(sitting.model.entries().len(), 2);
}

#[test]
fn ssh_can_be_switched_off_once_it_is_on() {
    let mut sitting = Sitting::new(stored());
    sitting.lines(&["6"]);
    assert_eq!(sitting.model.entries().len(), 1);
    let mut seen = situation();
    seen.ssh_keys = vec!["ssh-ed25519 SHA256:abc anna".to_owned()];
    sitting.model.reply(Reply::Seen(Box::new(seen)));
    assert_eq!(sitting.lines(&["2", "2"]), Some(Effect::DisableSsh));
}

#[test]
fn risky_change_is_asked_about_until_it_is_kept_or_taken_back() {
    for (line, effect) in [("1", Effect::Keep), ("2", Effect::TakeBack)] {
        let mut sitting = Sitting::new(stored());
        sitting.lines(&["2", "3", "1", "2"]);
        sitting.model.reply(Reply::Waiting(90));
        assert_eq!(sitting.model.page(), &Page::Keep(90));
        assert_eq!(sitting.lines(&[line]), Some(effect));
    }
}

#[test]
fn refusal_says_what_to_do_and_leads_back() {
    let mut sitting = Sitting::new(stored());
    sitting.lines(&["9", "1", "2"]);
    assert!(sitting.model.is_working());
    let refusal = Refusal::new("It is broken.", "Mend it.");
    sitting.model.reply(Reply::Refused(refusal));
    let texts: Vec<String> = sitting
        .model
        .view()
        .lines
        .into_iter()
        .map(|line| line.text)
        .collect();
    assert_eq!(texts, ["It is broken.", "Mend it."]);
    sitting.lines(&[""]);
    assert_eq!(sitting.model.page(), &Page::Main);
}

#[test]
fn network_and_factory_reset_are_there_when_nothing_can_be_read() {
    for (number, title) in [("2", "Network"), ("7", "Factory reset")] {
        let mut model = Model::default();
        assert_eq!(model.line(number), Some(Effect::Load));
        model.reply(Reply::Refused(Refusal::new("It is damaged.", "Give up.")));
        let view = model.view();
        assert_eq!(view.title, title);
        assert_eq!(view.message.as_deref(), Some("It is damaged."));
    }
    let mut model = Model::default();
    model.line("7");
    model.reply(Reply::Refused(Refusal::new("It is damaged.", "Give up.")));
    assert_eq!(model.line("RESET"), Some(Effect::FactoryReset));
}

#[test]
fn page_is_read_anew_after_what_was_done_on_it() {
    let mut sitting = Sitting::new(stored());
    sitting.lines(&["2", "1", "1"]);
    sitting
        .model
        .reply(Reply::Done(vec!["WAN is eth0.".to_owned()]));
    assert_eq!(sitting.model.line(""), Some(Effect::Load));
}

#[test]
fn wrong_password_may_be_typed_again() {
    let mut sitting = Sitting::new(stored());
    sitting.lines(&["8", "1", "not the password"]);
    sitting
        .model
        .reply(Reply::Refused(Refusal::new("Wrong.", "Again.")));
    sitting.lines(&[""]);
    assert_eq!(
        sitting.model.page(),
        &Page::ShellPassword("anna".parse().unwrap())
    );
}

#[test]
fn keys_choose_edit_and_go_back() {
    let mut model = Model::default();
    for key in [Key::Down, Key::Down, Key::Up, Key::End, Key::Enter] {
        assert_eq!(model.key(key), None);
    }
    assert_eq!(model.page(), &Page::Power);
    model.key(Key::Escape);
    assert_eq!(model.key(Key::Char('3')), Some(Effect::Load));
    assert_eq!(
        model.key(Key::Char('1')),
        None,
        "keys wait while something is done"
    );
    model.reply(Reply::Loaded(stored()));
    model.key(Key::Char('2'));
    for character in PASSWORD.chars().chain(['x']) {
        model.key(Key::Char(character));
    }
    model.key(Key::Backspace);
    assert_eq!(model.key(Key::Enter), None);
    let view = model.view();
    assert!(!format!("{view:?} {model:?}").contains(PASSWORD));
    for character in PASSWORD.chars() {
        model.key(Key::Char(character));
    }
    let ben = "ben".parse().unwrap();
    assert_eq!(
        model.key(Key::Enter),
        Some(Effect::SetPassword(ben, secret(PASSWORD)))
    );
}

#[test]
fn interrupt_leads_to_the_main_menu_and_forgets_what_was_typed() {
    let mut sitting = Sitting::new(stored());
    sitting.lines(&["3", "1", PASSWORD]);
    sitting.model.key(Key::Interrupt);
    assert_eq!(sitting.model.page(), &Page::Main);
    sitting.lines(&["3", "1"]);
    assert_eq!(sitting.model.key(Key::Enter), None);
    assert_eq!(sitting.model.page(), &Page::Owner, "empty is back");
}

fn key() -> impl Strategy<Value = Key> {
    let plain = prop::sample::select(vec![
        Key::Enter,
        Key::Escape,
        Key::Backspace,
        Key::ClearLine,
        Key::Up,
        Key::Down,
        Key::PageUp,
        Key::PageDown,
        Key::Home,
        Key::End,
        Key::Redraw,
    ]);
    prop_oneof![
        2 => plain,
        2 => prop::sample::select(('1'..='9').collect::<Vec<_>>()).prop_map(Key::Char),
        1 => any::<char>().prop_map(Key::Char),
    ]
}

fn reply() -> impl Strategy<Value = Reply> {
    prop_oneof![
        Just(Reply::Seen(Box::new(situation()))),
        Just(Reply::Seen(Box::default())),
        Just(Reply::Loaded(stored())),
        Just(Reply::Loaded(Stored::default())),
        Just(Reply::Done(vec!["Done.".to_owned()])),
        Just(Reply::Waiting(90)),
        Just(Reply::Logs(vec!["line".to_owned(); 50])),
        Just(Reply::ShellGranted),
        Just(Reply::Refused(Refusal::new("No.", "Go on."))),
    ]
}

/// What is never asked for without a page of its own before.
fn destroys(effect: &Effect) -> bool {
    matches!(
        effect,
        Effect::FactoryReset
            | Effect::Restart
            | Effect::PowerOff
            | Effect::BootOther
            | Effect::DisableSsh
            | Effect::SetAddressing(..)
    )
}

proptest! {
    #[test]
    fn whatever_is_typed_and_answered_there_is_a_page_and_a_way_back(
        steps in prop::collection::vec((key(), reply()), 0..60)
    ) {
        let mut model = Model::default();
        for (key, reply) in steps {
            let page = model.page().clone();
            if let Some(effect) = model.key(key) {
                prop_assert!(model.is_working());
                prop_assert!(!destroys(&effect) || page != Page::Main, "{:?} from {:?}", effect, page);
                model.reply(reply);
                if model.is_working() {
                    // A look that nobody asked for answers nothing.
                    model.reply(Reply::Done(Vec::new()));
                }
            }
            let view = model.view();
            prop_assert!(!view.title.is_empty());
            if let Form::Menu { entries, selected } = &view.form {
                prop_assert!(*selected < entries.len());
            }
        }
        for _ in 0..10 {
            if model.key(Key::Escape).is_some() {
                model.reply(Reply::Loaded(stored()));
            }
        }
        prop_assert_eq!(model.page(), &Page::Main);
    }

    #[test]
    fn any_line_on_any_page_is_taken_or_refused(
        lines in prop::collection::vec(prop_oneof!["[1-9]", ".{0,40}", Just(PASSWORD.to_owned())], 0..30)
    ) {
        let mut sitting = Sitting::new(stored());
        for line in &lines {
            if sitting.lines(&[line]).is_some() {
                sitting.model.reply(Reply::Done(vec!["Done.".to_owned()]));
            }
            prop_assert!(!sitting.model.is_working());
            prop_assert!(!sitting.model.view().title.is_empty());
        }
    }

    #[test]
    fn enter_alone_destroys_nothing(pages in prop::collection::vec(1..=9_u8, 1..6)) {
        let mut sitting = Sitting::new(stored());
        for digit in pages {
            let mut effect = sitting.model.key(Key::Char(char::from(b'0' + digit)));
            for _ in 0..3 {
                match effect.take() {
                    Some(Effect::Load) => sitting.model.reply(Reply::Loaded(stored())),
                    Some(effect) => {
                        prop_assert!(!destroys(&effect) || digit < 3, "{:?}", effect);
                        sitting.model.reply(Reply::Done(Vec::new()));
                    }
                    None => {}
                }
                effect = sitting.model.key(Key::Enter);
            }
            if effect.is_some() {
                sitting.model.reply(Reply::Loaded(stored()));
            }
            sitting.model.key(Key::Interrupt);
        }
    }
}
