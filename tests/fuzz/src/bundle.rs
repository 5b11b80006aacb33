//! A whole bundle, from its first byte to the slot that is filled from it.

use std::sync::LazyLock;

use cell_model::Timestamp;
use cell_signed::KeyList;
use cell_updates::boot_state::fake::FakeBootState;
use cell_updates::boot_state::{BootState, Slot};
use cell_updates::bundle::{Header, Manifest, Place, Release};
use cell_updates::install::{
    Allowances, Index, InstallError, Installed, Offer, SlotLock, Staging, Stream, receive, write,
};
use serde_json::json;

use crate::disk::EmptySlot;
use crate::signers::{FIRST, SECOND};
use crate::version::{SIGNED, Signed, header};
use crate::{Target, promise};

pub(crate) const TARGET: Target = Target {
    name: "bundle",
    input: "a bundle",
    // The seeds have about 8,000 bytes.
    longest: 16 << 10,
    run,
    seeds,
};

/// The box that takes it trusts the first key list, runs an older version, and holds nothing of the new one.
fn run(bytes: &[u8]) {
    let taken = match install(bytes) {
        Err(error) => return promise::said_briefly(&error),
        Ok(taken) => taken,
    };
    let signed = SIGNED
        .iter()
        .find(|signed| signed.manifest == taken.manifest)
        .expect("what nobody signed is not taken");
    let lists = [&FIRST.list, &SECOND.list];
    assert!(lists.contains(&&taken.keys), "other keys are trusted now");
    let chunks = &signed.bundle[signed.first_chunk..];
    assert!(bytes.ends_with(chunks), "chunks are others than signed");
    for place in Place::ALL {
        let there = taken.slot.content(place);
        assert_eq!(there, signed.content(place));
    }
}

struct Taken {
    manifest: Manifest,
    keys: KeyList,
    slot: EmptySlot,
}

fn install(bytes: &[u8]) -> Result<Taken, InstallError> {
    let report = &mut |_| {};
    let mut source = Stream(bytes);
    let offer = Offer::read(&mut source, &FIRST.list)?;
    offer.check(&INSTALLED, Allowances::default(), Timestamp::UNIX_EPOCH)?;
    let folder = tempfile::tempdir().expect("there is room");
    let staging = Staging::new(folder.path());
    let index = Index::default();
    receive(&offer, &mut source, &staging, &index, report)?;
    // From here on nothing may fail: what was received is all that was signed.
    let slot = EmptySlot::default();
    let boot = FakeBootState::new();
    let lock = SlotLock::wait(&folder.path().join("lock"))?;
    let filled = write(&offer, &staging, &index, &slot, &boot, &lock, report);
    assert_eq!(filled.expect("what was received can be written"), Slot::B);
    let wanted = boot.wanted()?;
    assert_eq!((wanted.primary, wanted.trial), (Slot::A, Some(Slot::B)));
    Ok(Taken {
        manifest: offer.manifest,
        keys: offer.keys,
        slot,
    })
}

static INSTALLED: LazyLock<Installed> = LazyLock::new(|| Installed {
    release: Release {
        version: "1.20.0".to_owned(),
        sequence: 20,
        ..SIGNED[0].manifest.release.clone()
    },
    kept_schema: 3,
});

fn seeds() -> Vec<Vec<u8>> {
    let [first, second] = &*SIGNED;
    let mut seeds = vec![first.bundle.clone(), second.bundle.clone()];
    seeds.push([&first.bundle[..], b"more"].concat());
    seeds.push(first.bundle[..first.bundle.len() - 100].to_vec());
    // Signed by the keys that were replaced, with the list that replaced them.
    seeds.push(with_header(first, |header| {
        header.keys = SECOND.chain.clone();
    }));
    // A list is left out.
    seeds.push(with_header(second, |header| {
        header.keys.remove(0);
        header.keys[0] = FIRST.chain[0].clone();
    }));
    // Nothing is signed; something else is.
    let mut unsigned = serde_json::to_value(header_of(first)).expect("a header is JSON");
    unsigned["manifest"]["signatures"] = json!([]);
    seeds.push(framed(&unsigned.to_string()));
    unsigned["manifest"]["payloadType"] = json!("x".repeat(4_000));
    seeds.push(framed(&unsigned.to_string()));
    seeds.push(framed("{\"keys\":[],\"\u{1b}[2J\":1}"));
    let forged = header(b"{}", &FIRST).to_bytes();
    seeds.push(forged.expect("a header is short"));
    seeds
}

fn header_of(signed: &Signed) -> Header {
    let bytes = &signed.bundle[cell_updates::bundle::PREFIX..signed.first_chunk];
    Header::parse(bytes).expect("what was written can be read")
}

fn with_header(signed: &Signed, change: impl FnOnce(&mut Header)) -> Vec<u8> {
    let mut header = header_of(signed);
    change(&mut header);
    let header = header.to_bytes().expect("a header is short");
    [&header[..], &signed.bundle[signed.first_chunk..]].concat()
}

/// A bundle that ends with its header.
fn framed(header: &str) -> Vec<u8> {
    let length = u32::try_from(header.len()).unwrap_or(u32::MAX);
    [b"CELLBDL1", &length.to_le_bytes()[..], header.as_bytes()].concat()
}
