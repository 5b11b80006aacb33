//! Power cuts inside every write of every operation, over every state of the files, and what then boots.
#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on should say so at once"
)]

use std::collections::{BTreeMap, HashSet};

use cell_updates::boot_state::fake::MemoryFiles;
use cell_updates::boot_state::{
    BLOCK_SIZE, BootState, BootStateError, GrubBootState, Health, Loader, Mode, Running, Slot,
    Start, StateFile, Tries, encode,
};
use proptest::prelude::*;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operation {
    Withdraw,
    Restore,
    BeginTrial,
    Commit,
    Rollback,
    RepairStarting,
    RepairHealthy,
}

impl Operation {
    const ALL: [Self; 7] = [
        Self::Withdraw,
        Self::Restore,
        Self::BeginTrial,
        Self::Commit,
        Self::Rollback,
        Self::RepairStarting,
        Self::RepairHealthy,
    ];

    fn perform(self, files: &MemoryFiles, running: &Running) -> Result<(), BootStateError> {
        let state = GrubBootState::with_running(files, running.clone());
        match self {
            Self::Withdraw => state.withdraw_other(),
            Self::Restore => state.restore_other(),
            Self::BeginTrial => state.begin_trial(running.slot.opposite()),
            Self::Commit => state.commit(),
            Self::Rollback => state.rollback(),
            Self::RepairStarting => state.repair(Health::Starting).map(drop),
            Self::RepairHealthy => state.repair(Health::Healthy).map(drop),
        }
    }
}

type Content = BTreeMap<StateFile, Vec<u8>>;

fn whole(selection: &str, tries: &str) -> Content {
    let [selection, tries] = [selection, tries].map(encode);
    let copies = [selection.clone(), selection, tries.clone(), tries];
    StateFile::ALL.into_iter().zip(copies).collect()
}

fn loader(content: &Content) -> Loader {
    Loader::read(|file| content.get(&file).cloned())
}

fn next(content: &Content) -> Start {
    loader(content).next()
}

fn running(start: Start) -> Running {
    Running {
        slot: start.slot,
        mode: start.mode,
        select: "1".to_owned(),
    }
}

/// What the box may be in the middle of: selection and tries as they are when a system has just been booted.
const SITUATIONS: [(&str, &str, Start); 9] = [
    (
        "000012.a.b.-.---",
        "0007.000012.p1.--",
        start(Slot::A, Mode::Normal),
    ),
    (
        "000012.a.-.-.bf3",
        "0007.000012.p2.--",
        start(Slot::A, Mode::Normal),
    ),
    (
        "000012.a.b.b.---",
        "0007.000011.p0.--",
        start(Slot::A, Mode::Normal),
    ),
    (
        "000012.a.b.b.---",
        "0007.000012.t1.--",
        start(Slot::B, Mode::Trial),
    ),
    (
        "000012.a.b.b.---",
        "0007.000012.t3.--",
        start(Slot::B, Mode::Trial),
    ),
    (
        "000012.a.b.b.---",
        "0007.000012.p1.-b",
        start(Slot::A, Mode::Normal),
    ),
    (
        "000012.b.a.-.bp1",
        "0007.000012.o1.--",
        start(Slot::A, Mode::Normal),
    ),
    (
        "000012.b.a.-.---",
        "0007.000012.r1.ab",
        start(Slot::B, Mode::Recovery),
    ),
    (
        "000012.b.a.-.---",
        "0007.000012.r2.--",
        start(Slot::A, Mode::Recovery),
    ),
];

const fn start(slot: Slot, mode: Mode) -> Start {
    Start { slot, mode }
}

#[test]
fn an_operation_cut_short_after_any_byte_is_done_or_not_done() {
    for (selection, tries, start) in SITUATIONS {
        let before = whole(selection, tries);
        for operation in Operation::ALL {
            let done = MemoryFiles::new(before.clone());
            if operation.perform(&done, &running(start)).is_err() {
                assert_eq!(done.content(), before, "{operation:?} was refused");
                continue;
            }
            let selections = [&before, &done.content()].map(|content| loader(content).selection);
            let starts = [next(&before), next(&done.content())];
            let mut last = before.clone();
            for cut in 0..=8 * BLOCK_SIZE {
                let files = MemoryFiles::new(before.clone());
                files.cut_after(cut);
                let is_done = operation.perform(&files, &running(start)).is_ok();
                files.power_on();
                let context = format!("{selection} {tries} {operation:?} cut after {cut}");
                let after = files.content();
                if is_done {
                    assert_eq!(after, done.content(), "{context}");
                    break;
                }
                // Most bytes are filling and change nothing.
                if std::mem::replace(&mut last, after.clone()) == after && cut > 0 {
                    continue;
                }
                assert!(selections.contains(&loader(&after).selection), "{context}");
                // Between the two files of a repair, old tries are void: the stage begins again, on the same slot.
                let next = next(&after);
                let begins_again =
                    next == Start {
                        mode: Mode::Normal,
                        slot: selections[1].primary,
                    } && operation != Operation::BeginTrial;
                assert!(
                    starts.contains(&next) || begins_again,
                    "{context}: {next:?}"
                );

                GrubBootState::with_running(&files, running(start))
                    .repair(Health::Starting)
                    .unwrap();
                assert_copies_agree(&files.content(), &context);
            }
        }
    }
}

