//! The two texts that system and loader exchange, of fixed width so that a copy is overwritten in place.
//!
//! ```text
//! selection   000012.a.b.-.bf3      number . primary . other . trial . last outcome
//! tries       0007.000012.p1.-b     count . number of the selection . step . slots that could not be loaded
//! ```
//!
//! The higher number, or count, is the newer copy: GRUB compares them as text. `-` stands for none.

use std::collections::BTreeSet;
use std::fmt;

use super::Slot;

/// What the system wants booted. `/cell/sel0` and `/cell/sel1`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selection {
    /// Rises with every change; 1 to 999,999. The loader takes 0 for "there is none".
    pub number: u32,
    /// The committed slot.
    pub primary: Slot,
    /// The opposite slot if it may be fallen back to.
    pub other: Option<Slot>,
    /// The opposite slot if it is to be tried.
    pub trial: Option<Slot>,
    /// What came of the last trial.
    pub last: Option<Outcome>,
}

impl Selection {
    /// What the loader takes when no copy is whole: `a`, then `b`.
    pub fn unknown() -> Self {
        Self {
            number: 0,
            primary: Slot::A,
            other: Some(Slot::B),
            trial: None,
            last: None,
        }
    }

    /// Reads what [`Display`](fmt::Display) wrote.
    pub fn parse(text: &str) -> Option<Self> {
        let [number, primary, other, trial, last] = fields(text)?;
        let primary = letter(primary)??;
        let opposite = |text| match letter(text)? {
            Some(slot) if slot == primary => None,
            slot => Some(slot),
        };
        Some(Self {
            number: digits(number, 6).filter(|number| *number > 0)?,
            primary,
            other: opposite(other)?,
            trial: opposite(trial)?,
            last: Outcome::parse(last)?,
        })
    }

    /// The number of the selection that follows. After a million changes it starts again at 1.
    pub fn next_number(number: u32) -> u32 {
        number % MAX_NUMBER + 1
    }
}

const MAX_NUMBER: u32 = 999_999;

impl fmt::Display for Selection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:06}.{}.{}.{}.",
            self.number,
            self.primary,
            or_dash(self.other),
            or_dash(self.trial)
        )?;
        match self.last {
            None => f.write_str("---"),
            Some(last) => write!(f, "{}{}{}", last.slot, last.end.letter(), last.tries),
        }
    }
}

/// What came of a trial.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outcome {
    /// The slot tried.
    pub slot: Slot,
    /// How it ended.
    pub end: TrialEnd,
    /// How often it was started, 0 to 3.
    pub tries: u8,
}

/// How a trial ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TrialEnd {
    /// Committed.
    Passed,
    /// Started three times and never committed.
    Failed,
    /// The loader could not load it.
    Unreadable,
    /// Taken back by the system.
    GivenUp,
    /// The loader's files were lost while it was on.
    Lost,
}

impl TrialEnd {
    fn letter(self) -> char {
        match self {
            Self::Passed => 'p',
            Self::Failed => 'f',
            Self::Unreadable => 'u',
            Self::GivenUp => 'g',
            Self::Lost => 'l',
        }
    }
}

impl Outcome {
    /// None when the text is no outcome; `Some(None)` for `---`.
    fn parse(text: &str) -> Option<Option<Self>> {
        if text == "---" {
            return Some(None);
        }
        let mut letters = text.chars();
        let slot = slot(letters.next()?)??;
        let end = match letters.next()? {
            'p' => TrialEnd::Passed,
            'f' => TrialEnd::Failed,
            'u' => TrialEnd::Unreadable,
            'g' => TrialEnd::GivenUp,
            'l' => TrialEnd::Lost,
            _ => return None,
        };
        let tries = up_to_three(letters.next()?)?;
        let outcome = Self { slot, end, tries };
        letters.next().is_none().then_some(Some(outcome))
    }
}

impl fmt::Display for Outcome {
    /// `last trial of slot b failed after 3 tries`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "last trial of slot {} ", self.slot)?;
        let tries = match self.tries {
            1 => "1 try".to_owned(),
            tries => format!("{tries} tries"),
        };
        match self.end {
            TrialEnd::Passed => write!(f, "passed after {tries}"),
            TrialEnd::Failed => write!(f, "failed after {tries}"),
            TrialEnd::Unreadable => f.write_str("failed: it could not be loaded"),
            TrialEnd::GivenUp => write!(f, "was taken back after {tries}"),
            TrialEnd::Lost => f.write_str("failed: the count of its tries was lost"),
        }
    }
}

