//! Services as they are installed and offered.

use std::collections::BTreeSet;

use cell_model::Timestamp;
use cell_model::config::SettingValue;
use cell_model::name::{Domain, GroupName, ServiceId, SettingKey, SourceName};
use cell_model::status::State;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A service that is installed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ServiceView {
    /// What it is called in paths.
    pub id: ServiceId,
    /// What it is called on pages.
    pub name: String,
    /// What it does, in a line.
    pub summary: String,
    /// The version people know.
    pub version: String,
    /// Rises with every change of the package.
    pub release: u32,
    /// Whether it shall run.
    pub enabled: bool,
    /// Whether the internet reaches its hosts while it runs; `null` when it has none.
    pub published: Option<bool>,
    /// Groups whose people may use it; `null`: everybody.
    pub groups: Option<BTreeSet<GroupName>>,
    /// How it is.
    pub state: State,
    /// Since when; `null` while that is not known.
    #[schemars(with = "Option<String>")]
    pub since: Option<Timestamp>,
    /// What, in a sentence.
    pub detail: String,
    /// Where it is found.
    pub urls: Vec<String>,
    /// Why it may reach the internet; `null`: it may not.
    pub internet: Option<String>,
    /// Services that it needs.
    pub requires: BTreeSet<ServiceId>,
    /// Services that need it.
    pub needed_by: BTreeSet<ServiceId>,
    /// What runs.
    pub containers: Vec<ServiceContainerView>,
    /// Bytes on the disk of what it has kept, as it was measured last; `null` in lists, and while that is not known.
    pub data_bytes: Option<u64>,
    /// The folders that it keeps something in, with their room; empty in lists.
    pub volumes: Vec<ServiceVolumeView>,
    /// What may be set.
    pub settings: Vec<SettingView>,
    /// What devices find by its name alone.
    pub well_known: Vec<WellKnownView>,
    /// Where mail programs reach it; `null`: it keeps no mailboxes.
    pub mail: Option<MailboxesView>,
    /// How it is used: what whoever asks has to do on their devices.
    pub guides: Vec<GuideView>,
    /// Whether an update is open. While its next version is fetched (`next`), the service goes on as it is; afterwards
    /// nobody reaches it until it is known whether the update stays.
    pub on_trial: bool,
    /// What it becomes once that is fetched; otherwise `null`.
    pub next: Option<ServiceUpdateView>,
    /// What the box has of it that is newer; `null`: nothing.
    pub update: Option<ServiceUpdateView>,
    /// The last update, if it was taken back; otherwise `null`.
    pub failed_update: Option<FailedUpdateView>,
}

/// A service as people see it who use it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct OwnServiceView {
    /// What it is called in paths.
    pub id: ServiceId,
    /// What it is called on pages.
    pub name: String,
    /// What it does, in a line.
    pub summary: String,
    /// How it is.
    pub state: State,
    /// Where it is found.
    pub urls: Vec<String>,
    /// Whether the internet reaches it; otherwise devices at home and on the VPN do.
    pub published: bool,
    /// What devices find by its name alone.
    pub well_known: Vec<WellKnownView>,
    /// Where mail programs reach it; `null`: it keeps no mailboxes.
    pub mail: Option<MailboxesView>,
    /// What whoever asks has to do on their devices.
    pub guides: Vec<GuideView>,
}

impl From<ServiceView> for OwnServiceView {
    fn from(service: ServiceView) -> Self {
        Self {
            id: service.id,
            name: service.name,
            summary: service.summary,
            state: service.state,
            urls: service.urls,
            published: service.published == Some(true),
            well_known: service.well_known,
            mail: service.mail,
            guides: service.guides,
        }
    }
}

/// A newer version of a service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ServiceUpdateView {
    /// What people call it.
    pub version: String,
    /// Higher than that of the service.
    pub release: u32,
}

/// An update that was taken back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FailedUpdateView {
    /// What people call the version that did not get well.
    pub version: String,
    /// Its release.
    pub release: u32,
    /// Why, as a sentence.
    pub reason: String,
}

/// What devices find that only know a host (RFC 6764).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct WellKnownView {
    /// What for: `caldav` or `carddav`.
    pub name: String,
    /// The host.
    pub host: String,
}

/// Where mail programs reach a service. Each person's address is their name at the domain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct MailboxesView {
    /// What is behind the `@`.
    pub domain: Domain,
    /// The host: mailboxes on port 993, mail to send on port 465, encrypted from the first byte.
    pub host: Domain,
}

/// What has to be done on a kind of device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct GuideView {
    /// Which devices: `android`, `ios`, `linux`, `macos`, `thunderbird`, `web` or `windows`.
    pub platform: String,
    /// What to do, one after the other.
    pub steps: Vec<String>,
}