fn assert_copies_agree(content: &Content, context: &str) {
    let [sel0, sel1, tries0, tries1] = StateFile::ALL.map(|file| content.get(&file));
    assert!(sel0 == sel1 && tries0 == tries1, "{context}");
    assert!(loader(content).selection_copy.is_some(), "{context}");
    assert!(loader(content).tries.is_some(), "{context}");
}

#[test]
fn a_start_cut_short_after_any_byte_is_counted_or_not_counted() {
    for (selection, tries, _) in SITUATIONS {
        let before = whole(selection, tries);
        let counted = MemoryFiles::new(before.clone());
        let start = counted.load(0, |_| true, usize::MAX).unwrap();
        let starts = [Some(start), counted.load(0, |_| true, usize::MAX)];
        for cut in 0..2 * BLOCK_SIZE {
            let files = MemoryFiles::new(before.clone());
            assert_eq!(files.load(0, |_| true, cut), None, "the power failed first");
            let context = format!("{selection} {tries} cut after {cut}");
            assert!(
                starts.contains(&files.load(0, |_| true, usize::MAX)),
                "{context}"
            );
        }
    }
}

/// Within the second text of a block, between count and number.
const TEAR: usize = BLOCK_SIZE - 13;

/// Every state a copy may be in: as last written, as before that, torn, zeroed, missing.
fn states(new: &str, old: &str) -> [Option<Vec<u8>>; 5] {
    let (new, old) = (encode(new), encode(old));
    let torn = [&new[..TEAR], &old[TEAR..]].concat();
    assert_eq!(cell_updates::boot_state::decode(&torn), None);
    [
        Some(new),
        Some(old),
        Some(torn),
        Some(vec![0; BLOCK_SIZE]),
        None,
    ]
}

/// All 625 states of four files.
fn damaged(selection: &str, tries: &str) -> Vec<Content> {
    let selections = states(selection, "000011.b.-.-.bp1");
    let tries = states(tries, "0006.000011.p2.--");
    let mut all = Vec::new();
    for index in 0..625 {
        let state = |place: usize| index / 5_usize.pow(u32::try_from(place).unwrap()) % 5;
        let mut content = Content::new();
        for (place, file) in StateFile::ALL.into_iter().enumerate() {
            let copies = if place < 2 { &selections } else { &tries };
            content.extend(copies[state(place)].clone().map(|copy| (file, copy)));
        }
        all.push(content);
    }
    all
}

#[test]
fn something_boots_in_every_state_of_the_files_and_repair_makes_them_whole() {
    for (selection, tries, _) in SITUATIONS {
        for content in damaged(selection, tries) {
            for dice in [0, 6, 8, 9] {
                let files = MemoryFiles::new(content.clone());
                let start = files.load(dice, |_| true, usize::MAX).unwrap();
                let state = GrubBootState::with_running(&files, running(start));
                state.repair(Health::Starting).unwrap();
                let context = format!("{selection} {tries} {start:?}");
                assert_copies_agree(&files.content(), &context);
                let again = state.repair(Health::Starting).unwrap();
                assert_eq!(again, Default::default(), "{context}");
            }
        }
    }
}

#[test]
fn only_a_slot_that_loads_boots_in_every_state_of_the_files() {
    for (selection, tries, _) in SITUATIONS {
        for content in damaged(selection, tries) {
            for slot in Slot::ALL {
                let files = MemoryFiles::new(content.clone());
                let start = files.load(0, |tried| tried == slot, usize::MAX).unwrap();
                assert_eq!(start.slot, slot, "{selection} {tries}");
            }
            let files = MemoryFiles::new(content.clone());
            assert_eq!(files.load(0, |_| false, usize::MAX), None);
        }
    }
}

#[test]
fn an_operation_cut_short_over_any_damage_leaves_something_that_boots() {
    let cuts = [0, 1, 3].map(|writes| writes * BLOCK_SIZE + TEAR);
    for (selection, tries, start) in SITUATIONS {
        for content in damaged(selection, tries) {
            let is_known = loader(&content).selection_copy.is_some();
            let is_counted = loader(&content).tries.is_some();
            for operation in Operation::ALL {
                for cut in cuts {
                    let files = MemoryFiles::new(content.clone());
                    files.cut_after(cut);
                    let _ = operation.perform(&files, &running(start));
                    files.power_on();
                    let after = loader(&files.content());
                    // A whole copy is never overwritten before there is another.
                    assert!(!is_known || after.selection_copy.is_some());
                    assert!(!is_counted || after.tries.is_some());
                    assert!(files.load(0, |_| true, usize::MAX).is_some());
                }
            }
        }
    }
}

