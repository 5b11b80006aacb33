//! Bundles that are taken, and those that are not, with what becomes of both slots.
use std::io::{self, Write};

use crate::memory::Cell;
use cell_model::config::ReleaseChannel;
use cell_testkit::firmware::{Keys, Version, header};
use cell_updates::boot_state::{BootState, Health, Mode, Slot, Start};
use cell_updates::bundle::{BundleError, Chunk, Place};
use cell_updates::install::{InstallError, SlotLock, Source, Stream, fill};

struct Story {
    keys: Keys,
    old: Version,
    new: Version,
    cell: Cell,
}

fn story() -> Story {
    let keys = Keys::new();
    let old = Version::new(10);
    let new = old.changed();
    let cell = Cell::running(&old, &keys);
    Story {
        keys,
        old,
        new,
        cell,
    }
}

impl Story {
    /// Refused, and nothing has happened.
    fn refuses(&self, bundle: &[u8]) -> InstallError {
        let error = self.cell.install(bundle).unwrap_err();
        assert!(self.cell.disk.holds(Slot::A, &self.old));
        assert!(self.cell.disk.holds(Slot::B, &self.old), "{error}");
        let wanted = self.cell.boot.wanted().unwrap();
        assert_eq!((wanted.other, wanted.trial), (Some(Slot::B), None));
        error
    }

    fn refuses_bundle(&self, bundle: &[u8]) -> BundleError {
        match self.refuses(bundle) {
            InstallError::Bundle(error) => error,
            error => panic_with(&error),
        }
    }
}

#[expect(clippy::panic, reason = "code of tests")]
fn panic_with(error: &InstallError) -> ! {
    panic!("{error}")
}

#[test]
fn new_version_is_written_beside_the_running_one_and_tried_at_the_next_start() {
    let story = story();
    let bundle = story.new.bundle(&story.keys);
    let received = story.cell.install(&bundle).unwrap();
    assert_eq!(received.total, bundle.len() as u64);
    assert!(story.cell.disk.holds(Slot::A, &story.old));
    assert!(story.cell.disk.holds(Slot::B, &story.new));
    let start = story.cell.boot.boot();
    let trial = Start {
        slot: Slot::B,
        mode: Mode::Trial,
    };
    assert_eq!(start, Some(trial));
    story.cell.boot.commit().unwrap();
    story.cell.boot.repair(Health::Healthy).unwrap();
    assert_eq!(story.cell.boot.wanted().unwrap().primary, Slot::B);
}

#[test]
fn what_the_running_system_holds_is_not_fetched() {
    let story = story();
    let received = story.cell.install(&story.new.bundle(&story.keys)).unwrap();
    let header = story.new.bundle(&story.keys).len() as u64 - story.new.manifest().chunk_bytes();
    assert!(
        received.fetched - header < 450_000 && received.total > 1_300_000,
        "{received:?}"
    );
}

#[test]
fn what_was_fetched_before_the_bundle_broke_off_is_not_fetched_again() {
    let story = story();
    let other = Version::new(77);
    let bundle = other.bundle(&story.keys);
    let cut = story.refuses(&bundle[..bundle.len() / 2]);
    assert!(matches!(cut, InstallError::Cut), "{cut}");
    let received = story.cell.install(&bundle).unwrap();
    let missing = received.total - received.fetched;
    assert!(missing > bundle.len() as u64 / 3, "{received:?}");
    assert!(story.cell.disk.holds(Slot::B, &other));
}

#[test]
fn skipped_parts_are_not_read_from_a_file_or_a_server() {
    struct Counted<'a> {
        rest: &'a [u8],
        read: usize,
    }
    impl Source for Counted<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let read = io::Read::read(&mut self.rest, buffer)?;
            self.read += read;
            Ok(read)
        }
        fn skip(&mut self, bytes: u64) -> io::Result<()> {
            self.rest = &self.rest[bytes as usize..];
            Ok(())
        }
    }
    let story = story();
    let bundle = story.new.bundle(&story.keys);
    let mut source = Counted {
        rest: &bundle,
        read: 0,
    };
    let received = story.cell.install_from(&mut source).unwrap();
    assert_eq!(source.read as u64, received.fetched);
}

#[test]
fn bundle_in_a_file_is_taken_from_where_it_lies() {
    let story = story();
    let mut file = tempfile::tempfile().unwrap();
    let bundle = story.new.bundle(&story.keys);
    file.write_all(&bundle[..bundle.len() - 1]).unwrap();
    io::Seek::rewind(&mut file).unwrap();
    let cut = story.cell.install_from(&mut file).unwrap_err();
    assert!(matches!(cut, InstallError::Cut), "{cut}");
    file.set_len(0).unwrap();
    io::Seek::rewind(&mut file).unwrap();
    file.write_all(&bundle).unwrap();
    io::Seek::rewind(&mut file).unwrap();
    story.cell.install_from(&mut file).unwrap();
    assert!(story.cell.disk.holds(Slot::B, &story.new));
}

