//! Links to other cells: what is asked for, what is shown, and what others say.

use std::collections::{BTreeMap, BTreeSet};

use cell_model::Timestamp;
use cell_model::config::ServiceToggle;
use cell_model::endpoint::Endpoint;
use cell_model::name::{CellName, Domain, Username};
use cell_model::secret::{Secret, exposed};
use cell_model::signer::SignerKey;
use ipnet::{Ipv4Net, Ipv6Net};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// An invite for another cell.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LinkInviteForm {
    /// Whether whoever has it is linked at once; otherwise somebody here compares a code first.
    #[serde(default)]
    pub auto_accept: bool,
    /// Seconds until it counts no more: a minute to 30 days; a day when not said.
    #[serde(default)]
    pub expires_in_s: Option<u32>,
    /// Whether the other cell may have a domain of the internet's: this one then asks it alone for names there.
    #[serde(default)]
    pub allow_public_domain: bool,
}

/// An invite for another cell, without its secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LinkInviteView {
    /// To take it back by.
    pub id: String,
    /// Who has made it.
    pub created_by: Username,
    /// When.
    #[schemars(with = "String")]
    pub created_at: Timestamp,
    /// Until when it counts.
    #[schemars(with = "String")]
    pub expires_at: Timestamp,
    /// Whether whoever has it is linked at once.
    pub auto_accept: bool,
    /// The cell that has used it; `null`: none yet.
    pub used_by: Option<CellName>,
}

/// An invite that was just made. Serialises with its secret.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct NewLinkInvite {
    /// What the other cell's owner imports, this once.
    pub invite: InviteText,
    /// What is known of it here.
    #[serde(flatten)]
    pub view: LinkInviteView,
}

/// An invite as it travels, or an acceptance of one: a document that a cell has signed (DSSE). An invite serialises with its
/// secret; an acceptance has none.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct InviteText {
    /// Whose it is.
    pub cell: String,
    /// What it says, signed.
    pub document: SignedText,
}

/// What somebody has signed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SignedText {
    /// What kind of document it is.
    pub payload_type: String,
    /// The document, in base64.
    pub payload: String,
    /// By whom.
    #[schemars(length(max = 16))]
    pub signatures: Vec<SignatureText>,
}

/// A signature.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SignatureText {
    /// Which key, as a hint.
    pub keyid: String,
    /// The signature, in base64.
    pub sig: String,
}

/// An invite of another cell's that is imported, or another cell's acceptance of one of this cell's. Serialises with its secret.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LinkForm {
    /// The invite or the acceptance, as the other cell has made it: what is in it, only the core reads.
    #[schemars(with = "BTreeMap<String, Value>")]
    pub invite: InviteText,
    /// Whether the other cell may have a domain of the internet's: this one then asks it alone for names there.
    #[serde(default)]
    pub allow_public_domain: bool,
}

/// A code that two owners compare.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LinkCode {
    /// Six digits, as the other cell shows them.
    #[serde(serialize_with = "exposed")]
    #[schemars(with = "String", length(min = 6, max = 6), extend("writeOnly" = true))]
    pub code: Secret<String>,
}

/// How far two cells are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LinkState {
    /// Both have each other.
    Linked,
    /// The owner of the cell that has invited is to compare the code.
    AwaitingConfirmation,
    /// It did not work, and is tried again until the invite is over.
    Failed,
}

/// Another cell.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LinkView {
    /// Its name.
    pub name: CellName,
    /// The domain that it answers for.
    pub domain: Domain,
    /// The network of its VPN.
    #[schemars(with = "String")]
    pub vpn_subnet: Ipv4Net,
    /// The same of IPv6.
    #[schemars(with = "String")]
    pub vpn_subnet6: Ipv6Net,
    /// The key that it signs with.
    pub identity: SignerKey,
    /// Where it is reached.
    pub endpoints: Vec<Endpoint>,
    /// How far it is.
    pub state: LinkState,
    /// What both owners see while it waits for that; `null` otherwise.
    pub code: Option<String>,
    /// What is in the way; `null`: nothing.
    pub detail: Option<String>,
    /// What its owner may import there, where it is not reached from here; `null`: it is, or it has not invited this one.
    #[schemars(with = "Option<BTreeMap<String, Value>>")]
    pub acceptance: Option<InviteText>,
    /// Whether nothing passes for now.
    pub paused: bool,
    /// Kinds of service that its people may use here.
    pub services: BTreeSet<ServiceToggle>,
    /// Whether its people may go out to the internet by way of this cell.
    pub offers_exit: bool,
    /// Whether it has taken all that was changed here.
    pub told: bool,
    /// What the link is like there; `null`: nothing was heard yet.
    pub theirs: Option<TheirTerms>,
    /// What it wants to be from now on, and is not yet; `null`: nothing is held.
    pub held: Option<HeldView>,
    /// When the tunnel to it was last agreed on; `null`: not since the start.
    #[schemars(with = "Option<String>")]
    pub last_handshake: Option<Timestamp>,
    /// When the boxes last spoke with each other; `null`: not since the start.
    #[schemars(with = "Option<String>")]
    pub last_contact: Option<Timestamp>,
    /// Milliseconds there and back, as of the last contact; `null`: not known.
    pub latency_ms: Option<u32>,
    /// Bytes that came by the tunnel since it is there.
    pub received_bytes: u64,
    /// Bytes that went.
    pub sent_bytes: u64,
    /// Since when it is linked, or waits for that.
    #[schemars(with = "String")]
    pub created_at: Timestamp,
}

/// What a link is like on the other side.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TheirTerms {
    /// Kinds of service that people of this cell may use there.
    pub services: BTreeSet<ServiceToggle>,
    /// Whether nothing passes for now.
    pub paused: bool,
    /// Whether people of this cell may go out to the internet by way of it.
    pub offers_exit: bool,
}

/// What a linked cell wants to be, and something is in the way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HeldView {
    /// Its name.
    pub name: CellName,
    /// Its domain.
    pub domain: Domain,
    /// The network of its VPN.
    #[schemars(with = "String")]
    pub vpn_subnet: Ipv4Net,
    /// The same of IPv6.
    #[schemars(with = "String")]
    pub vpn_subnet6: Ipv6Net,
    /// What is in the way, and who can do something about it.
    pub detail: String,
    /// Whether nothing but the owner's word is missing.
    pub acceptable: bool,
}

/// What a link may use here, and whether anything passes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LinkUpdate {
    /// Kinds of service that its people may use here.
    #[serde(default)]
    pub services: Option<BTreeSet<ServiceToggle>>,
    /// Whether nothing passes for now.
    #[serde(default)]
    pub paused: Option<bool>,
    /// Whether its people may go out to the internet by way of this cell.
    #[serde(default)]
    pub offers_exit: Option<bool>,
}
