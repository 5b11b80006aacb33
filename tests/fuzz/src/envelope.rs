//! Envelopes as they come: whoever made them holds no key.

use cell_signed::{Envelope, KeyList};
use cell_updates::bundle::Manifest;
use serde_json::{Value, json};

use crate::signers::{FIRST, SECOND};
use crate::version::{SIGNED, header};
use crate::{Target, promise};

pub(crate) const TARGET: Target = Target {
    name: "envelope",
    input: "a list of envelopes: of key lists, or around anything",
    longest: 8 << 10,
    run,
    seeds,
};

fn run(bytes: &[u8]) {
    let envelopes: Vec<Envelope> = match serde_json::from_slice(bytes) {
        Ok(envelopes) => envelopes,
        Err(_) => return,
    };
    promise::same_when_written(&envelopes);
    let lists = [&FIRST.list, &SECOND.list];
    match FIRST.list.follow(&envelopes) {
        Ok(newest) => assert!(lists.contains(&&newest), "nobody signed it: {newest:?}"),
        Err(error) => promise::said_briefly(&error),
    }
    // A list that stands for itself, as the first one of an image does: anybody may make one, and it is a list.
    match KeyList::newest(&envelopes) {
        Ok(newest) => promise::is_key_list(&newest),
        Err(error) => promise::said_briefly(&error),
    }
    for envelope in &envelopes {
        for list in lists {
            match list.open::<Manifest>(Manifest::TYPE, envelope) {
                Ok(manifest) => {
                    let is_signed = SIGNED.iter().any(|signed| signed.manifest == manifest);
                    assert!(is_signed, "nobody signed it: {manifest:?}");
                }
                Err(error) => promise::said_briefly(&error),
            }
        }
    }
}

fn seeds() -> Vec<Vec<u8>> {
    let payload = |at: usize| serde_json::to_vec(&SIGNED[at].manifest).expect("a manifest is JSON");
    let manifests = [
        header(&payload(0), &FIRST).manifest,
        header(&payload(1), &SECOND).manifest,
    ];
    let one = json!(SECOND.chain[1]);
    let mut twice = one.clone();
    twice["signatures"][1] = one["signatures"][0].clone();
    let mut typed = one.clone();
    typed["payloadType"] = json!(Manifest::TYPE.0);
    let mut long = one.clone();
    long["payloadType"] = json!("x".repeat(4_000));
    // {"version":3}, {"version":18446744073709551615}, and none
    let versions = [
        "eyJ2ZXJzaW9uIjozfQ==",
        "eyJ2ZXJzaW9uIjoxODQ0Njc0NDA3MzcwOTU1MTYxNX0=",
        "",
    ];
    let claims = versions.map(|payload| {
        let mut claim = one.clone();
        claim["payload"] = json!(payload);
        claim
    });
    let lists: [Value; 6] = [
        json!(FIRST.chain),
        json!(SECOND.chain),
        json!(manifests),
        json!([twice, typed]),
        json!([long]),
        json!(claims),
    ];
    lists.map(|list| list.to_string().into_bytes()).into()
}