/// How far the loader has come. `/cell/tries0` and `/cell/tries1`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tries {
    /// Rises with every write, 0 to 9,999 and around.
    pub count: u16,
    /// The number of the selection that this belongs to.
    pub selection: u32,
    /// The step of the last start.
    pub step: Step,
    /// Slots that could not be loaded since the last healthy start.
    pub unreadable: BTreeSet<Slot>,
}

impl Tries {
    /// Reads what [`Display`](fmt::Display) wrote.
    pub fn parse(text: &str) -> Option<Self> {
        let [count, selection, step, unreadable] = fields(text)?;
        let unreadable = match unreadable {
            "--" => vec![],
            "a-" => vec![Slot::A],
            "-b" => vec![Slot::B],
            "ab" => vec![Slot::A, Slot::B],
            _ => return None,
        };
        Some(Self {
            count: digits(count, 4)?.try_into().ok()?,
            selection: digits(selection, 6)?,
            step: Step::parse(step)?,
            unreadable: unreadable.into_iter().collect(),
        })
    }

    /// The count of the write that follows.
    pub fn next_count(count: u16) -> u16 {
        (count + 1) % 10_000
    }
}

impl fmt::Display for Tries {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}.{:06}.{}.", self.count, self.selection, self.step)?;
        for slot in Slot::ALL {
            write!(f, "{}", or_dash(self.unreadable.get(&slot).copied()))?;
        }
        Ok(())
    }
}

/// A place in the cycle: the stage, and which of its tries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Step {
    /// What is booted.
    pub stage: Stage,
    /// 0 before the first try of the stage, then 1 to 3.
    pub tries: u8,
}

/// What a step boots.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Stage {
    /// The slot on trial.
    Trial,
    /// The committed slot.
    Primary,
    /// The other slot.
    Other,
    /// A recovery: first the primary's, then the opposite slot's.
    Recovery,
}

impl Stage {
    const LETTERS: [(Self, char); 4] = [
        (Self::Trial, 't'),
        (Self::Primary, 'p'),
        (Self::Other, 'o'),
        (Self::Recovery, 'r'),
    ];
}

impl Step {
    /// Before the first try of a stage.
    pub const fn before(stage: Stage) -> Self {
        Self { stage, tries: 0 }
    }

    /// The step of the next start.
    #[must_use]
    pub fn next(self) -> Self {
        let last = match self.stage {
            Stage::Recovery => 2,
            _ => 3,
        };
        if self.tries < last {
            return Self {
                tries: self.tries + 1,
                ..self
            };
        }
        let stage = match self.stage {
            Stage::Trial | Stage::Recovery => Stage::Primary,
            Stage::Primary => Stage::Other,
            Stage::Other => Stage::Recovery,
        };
        Self { stage, tries: 1 }
    }

    /// The same, with the tries of its stage used up: where the loader goes on from a slot that cannot be loaded.
    /// A recovery's two tries are of two slots.
    #[must_use]
    pub fn spent(self) -> Self {
        match self.stage {
            Stage::Recovery => self,
            _ => Self { tries: 3, ..self },
        }
    }

    /// Reads what [`Display`](fmt::Display) wrote.
    pub fn parse(text: &str) -> Option<Self> {
        let mut letters = text.chars();
        let (first, tries) = (letters.next()?, up_to_three(letters.next()?)?);
        let (stage, _) = Stage::LETTERS.iter().find(|(_, letter)| *letter == first)?;
        let step = Self {
            stage: *stage,
            tries,
        };
        letters.next().is_none().then_some(step)
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (stage, letter) in Stage::LETTERS {
            if stage == self.stage {
                write!(f, "{letter}{}", self.tries)?;
            }
        }
        Ok(())
    }
}

fn fields<const N: usize>(text: &str) -> Option<[&str; N]> {
    text.split('.').collect::<Vec<_>>().try_into().ok()
}

