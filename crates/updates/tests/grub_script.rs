//! The shipped loader script in GRUB itself, held against the Rust model in every state of the files.
#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on should say so at once"
)]

mod emulator;

use std::collections::{BTreeMap, BTreeSet};

use cell_updates::boot_state::fake::MemoryFiles;
use cell_updates::boot_state::{
    BLOCK_SIZE, Loader, Mode, Selection, Slot, Start, StateFile, Tries, decode, encode,
};

use emulator::{Case, DISKS, Entry, Fault, Seen, Template};

/// How a copy may be.
const STATES: [State; 5] = [
    State::Whole,
    State::Older,
    State::Torn,
    State::Zeroed,
    State::Missing,
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Whole,
    Older,
    Torn,
    Zeroed,
    Missing,
}

impl State {
    /// A copy whose last write was `new`, after `old`; `seed` says where it tore.
    fn copy(self, new: &str, old: &str, seed: usize) -> Option<Vec<u8>> {
        match self {
            Self::Whole => Some(encode(new)),
            Self::Older => Some(encode(old)),
            Self::Torn => Some(torn(new, old, seed)),
            Self::Zeroed => Some(vec![0; BLOCK_SIZE]),
            Self::Missing => None,
        }
    }

    fn is_whole(self) -> bool {
        matches!(self, Self::Whole | Self::Older)
    }
}

/// A write that stopped after one of its bytes that differ.
fn torn(new: &str, old: &str, seed: usize) -> Vec<u8> {
    let (new, old) = (encode(new), encode(old));
    let differing: Vec<usize> = (0..BLOCK_SIZE).filter(|at| new[*at] != old[*at]).collect();
    // The last one would make it whole.
    let cut = differing[seed % (differing.len() - 1)] + 1;
    [&new[..cut], &old[cut..]].concat()
}

/// Every selection: primary, and with another slot, without one, with a trial. The one before it differs in all.
const SELECTIONS: [(&str, &str); 6] = [
    ("000012.a.b.-.---", "000011.b.-.a.bf3"),
    ("000012.a.-.-.bf3", "000011.a.b.b.---"),
    ("000012.a.b.b.---", "000011.b.a.-.bp1"),
    ("000012.b.a.-.bp2", "000011.a.b.b.---"),
    ("000012.b.-.-.ag1", "000011.b.a.a.---"),
    ("000012.b.a.a.---", "000011.a.b.-.---"),
];

/// Tries of this selection and of the ones before, where a stage ends, and where digits of the count carry.
const TRIES: [(&str, &str); 6] = [
    ("0010.000012.t0.--", "0009.000011.p1.--"),
    ("1000.000012.t3.-b", "0999.000012.t2.--"),
    ("0010.000012.p0.--", "0009.000012.p1.a-"),
    ("0020.000012.p3.--", "0019.000012.p2.--"),
    ("0100.000012.o3.ab", "0099.000012.o2.--"),
    ("0010.000011.p2.--", "0009.000000.p1.--"),
];

/// Runs the cases and compares what the script did, and what it left in the files, with the model.
fn agree(template: &Template, cases: &[Case]) {
    std::thread::scope(|scope| {
        let half = cases.len().div_ceil(2).max(1);
        for cases in cases.chunks(half) {
            scope.spawn(|| {
                for batch in cases.chunks(DISKS) {
                    for (case, seen) in batch.iter().zip(template.run(batch)) {
                        assert_eq!(seen, modelled(case, &seen), "{}", shown(case));
                    }
                }
            });
        }
    });
}

fn modelled(case: &Case, seen: &Seen) -> Seen {
    let files = MemoryFiles::new(case.files.clone());
    let loads = |slot| !case.faults.contains_key(&slot);
    Seen {
        start: files.load(case.dice, loads, usize::MAX),
        files: files.content(),
        arguments: seen.arguments.clone(),
        reads: Vec::new(),
    }
}

fn shown(case: &Case) -> String {
    let files = case.files.iter().map(|(file, content)| {
        format!(
            "{file}: {}",
            content[..100.min(content.len())].escape_ascii()
        )
    });
    format!("{case:?}\n{}", files.collect::<Vec<_>>().join("\n"))
        .replace(", 35", "")
        .replace(", 0", "")
}

fn files(copies: [Option<Vec<u8>>; 4]) -> BTreeMap<StateFile, Vec<u8>> {
    StateFile::ALL
        .into_iter()
        .zip(copies)
        .filter_map(|(file, copy)| Some((file, copy?)))
        .collect()
}

