use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::io::{Seek, SeekFrom, Write};
use std::os::unix::fs::{FileExt, PermissionsExt};

use super::content::BLOCK;
use super::*;

/// Enough to see everything that may be left after a few operations.
const CUTS: u64 = 2_000;

/// Where the disk is, for the process that uses it.
const DISK: &str = "CELL_CUT_DISK";

/// Records what `program` does on a disk with this on it, in a process of its own: the same test, which comes by here.
fn record(folder: &Path, start: &Image, program: impl FnOnce(&Path)) -> Recording {
    if let Some(disk) = std::env::var_os(DISK) {
        program(Path::new(&disk));
        std::process::exit(0);
    }
    let path = folder.join("disk");
    fs::create_dir_all(&path).unwrap();
    let disk = CutDisk::mount(&path, start).unwrap();
    let done = std::process::Command::new(std::env::current_exe().unwrap())
        .args(std::env::args_os().skip(1))
        .env(DISK, disk.path())
        .status()
        .unwrap();
    assert!(done.success());
    disk.finish().unwrap()
}

/// Everything that may be left at the end.
fn remains(recording: &Recording) -> Vec<Image> {
    let mut replay = recording.replay();
    replay.advance_to(usize::MAX);
    (0..CUTS)
        .map(|seed| replay.cut(&mut Rng::with_seed(seed)))
        .collect()
}

/// All that a file may be; `None` is gone.
fn contents(recording: &Recording, path: &str) -> BTreeSet<Option<Vec<u8>>> {
    let remains = remains(recording);
    let contents = remains
        .iter()
        .map(|image| image.file(path).map(<[u8]>::to_vec));
    contents.collect()
}

/// A disk with one file of two blocks on it.
fn one_file() -> Image {
    let mut image = Image::empty();
    image.set_file("file", vec![b'o'; 2 * BLOCK]);
    image
}

fn open(path: &Path) -> File {
    OpenOptions::new().write(true).open(path).unwrap()
}

#[test]
fn disk_answers_programs_as_others_do() {
    in_own_mounts(
        "cut_disk::tests::disk_answers_programs_as_others_do",
        |folder| {
            let recording = record(folder, &one_file(), |disk| {
                fs::create_dir_all(disk.join("a/b")).unwrap();
                fs::write(disk.join("a/b/one"), b"first").unwrap();
                fs::write(disk.join("a/b/one"), b"1").unwrap();
                fs::rename(disk.join("a/b/one"), disk.join("two")).unwrap();
                assert_eq!(fs::read(disk.join("two")).unwrap(), b"1");
                assert!(fs::remove_dir(disk.join("a")).is_err());
                fs::copy(disk.join("two"), disk.join("a/copy")).unwrap();
                let mut file = OpenOptions::new()
                    .append(true)
                    .open(disk.join("two"))
                    .unwrap();
                file.seek(SeekFrom::End(0)).unwrap();
                file.write_all(b"2").unwrap();
                file.set_len(5).unwrap();
                let rights = fs::Permissions::from_mode(0o640);
                fs::set_permissions(disk.join("two"), rights).unwrap();
                let mode = fs::metadata(disk.join("two")).unwrap().permissions().mode();
                assert_eq!(mode & 0o777, 0o640);
                for number in 0..300 {
                    fs::write(disk.join(format!("a/b/{number}")), b"").unwrap();
                }
                assert_eq!(fs::read_dir(disk.join("a/b")).unwrap().count(), 300);
                fs::remove_dir_all(disk.join("a/b")).unwrap();
                let swap = rustix::fs::RenameFlags::EXCHANGE;
                let (one, other) = (disk.join("two"), disk.join("file"));
                let here = rustix::fs::CWD;
                rustix::fs::renameat_with(here, &one, here, &other, swap).unwrap();
            });
            let mut replay = recording.replay();
            replay.advance_to(usize::MAX);
            let whole = replay.whole();
            let paths: Vec<_> = whole.paths().map(|path| path.to_str().unwrap()).collect();
            assert_eq!(paths, ["a", "a/copy", "file", "two"]);
            assert_eq!(whole.file("file").unwrap(), b"12\0\0\0");
            assert_eq!(whole.file("a/copy").unwrap(), b"1");

            let copy = folder.join("copy");
            whole.write_to(&copy).unwrap();
            assert_eq!(
                Image::read_from(&copy).unwrap().file("file"),
                whole.file("file")
            );
            let mode = fs::metadata(copy.join("file"))
                .unwrap()
                .permissions()
                .mode();
            assert_eq!(mode & 0o777, 0o640);
        },
    );
}