/// A container of a service, and what it may use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ServiceContainerView {
    /// Its name within the service.
    pub name: String,
    /// What it is made from.
    pub image: String,
    /// Memory, in MiB.
    pub memory_mib: u32,
    /// Processor time, in percent of one processor.
    pub cpu_percent: u32,
    /// Processes and threads.
    pub processes: u32,
    /// What it uses of that; `null` in lists, while it does not run, and where the kernel does not count it.
    pub usage: Option<ServiceUsageView>,
}

/// What a container uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ServiceUsageView {
    /// Memory.
    pub memory_bytes: u64,
    /// Processor time, in percent of one processor: since somebody last asked, or since it was started.
    pub cpu_percent: u32,
    /// Processes and threads.
    pub processes: u32,
}

/// A folder in which a service keeps something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ServiceVolumeView {
    /// Its name within the service.
    pub name: String,
    /// Bytes that it can still take, of its limit and of what the disk has; `null` while that is not known.
    pub free_bytes: Option<u64>,
    /// Bytes that it may hold at most; `null` where nothing limits it.
    pub max_bytes: Option<u64>,
    /// Whether less than a hundredth of that is free, or of the files that it may have.
    pub full: bool,
}

/// A line that a container of a service has said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ServiceLogLine {
    /// When.
    #[schemars(with = "String")]
    pub time: Timestamp,
    /// Which container.
    pub container: String,
    /// What, with control characters escaped.
    pub message: String,
}

/// What a service has kept that was removed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct KeptDataView {
    /// The service.
    pub id: ServiceId,
    /// What it is called on pages: its id where the store has it no more.
    pub name: String,
    /// Bytes on the disk, as it was measured last; `null` while that is not known.
    pub data_bytes: Option<u64>,
}

/// A question of a service's form, with its answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SettingView {
    /// What it is called in requests.
    pub key: SettingKey,
    /// What it is called on the page.
    pub label: String,
    /// What is to be known to answer it.
    pub help: Option<String>,
    /// Which answers it takes.
    pub kind: SettingKindView,
    /// The answer in force; `null` for a secret.
    pub value: Option<SettingValue>,
    /// Whether the answer is the manifest's.
    pub is_default: bool,
    /// The manifest's; `null` for a secret.
    pub default: Option<SettingValue>,
}

/// Which answers a setting takes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum SettingKindView {
    /// A line.
    Text {
        /// The most characters.
        max: u32,
    },
    /// A whole number.
    Number {
        /// The least.
        min: u32,
        /// The most.
        max: u32,
    },
    /// Yes or no.
    Switch,
    /// One of these.
    Choice {
        /// All of them.
        choices: Vec<String>,
    },
    /// What nobody is to see again.
    Secret,
}

/// A service that can be installed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct OfferView {
    /// What it is called in paths.
    pub id: ServiceId,
    /// What it is called on pages.
    pub name: String,
    /// What it does, in a line.
    pub summary: String,
    /// The version people know.
    pub version: String,
    /// Rises with every change of the package.
    pub release: u32,
    /// Services that it needs, which are installed with it.
    pub requires: BTreeSet<ServiceId>,
    /// Why it asks for the internet; `null`: it gets none.
    pub internet: Option<String>,
    /// The release that is installed; `null`: none.
    pub installed: Option<u32>,
    /// Whether data is there from before it was removed.
    pub kept_data: bool,
    /// The source it comes from; `null`: it comes with the box.
    pub source: Option<SourceName>,
    /// What may be set.
    pub settings: Vec<SettingView>,
}

/// What the sources of services answered when they were asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RefreshView {
    /// Source by source.
    pub items: Vec<SourceView>,
}

/// What a source answered when it was asked last, and what counts of it now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SourceView {
    /// Which.
    pub source: SourceName,
    /// Whether what it offers was taken.
    pub state: RefreshState,
    /// When it was asked last; `null`: not as it is now, or not since the box was started.
    #[schemars(with = "Option<String>")]
    pub asked: Option<Timestamp>,
    /// Why nothing was taken, as a stable word; otherwise `null`.
    pub code: Option<String>,
    /// The same in sentences.
    pub detail: String,
    /// The version of its catalogue that counts; `null`: none does.
    pub version: Option<u64>,
    /// Until when it counts.
    #[schemars(with = "Option<String>")]
    pub expires: Option<Timestamp>,
    /// How many services of it can be installed.
    pub services: Option<usize>,
    /// Services that were installed from it.
    pub installed: BTreeSet<ServiceId>,
    /// Services of it that were removed and whose data was kept.
    pub kept_data: BTreeSet<ServiceId>,
}

/// What came of asking a source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RefreshState {
    /// It was taken.
    Ok,
    /// What was known stays, until it expires.
    Failed,
    /// It was not asked yet.
    Unasked,
}