#[test]
fn nothing_and_garbage_are_no_bundles() {
    let story = story();
    for garbage in [&b""[..], b"CELL", b"PK\x03\x04 something else", &[0; 4096]] {
        assert!(matches!(story.refuses_bundle(garbage), BundleError::NotOne));
    }
    let mut huge = story.new.bundle(&story.keys);
    huge[8..12].copy_from_slice(&u32::MAX.to_le_bytes());
    assert!(matches!(
        story.refuses_bundle(&huge),
        BundleError::LongHeader(u32::MAX)
    ));
}

#[test]
fn hardly_anything_is_repeated_of_a_header_that_cannot_be_read() {
    let story = story();
    let header = format!("{{\"\u{7}{}\":1}}", "x".repeat(1 << 20));
    let length = u32::try_from(header.len()).unwrap().to_le_bytes();
    let bundle = [b"CELLBDL1", &length[..], header.as_bytes()].concat();
    let BundleError::Header(source) = story.refuses_bundle(&bundle) else {
        panic!("it can be read");
    };
    let said = source.to_string();
    assert!(said.len() < 300 && !said.contains('\u{7}'), "{said:?}");
}

#[test]
fn bundle_that_is_cut_anywhere_is_refused() {
    let story = story();
    let bundle = story.new.bundle(&story.keys);
    for part in 1..40 {
        story.refuses(&bundle[..bundle.len() * part / 40]);
    }
    let cut = story.refuses(&bundle[..bundle.len() - 1]);
    assert!(matches!(cut, InstallError::Cut), "{cut}");
}

#[test]
fn bundle_with_a_flipped_bit_is_refused_unless_it_is_in_what_nobody_needs() {
    let story = story();
    let other = Version::new(99);
    let bundle = other.bundle(&story.keys);
    for part in 0..60 {
        let mut flipped = bundle.clone();
        flipped[bundle.len() * part / 60] ^= 0x10;
        story.refuses(&flipped);
    }
}

#[test]
fn bundle_that_goes_on_is_refused() {
    let story = story();
    let mut bundle = story.new.bundle(&story.keys);
    bundle.push(0);
    assert!(matches!(story.refuses(&bundle), InstallError::TooLong));
}

#[test]
fn signatures_of_one_key_of_strangers_or_of_replaced_keys_are_not_enough() {
    let story = story();
    let manifest = story.new.manifest();
    let one = story.new.bundle_with(&manifest, &story.keys, 1);
    assert!(matches!(
        story.refuses_bundle(&one),
        BundleError::Untrusted(_)
    ));
    let strangers = story.new.bundle(&Keys::new());
    assert!(matches!(
        story.refuses_bundle(&strangers),
        BundleError::Untrusted(_)
    ));
}

#[test]
fn box_with_an_old_key_list_takes_what_the_new_keys_sign() {
    let story = story();
    let replaced = story.keys.replaced().replaced();
    story.cell.install(&story.new.bundle(&replaced)).unwrap();
    let mut newer = self::story();
    newer.cell.keys = replaced.list;
    let old = newer.new.bundle(&story.keys);
    assert!(matches!(
        newer.refuses_bundle(&old),
        BundleError::Untrusted(_)
    ));
}

#[test]
fn other_boards_older_and_expired_versions_are_refused() {
    let mut story = story();
    let mut manifest = story.new.manifest();
    manifest.release.board = "pi".to_owned();
    let bundle = story.new.bundle_with(&manifest, &story.keys, 2);
    assert!(matches!(
        story.refuses_bundle(&bundle),
        BundleError::Board { .. }
    ));
    for sequence in [0, 9, 10] {
        let mut manifest = story.new.manifest();
        manifest.release.sequence = sequence;
        let bundle = story.new.bundle_with(&manifest, &story.keys, 2);
        assert!(matches!(
            story.refuses_bundle(&bundle),
            BundleError::NotNewer { .. }
        ));
    }
    story.cell.now = Version::expires();
    let bundle = story.new.bundle(&story.keys);
    assert!(matches!(
        story.refuses_bundle(&bundle),
        BundleError::Expired(_)
    ));
    story.cell.allow.expired = true;
    story.cell.install(&bundle).unwrap();
}

#[test]
fn owner_may_go_back_to_an_older_version_that_reads_what_is_kept() {
    let mut story = story();
    story.cell.allow.older = true;
    let mut older = Version::new(5);
    older.release.schema = 2;
    let bundle = older.bundle(&story.keys);
    let refused = story.refuses_bundle(&bundle);
    assert!(matches!(
        refused,
        BundleError::Schema {
            reads: 2,
            kept: 3,
            ..
        }
    ));
    older.release.schema = 3;
    story.cell.install(&older.bundle(&story.keys)).unwrap();
    assert!(story.cell.disk.holds(Slot::B, &older));
}