fn digits(text: &str, width: usize) -> Option<u32> {
    let fits = text.len() == width && text.bytes().all(|byte| byte.is_ascii_digit());
    fits.then(|| text.parse().ok())?
}

fn up_to_three(letter: char) -> Option<u8> {
    let number = u8::try_from(letter.to_digit(4)?).ok()?;
    Some(number)
}

/// None for what is no slot; `Some(None)` for a dash.
fn slot(letter: char) -> Option<Option<Slot>> {
    match letter {
        'a' => Some(Some(Slot::A)),
        'b' => Some(Some(Slot::B)),
        '-' => Some(None),
        _ => None,
    }
}

fn letter(text: &str) -> Option<Option<Slot>> {
    let mut letters = text.chars();
    let slot = slot(letters.next()?)?;
    letters.next().is_none().then_some(slot)
}

fn or_dash(slot: Option<Slot>) -> char {
    slot.map_or('-', Slot::letter)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_survive_being_read_and_written() {
        for text in [
            "000001.a.b.-.---",
            "000012.b.a.a.ap1",
            "999999.a.-.b.bf3",
            "000002.b.-.-.au0",
            "000003.b.a.-.ag2",
            "000004.b.-.-.al0",
        ] {
            assert_eq!(Selection::parse(text).unwrap().to_string(), text);
        }
        for text in [
            "0000.000000.t0.--",
            "9999.999999.r2.ab",
            "0010.000007.o3.-b",
        ] {
            assert_eq!(Tries::parse(text).unwrap().to_string(), text);
        }
    }

    #[test]
    fn what_is_no_record_is_not_read() {
        for text in [
            "",
            "000001.a.b.-",
            "000001.a.a.-.---",
            "000001.a.b.a.---",
            "000001.-.b.-.---",
            "000001.a.b.-.bf4",
            "000001.a.b.-.bf31",
            "000001.a.b.-.-f3",
            "00001.a.b.-.---",
            "+00001.a.b.-.---",
            "000001.a.b.-.---.",
            "000001.aa.b.-.---",
            "000000.a.b.-.---",
        ] {
            assert_eq!(Selection::parse(text), None, "{text}");
        }
        for text in [
            "",
            "0000.000000.t4.--",
            "0000.000000.x0.--",
            "0000.000000.t0.b-",
            "000.000000.t0.--",
            "0000.000000.t0.-",
            "0000.000000.t01.--",
        ] {
            assert_eq!(Tries::parse(text), None, "{text}");
        }
    }

    #[test]
    fn cycle_gives_three_tries_each_and_starts_over() {
        let mut step = Step::before(Stage::Trial);
        let mut seen = Vec::new();
        for _ in 0..15 {
            step = step.next();
            seen.push(step.to_string());
        }
        assert_eq!(
            seen.join(" "),
            "t1 t2 t3 p1 p2 p3 o1 o2 o3 r1 r2 p1 p2 p3 o1"
        );
    }

    #[test]
    fn a_slot_that_cannot_be_loaded_uses_up_its_stage() {
        let next = |text| Step::parse(text).unwrap().spent().next().to_string();
        let steps = ["t1", "p1", "o2", "r1", "r2"];
        assert_eq!(steps.map(next), ["p1", "o1", "r1", "r2", "p1"]);
    }

    #[test]
    fn numbers_stay_within_their_width() {
        assert_eq!(Selection::next_number(0), 1);
        assert_eq!(Selection::next_number(999_999), 1);
        assert_eq!(Tries::next_count(9_999), 0);
    }

    #[test]
    fn outcome_reads_as_a_sentence() {
        let of = |text: &str| Selection::parse(text).unwrap().last.unwrap().to_string();
        assert_eq!(
            of("000001.a.-.-.bf3"),
            "last trial of slot b failed after 3 tries"
        );
        assert_eq!(
            of("000001.a.-.-.bu0"),
            "last trial of slot b failed: it could not be loaded"
        );
        assert_eq!(
            of("000001.b.a.-.bp1"),
            "last trial of slot b passed after 1 try"
        );
        assert_eq!(
            of("000001.b.a.-.ag2"),
            "last trial of slot a was taken back after 2 tries"
        );
    }
}