#[test]
fn a_box_that_never_comes_up_tries_everything_and_starts_over() {
    for (selection, tries, _) in SITUATIONS {
        for content in damaged(selection, tries) {
            let files = MemoryFiles::new(content.clone());
            let cycle = loader(&content).selection;
            let mut seen = HashSet::new();
            let mut trials = 0;
            // Whatever the step was, two cycles are enough.
            for start_number in 0..22 {
                // A clock whose seconds move on.
                let dice = start_number % 10;
                let start = files.load(dice, |_| true, usize::MAX).unwrap();
                seen.insert(start);
                trials += u32::from(start.mode == Mode::Trial);
            }
            assert!(trials <= 3, "{trials} trials");
            let primary = cycle.primary;
            for start in [
                start(primary, Mode::Normal),
                start(primary, Mode::Recovery),
                start(primary.opposite(), Mode::Recovery),
            ] {
                assert!(seen.contains(&start), "{start:?}");
            }
            // What is on trial is not booted as if it were not, while nothing can be counted.
            let other = start(primary.opposite(), Mode::Normal);
            let is_due = cycle.other.is_some() && cycle.trial.is_none();
            assert!(!is_due || seen.contains(&other));
        }
    }
}

/// What can happen to a box, in any order.
#[derive(Debug, Clone, Copy)]
enum Event {
    /// Power on, with the power failing within the loader after so many bytes.
    Start { cut: Option<usize> },
    /// The running system does something, with the power failing after so many bytes.
    Operation {
        operation: Operation,
        cut: Option<usize>,
    },
    /// A file is lost, while the other copy is as good.
    Lose { file: StateFile, zeroed: bool },
}

fn event() -> impl Strategy<Value = Event> {
    let cut = || prop_oneof![3 => Just(None), 1 => (0..2 * BLOCK_SIZE).prop_map(Some), 1 => (BLOCK_SIZE - 50..BLOCK_SIZE).prop_map(Some)];
    prop_oneof![
        4 => cut().prop_map(|cut| Event::Start { cut }),
        4 => (prop::sample::select(&Operation::ALL[..]), cut())
            .prop_map(|(operation, cut)| Event::Operation { operation, cut }),
        1 => (prop::sample::select(&StateFile::ALL[..]), any::<bool>())
            .prop_map(|(file, zeroed)| Event::Lose { file, zeroed }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..Default::default() })]

    #[test]
    fn whatever_happens_a_trial_has_three_starts_at_most(events in prop::collection::vec(event(), 1..60)) {
        let files = MemoryFiles::new(whole("000001.a.b.-.---", "0000.000001.p0.--"));
        let mut now = Some(start(Slot::A, Mode::Normal));
        let mut trials: BTreeMap<u32, u32> = BTreeMap::new();
        for event in events {
            match event {
                Event::Start { cut } => {
                    now = files.load(0, |_| true, cut.unwrap_or(usize::MAX));
                    prop_assert!(now.is_some() || cut.is_some());
                    if let Some(Start { mode: Mode::Trial, slot }) = now {
                        let content = files.content();
                        prop_assert_eq!(loader(&content).selection.trial, Some(slot));
                        let tries = trials.entry(loader(&content).selection.number).or_default();
                        *tries += 1;
                        prop_assert!(*tries <= 3);
                    }
                }
                Event::Operation { operation, cut } => {
                    let Some(start) = now else { continue };
                    cut.into_iter().for_each(|cut| files.cut_after(cut));
                    let result = operation.perform(&files, &running(start));
                    files.power_on();
                    if cut.is_some() && matches!(result, Err(BootStateError::Write { .. })) {
                        now = None;
                    }
                }
                Event::Lose { file, zeroed } => {
                    let pair = [StateFile::SELECTIONS, StateFile::TRIES];
                    let [first, second] = pair.into_iter().find(|pair| pair.contains(&file)).unwrap();
                    let spare = if file == first { second } else { first };
                    let content = files.content();
                    let same = content.get(&spare) == content.get(&file);
                    if same {
                        files.put(file, zeroed.then(|| vec![0; BLOCK_SIZE]));
                    }
                }
            }
            let content = files.content();
            // The loader writes on with one copy of the tries, so a cut may take that one; the system never does.
            prop_assert!(loader(&content).selection_copy.is_some());
        }
    }
}

#[test]
fn tries_of_another_selection_never_end_a_new_trial() {
    let files = MemoryFiles::new(whole("000012.a.b.-.---", "0007.000012.p3.--"));
    GrubBootState::with_running(&files, running(start(Slot::A, Mode::Normal)))
        .begin_trial(Slot::B)
        .unwrap();
    let starts = [(); 4].map(|()| files.load(0, |_| true, usize::MAX).unwrap());
    let modes = starts.map(|start| start.mode);
    assert_eq!(modes, [Mode::Trial, Mode::Trial, Mode::Trial, Mode::Normal]);
    let tries = loader(&files.content()).tries.unwrap();
    assert_eq!(tries, Tries::parse(&tries.to_string()).unwrap());
}
