//! What runs in containers.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use ipnet::Ipv4Net;
use serde::{Deserialize, Serialize};

use crate::config::Authorities;
use crate::container::{
    Capability, ContainerPath, Hand, IdRange, ImageDigest, ImageRef, Limits, Registry,
};
use crate::name::{CellName, Domain, InterfaceName, PartName, ServiceId, Username};
use crate::secret::Secret;
use crate::url::SourceUrl;

/// All that shall run. What is not here is taken away, but for what it has kept.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContainersSpec {
    /// The services, those that others need first.
    pub services: Vec<ServiceSpec>,
    /// Data that is deleted, by its service and number; nothing that runs has it.
    pub discarded: BTreeSet<(ServiceId, u32)>,
    /// What the cell is called, where services ask for passwords.
    pub realm: Option<CellName>,
    /// What the service of mail is handed.
    #[serde(skip)]
    pub mail: MailSpec,
    /// Where the images of services are that did not come with the box.
    pub origins: BTreeMap<ServiceId, OriginSpec>,
    /// What services become once their images are here.
    pub next: BTreeMap<ServiceId, NextSpec>,
    /// Images that stay: of services that are installed, running or not, of what they were and become, and of what the box
    /// itself runs. `None`: not all of them are known, and so all images stay.
    pub kept_images: Option<BTreeSet<ImageDigest>>,
}

/// What the service of mail is handed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MailSpec {
    /// Who takes mail for others; `None` for nobody.
    pub relay: Option<RelaySpec>,
    /// Keys that mail is signed with, PEM, by their selectors.
    pub dkim: BTreeMap<String, Secret<String>>,
    /// The domain and the selector that mail is signed with; `None` for no signature.
    pub signing: Option<(Domain, String)>,
}

/// Who takes mail for others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RelaySpec {
    /// Its host.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// The account there, with its password.
    pub login: Option<(String, Secret<String>)>,
}

/// What a service becomes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NextSpec {
    /// Its images.
    pub images: BTreeSet<ImageDigest>,
    /// Where they are, if they did not come with the box.
    pub origin: Option<OriginSpec>,
    /// Services that it needs: it waits for their images too.
    pub needs: BTreeSet<ServiceId>,
}

/// Where the images of a service are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OriginSpec {
    /// The folder of the source.
    pub url: SourceUrl,
    /// The registry, if the source has its images there.
    pub registry: Option<Registry>,
    /// Certificates (PEM) that may vouch for either beside the public ones.
    pub authorities: Option<Authorities>,
    /// The most bytes of the images together.
    pub size: u64,
}

impl OriginSpec {
    /// Whether the images are on a USB stick.
    pub fn is_on_stick(&self) -> bool {
        self.registry.is_none() && matches!(self.url, SourceUrl::Stick(_))
    }

    /// Where an image's manifest is.
    pub fn manifest(&self, digest: &ImageDigest) -> SourceUrl {
        match &self.registry {
            Some(registry) => registry.manifest(digest).into(),
            None => self.url.join(&digest.blob_path()),
        }
    }

    /// Where a blob of an image is.
    pub fn blob(&self, digest: &ImageDigest) -> SourceUrl {
        match &self.registry {
            Some(registry) => registry.blob(digest).into(),
            None => self.url.join(&digest.blob_path()),
        }
    }
}

impl ContainersSpec {
    /// Whether nothing runs or comes, and nothing has to be deleted.
    pub fn is_empty(&self) -> bool {
        self.services.is_empty() && self.next.is_empty() && self.discarded.is_empty()
    }

    /// All images that are needed, now or next.
    pub fn images(&self) -> BTreeSet<ImageDigest> {
        let now = self.services.iter().flat_map(ServiceSpec::images);
        let next = self.next.values().flat_map(|next| &next.images);
        now.chain(next.copied()).collect()
    }
}

