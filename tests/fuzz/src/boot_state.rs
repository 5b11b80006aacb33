//! The loader's four files after whatever may have happened to them: what is read, and what a repair makes of them.

use std::collections::BTreeMap;

use cell_updates::boot_state::fake::MemoryFiles;
use cell_updates::boot_state::{
    BLOCK_SIZE, BootState, GrubBootState, Health, Loader, Mode, Running, Selection, Slot,
    StateFile, Tries, decode, encode, first_files,
};

use crate::Target;
use crate::input::Input;

pub(crate) const TARGET: Target = Target {
    name: "boot_state",
    input: "what runs, then four files: a kind, a length (2), and bytes of a file or of its text",
    // Four whole files.
    longest: 1 + 4 * (3 + BLOCK_SIZE),
    run,
    seeds,
};

fn run(bytes: &[u8]) {
    let mut input = Input(bytes);
    let (running, health) = running(input.byte());
    let mut content = BTreeMap::new();
    for file in StateFile::ALL {
        content.extend(taken(&mut input).map(|bytes| (file, bytes)));
    }
    content.values().for_each(|bytes| read_as_written(bytes));

    let before = loader(&content);
    let files = MemoryFiles::new(content);
    let state = GrubBootState::with_running(&files, running);
    state
        .wanted()
        .expect("files that are not whole are no error");
    state.repair(health).expect("memory can be written");
    let repaired = files.content();
    for [first, second] in [StateFile::SELECTIONS, StateFile::TRIES] {
        assert!(decode(&repaired[&first]).is_some());
        assert_eq!(repaired[&first], repaired[&second]);
    }
    let after = loader(&repaired);
    assert!(after.selection_copy.is_some() && after.tries_copy.is_some());
    if before.selection_copy.is_some() {
        assert_eq!(after.selection.primary, before.selection.primary);
    }
    let again = state.repair(health).expect("memory can be written");
    assert!(again.rewritten.is_empty(), "{before:?} {again:?}");
}

/// A text that is understood is the one that would be written for it.
fn read_as_written(block: &[u8]) {
    let Some(text) = decode(block) else { return };
    let selection = Selection::parse(&text).map(|selection| selection.to_string());
    let tries = Tries::parse(&text).map(|tries| tries.to_string());
    assert!(selection.is_none() || tries.is_none(), "{text}");
    for written in selection.into_iter().chain(tries) {
        assert_eq!(written, text);
        assert_eq!(decode(&encode(&written)), Some(written));
    }
}

fn loader(content: &BTreeMap<StateFile, Vec<u8>>) -> Loader {
    Loader::read(|file| content.get(&file).cloned())
}

fn running(bits: u8) -> (Running, Health) {
    let running = Running {
        slot: Slot::ALL[usize::from(bits & 1)],
        mode: match bits >> 1 & 3 {
            0 | 1 => Mode::Normal,
            2 => Mode::Trial,
            _ => Mode::Recovery,
        },
        select: String::new(),
    };
    let health = match bits >> 3 & 1 {
        0 => Health::Starting,
        _ => Health::Healthy,
    };
    (running, health)
}

/// A missing file, one as it is, or one with a text.
fn taken(input: &mut Input<'_>) -> Option<Vec<u8>> {
    let kind = input.byte();
    let length = usize::from(input.byte()) | usize::from(input.byte()) << 8;
    let bytes = input.bytes(length % (BLOCK_SIZE + 1));
    match kind % 3 {
        0 => None,
        1 => Some(bytes.to_vec()),
        _ => {
            let text = String::from_utf8_lossy(bytes);
            let fits = text.len() < BLOCK_SIZE / 4;
            Some(encode(if fits { &text } else { "" }))
        }
    }
}

fn seeds() -> Vec<Vec<u8>> {
    let texts = [
        [
            "000012.a.b.-.---",
            "000012.a.b.-.bf3",
            "0007.000012.p1.--",
            "0008.000012.p0.-b",
        ],
        [
            "000013.a.b.b.---",
            "000012.a.-.-.ag0",
            "0001.000013.t3.--",
            "9999.000012.o2.ab",
        ],
        [
            "999999.b.a.a.bp1",
            "000001.b.-.-.au0",
            "0000.999999.r2.a-",
            "0000.000001.t0.--",
        ],
        [
            "000000.a.b.-.---",
            "000013.a.a.-.---",
            "0000.000000.p4.--",
            "10000.000012.p1.--",
        ],
    ];
    let mut seeds = Vec::new();
    for (number, texts) in texts.iter().enumerate() {
        for state in [number as u8, 4 + number as u8, 8 + number as u8] {
            let mut seed = vec![state];
            texts
                .iter()
                .for_each(|text| seed.extend(file(2, text.as_bytes())));
            seeds.push(seed);
        }
    }
    // As an image has them; as a power cut leaves one; none at all.
    let files = first_files(Some(Slot::B));
    let mut whole = vec![0];
    files
        .values()
        .for_each(|block| whole.extend(file(1, block)));
    let mut torn = whole.clone();
    torn[BLOCK_SIZE - 20..BLOCK_SIZE].fill(0);
    seeds.extend([whole, torn, vec![12]]);
    seeds
}

fn file(kind: u8, bytes: &[u8]) -> Vec<u8> {
    let length = (bytes.len() as u16).to_le_bytes();
    [&[kind][..], &length, bytes].concat()
}