#[test]
fn nothing_that_was_synced_is_lost() {
    in_own_mounts(
        "cut_disk::tests::nothing_that_was_synced_is_lost",
        |folder| {
            let recording = record(folder, &Image::empty(), |disk| {
                fs::write(disk.join("earlier"), b"not synced").unwrap();
                let mut file = File::create(disk.join("file")).unwrap();
                file.write_all(&[b'n'; 3 * BLOCK]).unwrap();
                file.sync_data().unwrap();
            });
            assert_eq!(
                contents(&recording, "file"),
                BTreeSet::from([Some(vec![b'n'; 3 * BLOCK])])
            );
            // The journal is in order; what it does not hold is another file's data.
            let earlier = contents(&recording, "earlier");
            assert!(!earlier.contains(&None));
            assert!(earlier.contains(&Some(Vec::new())));
            assert!(earlier.contains(&Some(b"not synced".to_vec())));
        },
    );
}

#[test]
fn what_was_not_synced_may_be_there_or_not() {
    in_own_mounts(
        "cut_disk::tests::what_was_not_synced_may_be_there_or_not",
        |folder| {
            let recording = record(folder, &Image::empty(), |disk| {
                let mut file = File::create(disk.join("file")).unwrap();
                file.write_all(b"data").unwrap();
                file.sync_all().unwrap();
                fs::rename(disk.join("file"), disk.join("renamed")).unwrap();
            });
            let names: BTreeSet<Vec<_>> = remains(&recording)
                .iter()
                .map(|image| image.paths().map(Path::to_owned).collect())
                .collect();
            let expected = ["file", "renamed"].map(|name| vec![PathBuf::from(name)]);
            assert_eq!(names, BTreeSet::from(expected));
        },
    );
}

#[test]
fn overwriting_is_torn_between_sectors_and_not_inside_them() {
    in_own_mounts(
        "cut_disk::tests::overwriting_is_torn_between_sectors_and_not_inside_them",
        |folder| {
            let recording = record(folder, &one_file(), |disk| {
                let file = open(&disk.join("file"));
                file.write_all_at(&[b'1'; 2 * SECTOR], 100).unwrap();
                file.write_all_at(&[b'2'; 2 * SECTOR], 100).unwrap();
            });
            let found = contents(&recording, "file");
            let sectors: BTreeSet<Vec<u8>> = found
                .iter()
                .map(|content| content.as_ref().unwrap())
                .map(|content| {
                    content
                        .chunks(SECTOR)
                        .take(3)
                        .map(|sector| sector[200])
                        .collect()
                })
                .collect();
            // The third sector is written up to its hundredth byte.
            let expected = |byte| *b"o12".get(byte).unwrap();
            for first in 0..3 {
                for second in 0..3 {
                    let wanted = vec![expected(first), expected(second), b'o'];
                    assert!(sectors.contains(&wanted), "{sectors:?}");
                }
            }
            assert_eq!(sectors.len(), 9);
            for content in found.iter().flatten() {
                assert!(content[..100].iter().all(|byte| *byte == b'o'));
                assert!(
                    content[100..SECTOR]
                        .iter()
                        .all(|byte| *byte == content[100])
                );
            }
        },
    );
}

#[test]
fn later_bytes_of_a_sector_bring_the_earlier_ones_along() {
    in_own_mounts(
        "cut_disk::tests::later_bytes_of_a_sector_bring_the_earlier_ones_along",
        |folder| {
            let recording = record(folder, &one_file(), |disk| {
                let file = open(&disk.join("file"));
                file.write_all_at(b"first", 0).unwrap();
                file.write_all_at(b"second", 5).unwrap();
            });
            let found = contents(&recording, "file");
            let begins: BTreeSet<_> = found
                .iter()
                .flatten()
                .map(|content| &content[..11])
                .collect();
            let expected: [&[u8]; 3] = [b"firstoooooo", b"firstsecond", b"ooooooooooo"];
            assert_eq!(begins, BTreeSet::from(expected));
        },
    );
}

