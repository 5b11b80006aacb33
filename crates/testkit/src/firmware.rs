//! Versions of a system that no machine could run, and the keys that vouch for them.

use cell_model::Timestamp;
use cell_model::config::ReleaseChannel;
use cell_signed::{Envelope, KeyList, Purpose, SigningKey};
use cell_updates::bundle::{
    self, BLOCK, Content, Digest, Header, Manifest, Place, Release, Sbom, Verity,
};

/// Blocks of a root's data.
const BLOCKS: usize = 250;

/// Who signs.
#[derive(Debug)]
pub struct Keys {
    /// All of them.
    pub signers: Vec<SigningKey>,
    /// The newest list.
    pub list: KeyList,
    /// All lists.
    pub chain: Vec<Envelope>,
}

impl Default for Keys {
    fn default() -> Self {
        Self::new()
    }
}

impl Keys {
    /// Three of a first list.
    #[must_use]
    pub fn new() -> Self {
        let signers = signers();
        let list = KeyList {
            version: 1,
            purpose: Purpose::Release,
            threshold: 2,
            keys: signers.iter().map(SigningKey::public).collect(),
        };
        let chain = vec![list.seal(&signers).expect("what is made here is right")];
        Self {
            signers,
            list,
            chain,
        }
    }

    /// New keys, brought in by these.
    pub fn replaced(&self) -> Self {
        let signers = signers();
        let list = KeyList {
            version: self.list.version + 1,
            keys: signers.iter().map(SigningKey::public).collect(),
            ..self.list.clone()
        };
        let mut chain = self.chain.clone();
        chain.push(
            list.seal(&self.signers[..2])
                .expect("what is made here is right"),
        );
        Self {
            signers,
            list,
            chain,
        }
    }
}

fn signers() -> Vec<SigningKey> {
    let key = || {
        SigningKey::from_pkcs8(
            SigningKey::generate()
                .expect("what is made here is right")
                .expose(),
        )
        .expect("what is made here is right")
    };
    std::iter::repeat_with(key).take(3).collect()
}

/// A version of the system: what its partitions hold.
#[derive(Debug, Clone)]
pub struct Version {
    /// Which.
    pub release: Release,
    /// Its boot partition.
    pub boot: Vec<u8>,
    /// Its root with a hash tree behind it.
    pub root: Vec<u8>,
    /// What the kernel would check.
    pub verity: Verity,
}

impl Version {
    /// Of noise; `sequence` is its seed too.
    pub fn new(sequence: u64) -> Self {
        Self::of_size(sequence, 300_000, BLOCKS)
    }

    /// Of noise, with so many bytes on the boot partition and so many blocks of data on the root.
    pub fn of_size(sequence: u64, boot: usize, root_blocks: usize) -> Self {
        let data = noise(sequence, root_blocks * block());
        Self::of(sequence, noise(sequence + 1_000, boot), data)
    }

    /// The next one, in which some bytes in the middle of the root are others and the rest has moved.
    pub fn changed(&self) -> Self {
        let sequence = self.release.sequence + 1;
        let mut data = self.root[..BLOCKS * block()].to_vec();
        data.splice(500_000..500_100, noise(sequence, 200));
        data.truncate(BLOCKS * block());
        Self::of(sequence, self.boot.clone(), data)
    }

    fn of(sequence: u64, boot: Vec<u8>, data: Vec<u8>) -> Self {
        let blocks = (data.len() / block()) as u64;
        let mut verity = Verity {
            root_hash: Digest::of(b""),
            salt: "5a".repeat(32),
            data_blocks: blocks,
        };
        verity.root_hash =
            bundle::root_hash(&data[..], &verity).expect("what is made here is right");
        let mut root = data;
        let tree = usize::try_from(bundle::size_with_tree(blocks)).unwrap_or_default() - root.len();
        root.extend(noise(sequence + 2_000, tree));
        Self {
            release: Release {
                board: "pc".to_owned(),
                version: format!("1.{sequence}.0"),
                sequence,
                schema: 3,
            },
            boot,
            root,
            verity,
        }
    }

    /// Until when its bundles are good.
    pub fn expires() -> Timestamp {
        Timestamp::constant(4_070_908_800, 0)
    }

    /// What a partition of it holds.
    pub fn content(&self, place: Place) -> &[u8] {
        match place {
            Place::Boot => &self.boot,
            Place::Root => &self.root,
        }
    }

    /// What its bundle says.
    pub fn manifest(&self) -> Manifest {
        Manifest {
            release: self.release.clone(),
            channel: ReleaseChannel::Stable,
            expires: Version::expires(),
            notes: "What is new.".to_owned(),
            sbom: Sbom {
                name: "cell-pc.spdx.json".to_owned(),
                digest: Digest::of(b"list"),
            },
            boot: Content::of(&self.boot[..]).expect("what is made here is right"),
            root: Content::of(&self.root[..]).expect("what is made here is right"),
            verity: self.verity.clone(),
        }
    }

    /// Its bundle, signed by two keys.
    pub fn bundle(&self, keys: &Keys) -> Vec<u8> {
        self.bundle_with(&self.manifest(), keys, 2)
    }

    /// A bundle of it with this manifest, signed by so many keys.
    pub fn bundle_with(&self, manifest: &Manifest, keys: &Keys, signers: usize) -> Vec<u8> {
        let header = header(manifest, keys, signers);
        let mut bytes = Vec::new();
        let open = |place| Ok(self.content(place));
        bundle::write(&header, manifest, open, &mut bytes).expect("what is made here is right");
        bytes
    }
}

/// The beginning of a bundle.
pub fn header(manifest: &Manifest, keys: &Keys, signers: usize) -> Header {
    let payload = serde_json::to_vec(manifest).expect("what is made here is right");
    Header {
        keys: keys.chain.clone(),
        manifest: Envelope::seal(Manifest::TYPE, payload, &keys.signers[..signers]),
    }
}

/// Bytes that nothing makes shorter.
pub fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    fastrand::Rng::with_seed(seed).fill(&mut bytes);
    bytes
}

fn block() -> usize {
    usize::try_from(BLOCK).unwrap_or_default()
}
