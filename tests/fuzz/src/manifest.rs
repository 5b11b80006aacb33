//! The signed part of a bundle, signed whatever it is: what two makers of releases could do together by mistake.

use std::io::{Read, repeat};

use cell_updates::bundle::{BundleError, Chunk, Digest, Manifest};
use cell_updates::install::{Index, InstallError, Offer, Staging, Stream, receive};
use serde_json::{Value, json};

use crate::signers::FIRST;
use crate::version::{SIGNED, header};
use crate::{Target, promise};

pub(crate) const TARGET: Target = Target {
    name: "manifest",
    input: "the payload of a manifest's envelope",
    longest: 6 << 10,
    run,
    seeds,
};

/// Bytes that follow the header, all of them zero. More would only be slower.
const ZEROS: u64 = 64 << 10;

fn run(payload: &[u8]) {
    let header = header(payload, &FIRST).to_bytes();
    let header = header.expect("an input is short");
    let mut source = Stream((&header[..]).chain(repeat(0).take(ZEROS)));
    match Offer::read(&mut source, &FIRST.list) {
        Ok(offer) => keeps_its_promises(&offer, &mut source),
        Err(error) => {
            promise::said_briefly(&error);
            let is_expected = matches!(
                error,
                InstallError::Bundle(BundleError::Header(_) | BundleError::Manifest(_))
            );
            assert!(is_expected, "its signatures are right: {error:?}");
        }
    }
}

fn keeps_its_promises(offer: &Offer, source: &mut Stream<impl Read + Send>) {
    let manifest = &offer.manifest;
    promise::same_when_written(manifest);
    promise::plan_fills_everything(manifest);
    let folder = tempfile::tempdir().expect("there is room");
    let staging = Staging::new(folder.path());
    let received = receive(offer, source, &staging, &Index::default(), &mut |_| {});
    match received {
        Err(error) => promise::said_briefly(&error),
        Ok(received) => {
            let is_zeros = |chunk: &Chunk| chunk.is(&vec![0; chunk.length()]);
            let mut chunks = manifest.boot.chunks.iter().chain(&manifest.root.chunks);
            assert!(chunks.all(is_zeros), "these bytes never came");
            assert_eq!(manifest.chunk_bytes(), ZEROS);
            assert_eq!(received.total, received.fetched);
        }
    }
}

fn seeds() -> Vec<Vec<u8>> {
    let mut short = SIGNED[0].manifest.clone();
    short.notes = "A\u{301}\u{202e}\n<b>".to_owned();
    let mut zeros = short.clone();
    let zero = |length: u32| Chunk(Digest::of(&vec![0; length as usize]), length);
    zeros.boot.size = ZEROS - 16_384;
    // Four different chunks of zeros that come to all there are.
    zeros.boot.chunks = [16_383, 16_382, 16_381, 6].map(zero).to_vec();
    zeros.root.chunks = vec![zero(16_384)];
    let good = [&short, &zeros].map(|manifest| json!(manifest));
    let bad = [
        ("/boot/size", json!(u64::MAX)),
        ("/boot/size", json!(-1)),
        ("/root/chunks/0/1", json!(u32::MAX)),
        ("/root/chunks/0/1", json!(0)),
        ("/root/chunks/0/0", json!("0".repeat(64))),
        ("/verity/data_blocks", json!(u64::MAX)),
        ("/verity/salt", json!("0".repeat(513))),
        ("/release/version", json!("1.0\u{1b}[2J")),
        ("/channel", json!("x".repeat(3_000))),
        ("/expires", json!("9999-12-31T23:59:60Z")),
    ];
    let bad = bad.map(|(place, value)| with(&short, place, value));
    let all = good.into_iter().chain(bad);
    all.map(|payload| payload.to_string().into_bytes())
        .collect()
}

fn with(manifest: &Manifest, place: &str, value: Value) -> Value {
    let mut payload = json!(manifest);
    *payload.pointer_mut(place).expect("the place is there") = value;
    payload
}