#[test]
fn manifest_of_one_version_does_not_vouch_for_the_chunks_of_another() {
    let story = story();
    let (one, other) = (Version::new(21), Version::new(22));
    let mut replayed = header(&one.manifest(), &story.keys, 2).to_bytes().unwrap();
    replayed.extend(&other.boot);
    replayed.extend(&other.root);
    let error = story.refuses(&replayed);
    assert!(matches!(error, InstallError::Damaged(_)), "{error}");
}

#[test]
fn senseless_manifests_are_refused_though_they_are_signed() {
    let story = story();
    let good = story.new.manifest();
    type Change = fn(&mut cell_updates::bundle::Manifest);
    let changes: [Change; 9] = [
        |manifest| manifest.root.size = 1 << 60,
        |manifest| manifest.root.chunks[0].1 = u32::MAX,
        |manifest| manifest.root.chunks[0].1 = 0,
        |manifest| manifest.boot.chunks.clear(),
        |manifest| manifest.boot.size += 1,
        |manifest| manifest.verity.data_blocks = u64::MAX,
        |manifest| manifest.verity.salt = "x".to_owned(),
        |manifest| manifest.release.version = "1\u{1b}[2J".to_owned(),
        |manifest| manifest.notes = "n".repeat(20_000),
    ];
    for change in changes {
        let mut manifest = good.clone();
        change(&mut manifest);
        let mut bundle = header(&manifest, &story.keys, 2).to_bytes().unwrap();
        bundle.extend(&story.new.boot);
        bundle.extend(&story.new.root);
        let error = story.refuses_bundle(&bundle);
        assert!(matches!(error, BundleError::Manifest(_)), "{error}");
    }
    assert_eq!(good.channel, ReleaseChannel::Stable);
}

#[test]
fn root_that_the_kernel_would_refuse_is_never_tried() {
    let story = story();
    let mut manifest = story.new.manifest();
    manifest.verity.root_hash = Chunk::of(b"another").digest();
    let bundle = story.new.bundle_with(&manifest, &story.keys, 2);
    let error = story.cell.install(&bundle).unwrap_err();
    assert!(matches!(error, InstallError::RootHash), "{error}");
    assert!(!story.cell.may_boot(Slot::B));
}

#[test]
fn disk_that_does_not_keep_what_is_written_is_found_out() {
    let story = story();
    let bundle = story.new.bundle(&story.keys);
    story.cell.install(&bundle).unwrap();
    story.cell.boot.rollback().unwrap();
    // Written again where it differs.
    story.cell.disk.damage(Slot::B, Place::Root, 800_000);
    story.cell.install(&bundle).unwrap();
    assert!(story.cell.disk.holds(Slot::B, &story.new));
}

#[test]
fn nothing_is_written_during_a_trial() {
    let story = story();
    let bundle = story.new.bundle(&story.keys);
    story.cell.install(&bundle).unwrap();
    story.cell.boot.boot();
    let error = story.cell.install(&Version::new(50).bundle(&story.keys));
    assert!(
        matches!(error, Err(InstallError::BootState(_))),
        "{error:?}"
    );
    assert!(story.cell.disk.holds(Slot::A, &story.old));
}

#[test]
fn source_that_fails_leaves_everything_and_is_gone_on_with() {
    struct Failing<'a>(Stream<&'a [u8]>, usize);
    impl Source for Failing<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            if self.1 == 0 {
                return Err(io::ErrorKind::TimedOut.into());
            }
            let length = buffer.len().min(self.1);
            let read = self.0.read(&mut buffer[..length])?;
            self.1 -= read;
            Ok(read)
        }
        fn skip(&mut self, bytes: u64) -> io::Result<()> {
            self.0.skip(bytes)
        }
    }
    let story = story();
    let other = Version::new(31);
    let bundle = other.bundle(&story.keys);
    let mut failing = Failing(Stream(&bundle), bundle.len() / 2);
    let error = story.cell.install_from(&mut failing).unwrap_err();
    assert!(matches!(error, InstallError::Source(_)), "{error}");
    assert!(story.cell.disk.holds(Slot::B, &story.old));
    let received = story.cell.install(&bundle).unwrap();
    assert!(received.fetched < received.total * 3 / 4, "{received:?}");
}

#[test]
fn slot_that_was_given_up_is_filled_from_the_running_one() {
    let story = story();
    story.cell.install(&story.new.bundle(&story.keys)).unwrap();
    story.cell.boot.rollback().unwrap();
    let lock = SlotLock::wait(&story.cell.lock).unwrap();
    let size = story.old.root.len() as u64;
    let filled = fill(&story.cell.disk, &story.cell.boot, size, &lock).unwrap();
    assert_eq!(filled, Some(Slot::B));
    assert!(story.cell.disk.holds(Slot::B, &story.old) && story.cell.may_boot(Slot::B));
    let again = fill(&story.cell.disk, &story.cell.boot, size, &lock).unwrap();
    assert_eq!(again, None, "there is something to fall back to");
}