/// A service: containers that share a network, ids and volumes with nobody else.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceSpec {
    /// Which.
    pub id: ServiceId,
    /// The box's side of its network.
    pub bridge: InterfaceName,
    /// Its network; the first address is the box's.
    pub network: Ipv4Net,
    /// Whom its users are outside. The same for good: what is in volumes belongs to them.
    pub ids: IdRange,
    /// What is kept of it.
    pub volumes: BTreeMap<PartName, VolumeSpec>,
    /// The number of its data: another one after each update.
    pub data: u32,
    /// What runs, in the order in which it is started.
    pub containers: Vec<ContainerSpec>,
    /// Names of the certificate that it is handed.
    pub names: BTreeSet<String>,
    /// The certificate's key, PKCS #8 DER: the same for good, since records in DNS may name it (RFC 7671, section 8.1).
    #[serde(skip)]
    pub certificate_key: Option<Secret<Vec<u8>>>,
    /// What ends that somebody is signed in.
    pub end: Vec<PersonCommandSpec>,
    /// What takes away all that it has kept of somebody.
    pub remove: Option<PersonCommandSpec>,
}

/// What is run in a container about somebody.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PersonCommandSpec {
    /// In which, by its name within the service.
    pub container: PartName,
    /// What, with [`Self::WHO`] for the person's name.
    pub command: Vec<String>,
}

impl PersonCommandSpec {
    /// Stands for the person's name. No template has a brace that stays.
    pub const WHO: &str = "{}";

    /// What is run about this person.
    pub fn about(&self, username: &Username) -> Vec<String> {
        let words = self.command.iter();
        words
            .map(|word| word.replace(Self::WHO, username.as_str()))
            .collect()
    }
}

impl ServiceSpec {
    /// What its containers are made from.
    pub fn images(&self) -> impl Iterator<Item = ImageDigest> {
        self.containers
            .iter()
            .map(|container| container.image.digest)
    }
}

/// What a service keeps in a folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct VolumeSpec {
    /// The number it is kept under: another one is another volume.
    pub number: u32,
    /// It begins as a copy of what is kept under this number; nothing is started before that is whole.
    pub copy_of: Option<u32>,
    /// What it may hold at most, in MiB; `None` is what the disk has for volumes.
    pub max_mib: Option<u32>,
}

/// A container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContainerSpec {
    /// Its name within the service; its host name too.
    pub name: PartName,
    /// What it is made from.
    pub image: ImageRef,
    /// What it runs; empty for what the image says.
    pub command: Vec<String>,
    /// Variables besides those of the image.
    pub environment: BTreeMap<String, String>,
    /// What it may do; all else is dropped.
    pub capabilities: BTreeSet<Capability>,
    /// What it may use.
    pub limits: Limits,
    /// Volumes of its service.
    pub mounts: Vec<MountSpec>,
    /// Folders in memory.
    pub scratch: Vec<ContainerPath>,
    /// What it is handed.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub hands: BTreeSet<Hand>,
    /// What is run in it when something else is handed to it; empty for nothing.
    #[serde(default)]
    pub reload: Vec<String>,
    /// Its address in the service's network.
    pub address: Ipv4Addr,
    /// Names it can look up besides those of its service.
    pub hosts: BTreeMap<String, Ipv4Addr>,
    /// Whom it may ask for all other names.
    pub resolver: Option<Ipv4Addr>,
    /// How it is seen that it is well.
    pub health: HealthSpec,
}

/// How it is seen that a container is well. Times are in seconds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HealthSpec {
    /// What is tried.
    pub probe: ProbeSpec,
    /// How often.
    pub interval_s: u32,
    /// How long an answer may take.
    pub timeout_s: u32,
    /// How many tries in a row may go wrong.
    pub retries: u32,
    /// How long it may take to be well for the first time.
    pub start_s: u32,
}

/// What is tried.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProbeSpec {
    /// A GET, from the box; any answer below 500 is one.
    Http {
        /// The container's port.
        port: u16,
        /// What is asked for.
        path: String,
    },
    /// A connection, from the box.
    Tcp {
        /// The container's port.
        port: u16,
    },
    /// A program in the container that ends well.
    Command(Vec<String>),
}

/// A volume in a container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MountSpec {
    /// Which, of the service.
    pub volume: PartName,
    /// Where.
    pub path: ContainerPath,
    /// Whether it is only to be read.
    pub read_only: bool,
}