/// Two copies in every pair of states. Where neither is whole, the values make no difference and are taken once.
fn pairs(values: &[(&str, &str)]) -> Vec<[Option<Vec<u8>>; 2]> {
    let mut pairs = Vec::new();
    for first in STATES {
        for second in STATES {
            let matters = first.is_whole() || second.is_whole();
            let values = if matters { values } else { &values[..1] };
            for (new, old) in values {
                let seed = pairs.len();
                pairs.push([first.copy(new, old, seed), second.copy(new, old, seed + 7)]);
            }
        }
    }
    pairs
}

#[test]
fn script_and_model_agree_in_every_state_of_the_files() {
    let template = Template::new();
    let mut cases = Vec::new();
    for selections in pairs(&SELECTIONS) {
        for tries in pairs(&TRIES) {
            let [sel0, sel1] = selections.clone();
            let [tries0, tries1] = tries;
            cases.push(Case {
                files: files([sel0, sel1, tries0, tries1]),
                dice: u8::try_from(cases.len() % 10).unwrap(),
                ..Case::default()
            });
        }
    }
    agree(&template, &cases);
}

#[test]
fn script_and_model_agree_whatever_slot_cannot_be_loaded() {
    let template = Template::new();
    let faults = [
        Fault::NoSlotFile,
        Fault::TornSlotFile,
        Fault::NoKernel,
        Fault::NoInitrd,
    ];
    let mut cases = Vec::new();
    for (selection, _) in SELECTIONS {
        for stage in ["t", "p", "o", "r"] {
            for tries in 0..=3 {
                for broken in [&[Slot::A][..], &[Slot::B], &Slot::ALL] {
                    let text = format!("0099.000012.{stage}{tries}.--");
                    let fault = |slot| (slot, faults[(cases.len() + slot as usize) % 4]);
                    cases.push(Case {
                        faults: broken.iter().copied().map(fault).collect(),
                        files: files([
                            Some(encode(selection)),
                            Some(encode(selection)),
                            Some(encode(&text)),
                            Some(encode(&text)),
                        ]),
                        ..Case::default()
                    });
                }
            }
        }
    }
    agree(&template, &cases);
}

#[test]
fn script_and_model_agree_on_a_file_torn_after_any_byte() {
    let template = Template::new();
    let (selection, before) = SELECTIONS[2];
    let (tries, tries_before) = TRIES[4];
    let from = BLOCK_SIZE
        - encode(tries)
            .iter()
            .rev()
            .position(|byte| *byte == b'#')
            .unwrap();
    let mut cases = Vec::new();
    for cut in [0, 1, 24, 25, 26, 511, 512, 513]
        .into_iter()
        .chain(from..=BLOCK_SIZE)
    {
        let over = |new: &str, old: &[u8]| {
            let mut torn = old.to_vec();
            torn.resize(BLOCK_SIZE.min(old.len().max(cut)), 0);
            torn[..cut].copy_from_slice(&encode(new)[..cut]);
            Some(torn)
        };
        for old in [encode(before), vec![0; BLOCK_SIZE], vec![]] {
            let torn = over(selection, &old);
            let [tries0, tries1] = [Some(encode(tries)), Some(encode(tries_before))];
            let copies = [torn, Some(encode(before)), tries0, tries1];
            cases.push(Case {
                files: files(copies),
                ..Case::default()
            });
        }
        for old in [encode(tries_before), vec![0; BLOCK_SIZE], vec![]] {
            let whole = Some(encode(selection));
            // Nothing else to go by.
            let copies = [whole.clone(), whole, over(tries, &old), None];
            cases.push(Case {
                files: files(copies),
                dice: 7,
                ..Case::default()
            });
        }
    }
    agree(&template, &cases);
}

#[test]
fn script_and_model_agree_on_what_no_writer_of_ours_leaves() {
    let template = Template::new();
    let block = |body: &str| {
        let mut block = b"# GRUB Environment Block\n".to_vec();
        block.extend_from_slice(body.as_bytes());
        block.resize(BLOCK_SIZE, b'#');
        Some(block)
    };
    let mut cases = Vec::new();
    for value in [
        "",
        "=",
        "(",
        "!",
        "--help",
        "--set",
        "$cell_primary",
        "a b",
        "\"",
        "'",
        "a.b",
        "000012.a.a.-.---",
        "000012.a.b.-.--",
        "999999.b.a.-.---",
        "000013.b.a.-.bf4",
        "0007.000012.p1.-a",
        "9999.000012.p1.--",
        "0000.000012.r3.--",
        "0008.000012.p4.--",
        "0008\\.000012.p1.--",
        "0008.000012.p1.--\0x",
        "éé",
        "*",
        ";halt",
        "000000.b.a.-.---",
        "000012.b.a.-.---\r",
    ] {
        for body in [
            format!("one={value}\ntwo={value}\n"),
            format!("two={value}\nbegin=1\none={value}\ncell_linux=halt\n"),
            format!("one={value}\none={value}\ntwo={value}"),
            format!("one={value}\n"),
        ] {
            let (sel, tries) = (
                Some(encode("000012.a.b.-.---")),
                Some(encode("0007.000012.p1.--")),
            );
            let damaged = block(&body);
            for copies in [
                [damaged.clone(), sel.clone(), tries.clone(), None],
                [sel.clone(), sel.clone(), damaged.clone(), tries.clone()],
                [sel.clone(), sel.clone(), damaged.clone(), None],
            ] {
                let dice = u8::try_from(cases.len() % 10).unwrap();
                cases.push(Case {
                    files: files(copies),
                    dice,
                    ..Case::default()
                });
            }
        }
    }
    agree(&template, &cases);
}

