//! Chains of key lists that were signed by somebody: which list is believed at the end.

use cell_signed::{Envelope, KeyList, PayloadType, Purpose};
use cell_updates::bundle::Manifest;
use serde_json::json;

use crate::input::Input;
use crate::signers::{self, FIRST};
use crate::{Target, promise};

pub(crate) const TARGET: Target = Target {
    name: "key_list",
    input: "key lists, each six bytes: version, threshold, kind, keys (2), signers",
    // Six lists: more only cost signatures.
    longest: 36,
    run,
    seeds,
};

/// A list of the chain as its maker wants it.
struct Offered {
    version: u64,
    purpose: Purpose,
    threshold: usize,
    /// Numbers of keys, some of them twice.
    keys: Vec<usize>,
    signers: Vec<usize>,
    payload_type: PayloadType,
}

fn run(bytes: &[u8]) {
    let mut input = Input(bytes);
    let mut offered = Vec::new();
    while !input.is_over() {
        offered.push(Offered::take(&mut input));
    }
    let chain: Vec<Envelope> = offered.iter().map(Offered::sealed).collect();
    match FIRST.list.follow(&chain) {
        Ok(newest) => {
            promise::is_key_list(&newest);
            assert_eq!(Some(&newest), believed(&offered).as_ref());
        }
        Err(error) => {
            promise::said_briefly(&error);
            assert_eq!(believed(&offered), None, "{error}");
        }
    }
}

/// Which list is believed at the end; none when the chain is broken.
fn believed(chain: &[Offered]) -> Option<KeyList> {
    let mut newest = Offered {
        version: 1,
        purpose: Purpose::Release,
        threshold: 2,
        keys: vec![0, 1, 2],
        signers: Vec::new(),
        payload_type: KeyList::TYPE,
    };
    for offered in chain.iter() {
        if offered.version <= newest.version {
            continue;
        }
        let signed = newest
            .keys
            .iter()
            .filter(|key| offered.signers.contains(key));
        let mut different = offered.keys.clone();
        different.sort_unstable();
        different.dedup();
        let follows = offered.payload_type == KeyList::TYPE
            && offered.version == newest.version + 1
            && offered.purpose == newest.purpose
            && signed.count() >= newest.threshold
            && different.len() == offered.keys.len()
            && offered.threshold >= 2
            && offered.threshold <= offered.keys.len();
        if !follows {
            return None;
        }
        newest = Offered {
            keys: offered.keys.clone(),
            signers: Vec::new(),
            ..*offered
        };
    }
    Some(newest.list())
}

impl Offered {
    fn take(input: &mut Input<'_>) -> Self {
        let version = match input.byte() {
            255 => u64::MAX,
            byte => u64::from(byte),
        };
        let threshold = usize::from(input.byte());
        let kind = input.byte();
        let mut keys = chosen(input.byte());
        keys.extend(chosen(input.byte()));
        let signers = chosen(input.byte());
        Self {
            version,
            purpose: match kind & 1 {
                0 => Purpose::Release,
                _ => Purpose::Development,
            },
            threshold,
            keys,
            signers,
            payload_type: match kind & 2 {
                0 => KeyList::TYPE,
                _ => Manifest::TYPE,
            },
        }
    }

    fn list(&self) -> KeyList {
        let public = |number: &usize| signers::ALL[*number].public();
        KeyList {
            version: self.version,
            purpose: self.purpose,
            threshold: self.threshold,
            keys: self.keys.iter().map(public).collect(),
        }
    }

    /// Sealed without the checks that a maker's tools would make.
    fn sealed(&self) -> Envelope {
        let payload = json!(self.list()).to_string().into_bytes();
        let mut envelope = Envelope::seal(self.payload_type, payload, &[]);
        for number in &self.signers {
            envelope.add_signature(&signers::ALL[*number]);
        }
        envelope
    }
}

/// Numbers of keys: one a bit.
fn chosen(bits: u8) -> Vec<usize> {
    let is_set = |number: &usize| bits & (1 << number) != 0;
    (0..signers::ALL.len()).filter(is_set).collect()
}

fn seeds() -> Vec<Vec<u8>> {
    let first = [1, 2, 0, 0b0000_0111, 0, 0b0000_0111];
    let second = [2, 2, 0, 0b0011_1000, 0, 0b0000_0011];
    let third = [3, 3, 0, 0b1110_0000, 0, 0b0011_0000];
    let fourth = [4, 2, 0, 0b0000_0111, 0, 0b1110_0000];
    let good: Vec<u8> = [first, second, third, fourth].concat();
    let with = |at: usize, value: u8| {
        let mut second = second;
        second[at] = value;
        [first, second, third].concat()
    };
    let bad = [
        with(0, 3),
        with(0, 255),
        with(1, 1),
        with(1, 4),
        with(2, 1),
        with(2, 2),
        with(4, 0b0000_1000),
        with(5, 0b0000_0001),
        with(5, 0b0011_1000),
        [first, third].concat(),
    ];
    [good].into_iter().chain(bad).collect()
}
