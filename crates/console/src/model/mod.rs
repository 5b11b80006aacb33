//! What the console is: pages, what can be typed on each, and what that leads to. Pure.

mod ask;
mod menu;
mod page;
#[cfg(test)]
mod tests;
mod view;

use cell_model::config::AddressingConfig;
use cell_model::secret::Secret;

pub use menu::{Choice, Entry};
pub use page::{Account, Outcome, Page};
pub use view::{Form, Line, View};

use crate::effect::{Effect, Reply};
use crate::refusal::Refusal;
use crate::situation::{Situation, Stored};

/// The most bytes of one answer: an RSA key of 16,384 bits has 2,800 characters.
const MAX_TYPED: usize = 4_096;
/// Lines a page key moves by.
const PAGE_LINES: usize = 10;

/// A key of a full-screen terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Key {
    /// A character.
    Char(char),
    /// Take it.
    Enter,
    /// Back.
    Escape,
    /// The last character goes.
    Backspace,
    /// All characters go.
    ClearLine,
    /// One up.
    Up,
    /// One down.
    Down,
    /// Ten up.
    PageUp,
    /// Ten down.
    PageDown,
    /// To the first.
    Home,
    /// To the last.
    End,
    /// To the main menu.
    Interrupt,
    /// Draw everything anew.
    Redraw,
}

/// The console without its terminal and its box.
#[derive(Debug)]
pub struct Model {
    page: Page,
    situation: Situation,
    stored: Option<Stored>,
    selected: usize,
    scroll: usize,
    typed: Secret<String>,
    message: Option<String>,
    work: Option<Work>,
}

/// What is being waited for.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Work {
    /// A fresh look, asked for.
    Look,
    /// What is stored, for this page.
    Load(Page),
    /// An act begun on this page.
    Act,
}

impl Default for Model {
    fn default() -> Self {
        Self {
            page: Page::Main,
            situation: Situation::default(),
            stored: None,
            selected: 0,
            scroll: 0,
            typed: empty(),
            message: None,
            work: None,
        }
    }
}

impl Model {
    /// The page that is shown.
    pub fn page(&self) -> &Page {
        &self.page
    }

    /// How everything is, as last looked at.
    pub fn situation(&self) -> &Situation {
        &self.situation
    }

    /// Something is being done; keys wait.
    pub fn is_working(&self) -> bool {
        self.work.is_some()
    }

    /// What is typed now must not be seen.
    pub fn is_secret(&self) -> bool {
        ask::question(self).is_some_and(|question| question.secret)
    }

    /// The menu of the page.
    pub fn entries(&self) -> Vec<Entry> {
        menu::entries(self)
    }

    /// What is to be drawn.
    pub fn view(&self) -> View {
        view::view(self)
    }

    /// A key of a full-screen terminal.
    pub fn key(&mut self, key: Key) -> Option<Effect> {
        if self.is_working() {
            return None;
        }
        self.message = None;
        match key {
            Key::Interrupt => {
                self.interrupt();
                None
            }
            Key::Redraw => None,
            Key::Escape => self.back(),
            _ if ask::question(self).is_some() => self.edit(key),
            _ => {
                let entries = self.entries();
                if entries.is_empty() {
                    self.read(key)
                } else {
                    self.pick(key, &entries)
                }
            }
        }
    }

    /// A whole line of a plain terminal.
    pub fn line(&mut self, line: &str) -> Option<Effect> {
        if self.is_working() {
            return None;
        }
        self.message = None;
        if ask::question(self).is_some() {
            if line.trim().is_empty() {
                return self.back();
            }
            return self.answer(&Secret::new(line.to_owned()));
        }
        let entries = self.entries();
        let word = line.trim();
        if word.is_empty() && self.page == Page::Main {
            self.work = Some(Work::Look);
            return Some(Effect::Look);
        }
        if word.is_empty() || entries.is_empty() {
            return self.back();
        }
        let number = word.parse::<usize>().ok().and_then(|n| n.checked_sub(1));
        match number.and_then(|index| entries.get(index)) {
            Some(entry) => self.follow(entry.choice.clone()),
            None => {
                self.message = Some(format!("Type a number from 1 to {}.", entries.len()));
                None
            }
        }
    }

    /// Ctrl-C: back to where everything starts.
    pub fn interrupt(&mut self) {
        if !self.is_working() {
            self.go(Page::Main);
        }
    }

    /// What came of an effect, or how everything is.
    pub fn reply(&mut self, reply: Reply) {
        let work = match &reply {
            Reply::Seen(_) if self.work != Some(Work::Look) => None,
            _ => self.work.take(),
        };
        let home = || Box::new(self.page.home());
        match reply {
            Reply::Seen(situation) => self.situation = *situation,
            Reply::Loaded(stored) => {
                self.stored = Some(stored);
                if let Some(Work::Load(page)) = work {
                    self.go(page);
                }
            }
            Reply::Done(lines) => self.go(Page::Outcome(Outcome::Done(lines), home())),
            Reply::Waiting(seconds) => self.go(Page::Keep(seconds)),
            Reply::Logs(lines) => self.go(Page::LogText(lines)),
            Reply::ShellGranted => self.go(Page::Main),
            Reply::Refused(refusal) => self.refused(refusal, work),
        }
    }