#[test]
fn copy_that_counts_is_written_last() {
    let mut template = Template::new();
    template.trace_reads();
    let selection = Some(encode("000012.a.b.-.---"));
    let mut cases = Vec::new();
    for [tries0, tries1] in pairs(&TRIES) {
        if let (Some(tries0), Some(tries1)) = (tries0, tries1) {
            let copies = [
                selection.clone(),
                selection.clone(),
                Some(tries0),
                Some(tries1),
            ];
            cases.push(Case {
                files: files(copies),
                ..Case::default()
            });
        }
    }
    for cases in cases.chunks(DISKS) {
        for (case, seen) in cases.iter().zip(template.run(cases)) {
            let loader = Loader::read(|file| case.files.get(&file).cloned());
            let written = seen.reads.iter().skip(StateFile::ALL.len());
            let last = loader.tries_copy.unwrap_or(StateFile::Tries1);
            let is_written = seen.files[&last] != case.files[&last];
            let suffix = format!("/{}", last.path());
            assert!(
                !is_written || written.last().unwrap().ends_with(&suffix),
                "{}",
                shown(case)
            );
        }
    }
}

#[test]
fn kernel_is_told_slot_disk_and_mode_after_the_slots_own_words() {
    let template = Template::new();
    let selection = Some(encode("000012.a.b.b.---"));
    let case = Case {
        files: files([
            selection.clone(),
            selection,
            Some(encode("0007.000012.t0.--")),
            None,
        ]),
        ..Case::default()
    };
    let seen = template.run(&[case]).remove(0);
    assert_eq!(
        seen.arguments,
        [
            "(hd0,gpt3)/vmlinuz",
            "quiet",
            "dm-mod.create=vroot,,,ro,0 8 verity 1; 4",
            "of=aaaaaaaa-0000-4000-8000-000000000001",
            "rw",
            "cell.slot=b",
            "cell.select=aaaaaaaa-0000-4000-8000-000000000001",
            "cell.mode=trial",
        ]
    );
    let tries = decode(&seen.files[&StateFile::Tries0]).unwrap();
    assert_eq!(Tries::parse(&tries).unwrap().step.to_string(), "t1");
    assert!(Selection::parse(&tries).is_none());
}

/// Slot `a` of one disk, slot `b` of another that is like it in everything else.
fn two_disks() -> [Case; 2] {
    ["000012.a.b.-.---", "000012.b.a.-.---"].map(|selection| {
        let tries = Some(encode("0007.000012.p0.--"));
        let selection = Some(encode(selection));
        Case {
            files: files([selection.clone(), selection, tries.clone(), tries]),
            ..Case::default()
        }
    })
}

fn kernels(seen: &[Seen]) -> Vec<&str> {
    seen.iter().map(|seen| seen.arguments[0].as_str()).collect()
}

#[test]
fn two_like_disks_are_told_apart_by_what_the_firmware_says() {
    let template = Template::new();
    let cases = two_disks();
    let before = cases[0].files.clone();
    let seen = template.run(&cases);
    assert_eq!(kernels(&seen), ["(hd0,gpt2)/vmlinuz", "(hd1,gpt3)/vmlinuz"]);

    let mut cases = cases;
    cases[0].firmware = Some("(hd1,gpt1)/EFI/BOOT");
    let seen = template.run(&cases);
    assert_eq!(kernels(&seen), ["(hd1,gpt3)/vmlinuz"; 2]);
    assert_eq!(seen[0].files, before, "the other disk is left alone");
}

