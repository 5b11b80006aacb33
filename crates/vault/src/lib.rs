//! Keys and certificates: random keys, sealing of secrets at rest, the cell's own certificate authority and the leaf
//! of the admin listener, and the keys that mail is signed with.
//!
//! Promises: a secret leaves only sealed, or wrapped in `Secret`; a sealed blob opens only under the name it was sealed
//! for; the issuing CA can vouch for nothing but the cell's own names and private addresses, and every client checks
//! that; the leaf's key never touches a disk. Times are passed in.
//! Must never: see the store (sealed blobs go in and out as bytes), decide which names the box has (the plan does),
//! or claim a protection it does not have (see [`Protection`]).
//! Start reading at [`CellVault`]; [`Sealer`] stands alone.

mod dkim;
mod encoding;
pub mod fake;
mod issuing_ca;
mod leaf;
mod random;
mod root_ca;
mod seal;
mod seal_key;
mod signing;
mod throwaway;
mod validity;
mod vault;

pub use dkim::{DkimError, DkimPair};
pub use encoding::{fingerprint, pem};
pub use issuing_ca::IssuingCa;
pub use leaf::{Leaf, LeafInfo, key_hash, new_certificate_key};
pub use random::{RandomError, new_preshared_key, new_private_key, random_bytes};
pub use root_ca::RootCa;
pub use seal::{SealError, Sealer};
pub use seal_key::{Protection, SealKey, SealKeyError};
pub use signing::CaError;
pub use throwaway::throwaway;
pub use vault::{CellVault, PreparedCa, SealedRecord, Vault, VaultError};