    fn refused(&mut self, refusal: Refusal, work: Option<Work>) {
        let after = match (work, &self.page) {
            // What is stored cannot be read; these pages are there for that very day.
            (Some(Work::Load(page @ (Page::Network | Page::FactoryReset))), _) => {
                self.stored = None;
                self.go(page);
                self.message = Some(refusal.what);
                return;
            }
            (Some(Work::Load(_)), _) => Page::Main,
            // Another try is a likely wish.
            (_, page @ (Page::ShellPassword(_) | Page::SshKey)) => page.clone(),
            (_, page) => page.home(),
        };
        let outcome = Outcome::Refused(refusal.what, refusal.todo);
        self.go(Page::Outcome(outcome, Box::new(after)));
    }

    /// A line below everything else, until the next input.
    pub fn say(&mut self, message: impl Into<String>) {
        self.message = Some(message.into());
    }

    fn cell_name(&self) -> Option<&str> {
        let stored = self.stored.as_ref();
        stored
            .and_then(|stored| stored.cell_name.as_deref())
            .or(self.situation.cell_name.as_deref())
    }

    /// Nobody owns the box yet.
    fn is_before_setup(&self) -> bool {
        let stored = self.stored.as_ref();
        stored.is_some_and(|stored| stored.cell_name.is_none())
    }

    /// The box is set up, and there is no owner left.
    fn has_no_owner(&self) -> bool {
        let stored = self.stored.as_ref();
        stored.is_some_and(|stored| stored.cell_name.is_some() && stored.owners.is_empty())
    }

    fn go(&mut self, page: Page) {
        self.page = page;
        self.selected = 0;
        self.scroll = 0;
        self.typed = empty();
        self.message = None;
    }

    fn back(&mut self) -> Option<Effect> {
        let parent = self.page.parent();
        // What was done may have changed what the page shows.
        if matches!(self.page, Page::Outcome(..)) {
            return self.follow(Choice::Go(parent));
        }
        self.go(parent);
        None
    }

    fn follow(&mut self, choice: Choice) -> Option<Effect> {
        match choice {
            Choice::Back => self.back(),
            Choice::Go(page) if page.needs_stored() => {
                self.message = None;
                self.work = Some(Work::Load(page));
                Some(Effect::Load)
            }
            Choice::Go(page) => {
                self.go(page);
                None
            }
            Choice::Do(effect) => {
                self.message = None;
                self.work = Some(Work::Act);
                Some(effect)
            }
        }
    }

    fn answer(&mut self, text: &Secret<String>) -> Option<Effect> {
        match ask::answer(self, text) {
            Ok(choice) => {
                self.typed = empty();
                self.follow(choice)
            }
            Err(message) => {
                if self.is_secret() {
                    self.typed = empty();
                }
                self.message = Some(message);
                None
            }
        }
    }

    fn edit(&mut self, key: Key) -> Option<Effect> {
        match key {
            Key::Enter => {
                let typed = self.typed.clone();
                if typed.expose().trim().is_empty() {
                    return self.back();
                }
                return self.answer(&typed);
            }
            Key::Char(character)
                if self.typed.expose().len() + character.len_utf8() <= MAX_TYPED =>
            {
                // With room for both the old text is wiped where it was and not left behind.
                let old = self.typed.expose();
                let mut text = String::with_capacity(old.len() + character.len_utf8());
                text.push_str(old);
                text.push(character);
                self.typed = Secret::new(text);
            }
            Key::Char(_) => self.message = Some("That is too long.".to_owned()),
            Key::Backspace => {
                let mut text = self.typed.expose().clone();
                text.pop();
                self.typed = Secret::new(text);
            }
            Key::ClearLine => self.typed = empty(),
            _ => {}
        }
        None
    }

    fn pick(&mut self, key: Key, entries: &[Entry]) -> Option<Effect> {
        let last = entries.len() - 1;
        // The menu may have become shorter since.
        let selected = self.selected.min(last);
        self.selected = match key {
            Key::Up => selected.checked_sub(1).unwrap_or(last),
            Key::Down if selected == last => 0,
            Key::Down => selected + 1,
            Key::Home | Key::PageUp => 0,
            Key::End | Key::PageDown => last,
            Key::Enter => return self.follow(entries[selected].choice.clone()),
            Key::Char(digit) => {
                let index = digit.to_digit(10).and_then(|n| n.checked_sub(1));
                let entry = index.and_then(|index| entries.get(usize::try_from(index).ok()?));
                match entry {
                    Some(entry) => return self.follow(entry.choice.clone()),
                    None => selected,
                }
            }
            _ => selected,
        };
        None
    }

    /// On a page that is only read.
    fn read(&mut self, key: Key) -> Option<Effect> {
        let last = self.view().lines.len().saturating_sub(1);
        self.scroll = match key {
            Key::Up => self.scroll.saturating_sub(1),
            Key::Down => (self.scroll + 1).min(last),
            Key::PageUp => self.scroll.saturating_sub(PAGE_LINES),
            Key::PageDown | Key::Char(' ') => (self.scroll + PAGE_LINES).min(last),
            Key::Home => 0,
            Key::End => last.saturating_sub(PAGE_LINES),
            Key::Enter | Key::Backspace => return self.back(),
            _ => self.scroll,
        };
        None
    }
}

fn empty() -> Secret<String> {
    Secret::new(String::new())
}

/// Where addresses come from, in words.
pub(crate) fn addressing_text(addressing: &AddressingConfig) -> String {
    match addressing {
        AddressingConfig::Adopt => "what is there".to_owned(),
        AddressingConfig::Dhcp => "automatic (DHCP)".to_owned(),
        AddressingConfig::Static {
            address,
            gateway: Some(gateway),
        } => format!("{address} via {gateway}"),
        AddressingConfig::Static {
            address,
            gateway: None,
        } => address.to_string(),
    }
}