#[test]
fn when_the_firmware_says_nothing_everything_still_comes_from_one_disk() {
    let template = Template::new();
    for firmware in ["", "/EFI/BOOT", "(hd0)/EFI/BOOT", "(cd0)"] {
        let mut cases = two_disks();
        cases
            .iter_mut()
            .for_each(|case| case.firmware = Some(firmware));
        let seen = template.run(&cases[1..]);
        assert_eq!(kernels(&seen), ["(hd0,gpt3)/vmlinuz"], "{firmware}");
        // No state on the first disk: the one that has some counts, with its slots.
        cases[0].files.clear();
        let seen = template.run(&cases);
        assert_eq!(kernels(&seen), ["(hd1,gpt3)/vmlinuz"; 2], "{firmware}");
    }
}

#[test]
fn slots_are_found_when_every_file_of_the_select_partition_is_lost() {
    let template = Template::new();
    let case = Case {
        firmware: Some(""),
        ..Case::default()
    };
    let seen = template.run(&[case]);
    assert_eq!(kernels(&seen), ["(hd0,gpt2)/vmlinuz"]);
}

#[test]
fn recovery_by_the_menu_boots_a_recovery_only_and_counts_for_nothing() {
    let template = Template::new();
    let mut cases = Vec::new();
    for (selection, _) in SELECTIONS {
        for (tries, _) in TRIES {
            for fault in [None, Some(Slot::A), Some(Slot::B)] {
                let [selection, tries] = [selection, tries].map(|text| Some(encode(text)));
                cases.push(Case {
                    files: files([selection.clone(), selection, tries.clone(), tries]),
                    faults: fault
                        .map(|slot| (slot, Fault::NoKernel))
                        .into_iter()
                        .collect(),
                    entry: Entry::Recovery,
                    ..Case::default()
                });
            }
        }
    }
    for (case, seen) in cases.iter().zip(template.run(&cases)) {
        let selection = decode(&case.files[&StateFile::Selection0]).unwrap();
        let primary = Selection::parse(&selection).unwrap().primary;
        let slot = match case.faults.contains_key(&primary) {
            true => primary.opposite(),
            false => primary,
        };
        let mode = Mode::Recovery;
        assert_eq!(seen.start, Some(Start { slot, mode }), "{}", shown(case));
        assert_eq!(seen.files, case.files);
    }
}

#[test]
fn grub_finds_no_fault_with_the_script() {
    let folder = tempfile::tempdir_in(emulator::root().join("tmp")).unwrap();
    for name in ["grub.cfg", "early.cfg"] {
        let copy = folder.path().join(name);
        let board = std::path::Path::new(emulator::SCRIPT).parent().unwrap();
        std::fs::copy(board.join(name), &copy).unwrap();
        let check = emulator::grub("grub-script-check")
            .arg(emulator::inside(&copy))
            .output()
            .unwrap();
        assert!(check.status.success(), "{name}: {check:?}");
    }
}

/// The first word of every command of the script: of a line, or behind a keyword.
fn commands(script: &str) -> BTreeSet<&str> {
    let lines = script
        .lines()
        .filter(|line| !line.trim_start().starts_with('#'));
    let mut commands = BTreeSet::new();
    for part in lines.flat_map(|line| line.split("; ")) {
        let mut words = part
            .split_ascii_whitespace()
            .skip_while(|word| ["if", "elif", "else", "then", "do"].contains(word));
        commands.extend(words.next());
    }
    commands
}

#[test]
fn loader_has_a_module_for_every_command_of_the_script() {
    let board = std::path::Path::new(emulator::SCRIPT).parent().unwrap();
    let script = std::fs::read_to_string(emulator::SCRIPT).unwrap();
    let modules = std::fs::read_to_string(board.join("grub.modules")).unwrap();
    let modules: BTreeSet<&str> = modules
        .lines()
        .filter(|line| !line.starts_with('#'))
        .flat_map(str::split_ascii_whitespace)
        .collect();
    let list = emulator::root().join("usr/lib/grub/x86_64-emu/command.lst");
    let list = std::fs::read_to_string(list).unwrap();
    let mut providers: BTreeMap<&str, &str> = list
        .lines()
        .filter_map(|line| line.trim_start_matches('*').split_once(": "))
        .collect();
    // The emulator has no serial port and no kernel to boot; without the former the script goes on.
    providers.extend([
        ("serial", "serial"),
        ("$cell_linux", "linux"),
        ("$cell_initrd", "linux"),
    ]);
    providers.extend([("$cell_boot", "boot"), ("search", "search_fs_file")]);
    let language = ["fi", "done", "for", "function", "}", "set"];
    for command in commands(&script) {
        let is_ours = command.starts_with("cell_") || command == "$cell_again";
        if is_ours || language.contains(&command) || command.starts_with(['\'', '"']) {
            continue;
        }
        let module = providers.get(command).copied();
        assert!(
            module.is_some_and(|module| modules.contains(module)),
            "{command}: {module:?}"
        );
    }
}