#[test]
fn file_gets_longer_by_whole_blocks_or_zeros() {
    in_own_mounts(
        "cut_disk::tests::file_gets_longer_by_whole_blocks_or_zeros",
        |folder| {
            let recording = record(folder, &one_file(), |disk| {
                let file = open(&disk.join("file"));
                file.write_all_at(&[b'n'; 2 * BLOCK + 10], 2 * BLOCK as u64)
                    .unwrap();
            });
            let mut lengths = BTreeSet::new();
            for content in contents(&recording, "file").iter().flatten() {
                lengths.insert(content.len());
                for block in content.chunks(BLOCK).skip(2) {
                    assert!(block.iter().all(|byte| *byte == block[0]));
                    assert!([0, b'n'].contains(&block[0]));
                }
            }
            let expected = [2 * BLOCK, 3 * BLOCK, 4 * BLOCK, 4 * BLOCK + 10];
            assert_eq!(lengths, BTreeSet::from(expected));
        },
    );
}

#[test]
fn cut_off_end_comes_back_only_as_it_was() {
    in_own_mounts(
        "cut_disk::tests::cut_off_end_comes_back_only_as_it_was",
        |folder| {
            let recording = record(folder, &one_file(), |disk| {
                let file = open(&disk.join("file"));
                file.set_len(BLOCK as u64).unwrap();
                file.write_all_at(&[b'n'; BLOCK], BLOCK as u64).unwrap();
            });
            let found = contents(&recording, "file");
            let second: BTreeSet<_> = found
                .iter()
                .flatten()
                .map(|content| content.get(BLOCK).copied())
                .collect();
            assert_eq!(
                second,
                BTreeSet::from([None, Some(0), Some(b'n'), Some(b'o')])
            );
            assert!(
                found
                    .iter()
                    .flatten()
                    .all(|content| content.len() != BLOCK + 1)
            );
        },
    );
}

#[test]
fn folder_that_was_synced_keeps_its_entries() {
    in_own_mounts(
        "cut_disk::tests::folder_that_was_synced_keeps_its_entries",
        |folder| {
            let recording = record(folder, &one_file(), |disk| {
                fs::create_dir(disk.join("folder")).unwrap();
                fs::rename(disk.join("file"), disk.join("folder/file")).unwrap();
                File::open(disk.join("folder")).unwrap().sync_all().unwrap();
                fs::remove_file(disk.join("folder/file")).unwrap();
            });
            let names: BTreeSet<Vec<_>> = remains(&recording)
                .iter()
                .map(|image| image.paths().map(Path::to_owned).collect())
                .collect();
            let gone = vec![PathBuf::from("folder")];
            let kept = vec![PathBuf::from("folder"), PathBuf::from("folder/file")];
            assert_eq!(names, BTreeSet::from([gone, kept]));
        },
    );
}

#[test]
fn attribute_has_every_change_written_through() {
    in_own_mounts(
        "cut_disk::tests::attribute_has_every_change_written_through",
        |folder| {
            let recording = record(folder, &one_file(), |disk| {
                let folder = disk.join("folder");
                fs::create_dir(&folder).unwrap();
                let attribute = rustix::fs::IFlags::SYNC;
                rustix::fs::ioctl_setflags(File::open(&folder).unwrap(), attribute).unwrap();
                fs::write(folder.join("new"), b"new").unwrap();
                let found = rustix::fs::ioctl_getflags(File::open(folder.join("new")).unwrap());
                assert_eq!(found.unwrap(), attribute);
                fs::rename(folder.join("new"), folder.join("newer")).unwrap();
                open(&folder.join("newer")).write_all_at(b"er", 3).unwrap();
                open(&disk.join("file")).write_all_at(b"lost", 0).unwrap();
            });
            let newer = contents(&recording, "folder/newer");
            assert_eq!(newer, BTreeSet::from([Some(b"newer".to_vec())]));
            assert_eq!(contents(&recording, "file").len(), 2);
        },
    );
}

#[test]
fn most_bytes_are_written_where_much_is_written_at_once() {
    let write = |length| Event::Write {
        file: 2,
        offset: 0,
        data: vec![0; length],
    };
    let recording = Recording {
        start: Image::empty(),
        events: vec![write(1), write(98), write(1)],
    };
    let mut random = Rng::with_seed(7);
    let mut moments = [0; 4];
    for _ in 0..CUTS {
        moments[recording.any_byte(&mut random)] += 1;
    }
    assert!(moments[1] > 1_800, "{moments:?}");
    assert!(moments.iter().all(|count| *count > 0), "{moments:?}");
}
