//! Keys that are the same on every machine, so that an input that is signed stays so. No box was ever told to trust
//! them.

use std::ops::Range;
use std::sync::LazyLock;

use cell_signed::{Envelope, KeyList, Purpose, SigningKey};
use data_encoding::HEXLOWER;

/// The public keys of the secret ones that are 32 times the byte 1, 2 and so on.
const PUBLIC: [&str; 8] = [
    "8a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801b40f6f5c",
    "8139770ea87d175f56a35466c34c7ecccb8d8a91b4ee37a25df60f5b8fc9b394",
    "ed4928c628d1c2c6eae90338905995612959273a5c63f93636c14614ac8737d1",
    "ca93ac1705187071d67b83c7ff0efe8108e8ec4530575d7726879333dbdabe7c",
    "6e7a1cdd29b0b78fd13af4c5598feff4ef2a97166e3ca6f2e4fbfccd80505bf1",
    "8a875fff1eb38451577acd5afee405456568dd7c89e090863a0557bc7af49f17",
    "ea4a6c63e29c520abef5507b132ec5f9954776aebebe7b92421eea691446d22c",
    "1398f62c6d1a457c51ba6a4b5f3dbd2f69fca93216218dc8997e416bd17d93ca",
];
/// An Ed25519 key as PKCS#8 (RFC 5958): what stands before the secret key, and between it and the public one.
const BEFORE: &str = "3051020101300506032b657004220420";
const BETWEEN: &str = "812100";

/// All of them.
pub(crate) static ALL: LazyLock<Vec<SigningKey>> = LazyLock::new(|| some(0..PUBLIC.len()));

/// Who signs, and how others know.
pub(crate) struct Keys {
    /// The secret ones.
    pub(crate) signers: Vec<SigningKey>,
    /// The list they are in.
    pub(crate) list: KeyList,
    /// All lists up to it.
    pub(crate) chain: Vec<Envelope>,
}

/// The first list of a box, of the first three keys.
pub(crate) static FIRST: LazyLock<Keys> = LazyLock::new(|| {
    let list = list(1, 0..3);
    let signers = some(0..3);
    let chain = vec![list.seal(&signers).expect("the list is one")];
    Keys {
        signers,
        list,
        chain,
    }
});

/// The list after it, of the next three keys, which two of the first have signed.
pub(crate) static SECOND: LazyLock<Keys> = LazyLock::new(|| {
    let list = list(2, 3..6);
    let next = list.seal(&some(0..2)).expect("the list is one");
    Keys {
        signers: some(3..6),
        list,
        chain: [FIRST.chain.clone(), vec![next]].concat(),
    }
});

fn key(number: usize) -> SigningKey {
    let secret = HEXLOWER.encode(&[number as u8 + 1; 32]);
    let document = [BEFORE, &secret, BETWEEN, PUBLIC[number]].concat();
    let document = HEXLOWER.decode(document.as_bytes());
    SigningKey::from_pkcs8(&document.expect("hexadecimal")).expect("the two belong together")
}

fn some(numbers: Range<usize>) -> Vec<SigningKey> {
    numbers.map(key).collect()
}

fn list(version: u64, numbers: Range<usize>) -> KeyList {
    KeyList {
        version,
        purpose: Purpose::Release,
        threshold: 2,
        keys: some(numbers).iter().map(SigningKey::public).collect(),
    }
}
