//! A service, as its manifest says it is.

use std::collections::{BTreeMap, BTreeSet};

use cell_model::container::{
    Capability, ContainerPath, Hand, ImageDigest, ImageRef, Limits, Protocol,
};
use cell_model::name::{PartName, ServiceId};
use cell_model::toml_text::TomlError;

use crate::setting::Setting;
use crate::template::Template;

/// All the box knows of a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    /// What it is called in config, paths and names of containers.
    pub id: ServiceId,
    /// What it is called on pages.
    pub name: String,
    /// What it does, in a line.
    pub summary: String,
    /// The version people know; it orders nothing.
    pub version: String,
    /// Rises with every change of the package.
    pub release: u32,
    /// Services that it cannot do without.
    pub requires: BTreeSet<ServiceId>,
    /// What runs; at least one.
    pub containers: Vec<Container>,
    /// What is kept.
    pub volumes: Vec<Volume>,
    /// Host names that Caddy answers for it.
    pub routes: Vec<Route>,
    /// Documents that Caddy answers for it, at hosts of their own.
    pub documents: Vec<Document>,
    /// Ports that it answers itself.
    pub ports: Vec<Port>,
    /// What of other services it may reach.
    pub edges: Vec<Edge>,
    /// Why it needs the internet; `None` means that it gets none.
    pub internet: Option<String>,
    /// How it learns who somebody is; `None` means that it has no accounts.
    pub accounts: Option<Accounts>,
    /// What the owner may set.
    pub settings: Vec<Setting>,
    /// What people have to do on their devices.
    pub guides: Vec<Guide>,
}

/// A container of a service. Its root is read-only, and its users are users of nobody else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Container {
    /// Its name within the service.
    pub name: PartName,
    /// What it is made from.
    pub image: ImageRef,
    /// What it runs; empty for what the image says.
    pub command: Vec<Template>,
    /// Variables of its environment.
    pub environment: BTreeMap<String, Template>,
    /// What it may do; all else is dropped.
    pub capabilities: BTreeSet<Capability>,
    /// What it may use.
    pub limits: Limits,
    /// What is kept, and where it finds that.
    pub mounts: Vec<Mount>,
    /// Folders it may write to; what is there is gone when it ends.
    pub scratch: Vec<ContainerPath>,
    /// What the box hands in.
    pub hands: BTreeSet<Hand>,
    /// What is run in it when something else is handed in; empty for nothing.
    pub reload: Vec<Template>,
    /// Whether it gets the internet that its service has.
    pub internet: bool,
    /// How it is seen that it is well.
    pub health: Health,
}

/// A volume in a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    /// Which.
    pub volume: PartName,
    /// Where.
    pub path: ContainerPath,
    /// Whether it is only to be read.
    pub read_only: bool,
}

/// What is kept of a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Volume {
    /// Its name within the service.
    pub name: PartName,
    /// Whether losing it would hurt: then it is in backups.
    pub backup: bool,
    /// Whether an update works on a copy, so that nothing of it is left when it is taken back. As `backup`, unless it is
    /// said: a program that leaves what people put there as it is needs no copy of all of that.
    pub snapshot: bool,
    /// What it may hold at most, in MiB; `None` is up to the disk.
    pub max_mib: Option<u32>,
}

/// How it is seen that a container is well. Times are in seconds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Health {
    /// What is tried.
    pub probe: Probe,
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
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Probe {
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
    Command(Vec<Template>),
}

/// A container and one of its ports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Backend {
    /// The container's name within its service.
    pub container: PartName,
    /// The port, above 0.
    pub port: u16,
}

/// A host of the cell's domain that Caddy answers, over HTTPS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// The label: `calendar` is `calendar.<domain>`.
    pub host: PartName,
    /// Who answers.
    pub backend: Backend,
    /// The largest body of a request, in MiB.
    pub max_body_mib: u32,
    /// Where devices that only know the host are sent (RFC 6764).
    pub well_known: BTreeMap<WellKnown, String>,
}

/// A text that Caddy answers over HTTPS to all who may reach the service: what programs have to know before anybody signs in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    /// The label: no other part of a service is there.
    pub host: PartName,
    /// Where it is there. Upper and lower case are the same.
    pub path: String,
    /// Its media type.
    pub media_type: MediaType,
    /// What is in it.
    pub text: Template,
}

/// What a document may be: nothing that a browser runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MediaType {
    /// Text.
    Text,
    /// XML.
    Xml,
}

/// What devices look for at `/.well-known/`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum WellKnown {
    /// Calendars.
    CalDav,
    /// Contacts.
    CardDav,
}

/// A port of the box that leads to a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Port {
    /// The protocol.
    pub protocol: Protocol,
    /// The port of the box.
    pub port: u16,
    /// Who answers.
    pub backend: Backend,
    /// The label of the domain that clients find it by; `None` where any name of the box does.
    pub host: Option<PartName>,
    /// Who is let in.
    pub from: LetIn,
}

/// Who is let in at a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LetIn {
    /// People at home and devices, whether the service is published or not.
    Home,
    /// Everybody, once the service is published.
    Internet,
}

/// What a container may reach of another service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edge {
    /// Which of its containers.
    pub from: PartName,
    /// The other service; it is among those required.
    pub service: ServiceId,
    /// Whom of it.
    pub to: Backend,
}

/// How a service learns who somebody is, and that somebody is nobody any more.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Accounts {
    /// The box asks for the password before the service sees anything, and says in this header of the request whose it was.
    pub header: Option<String>,
    /// The service asks the box itself, at a socket that containers are handed.
    pub socket: bool,
    /// People sign in as they do at this service, and the service asks that one whether the password is right.
    pub service: Option<ServiceId>,
    /// What ends that somebody is signed in.
    pub end: Vec<PersonCommand>,
    /// What takes away all that the service has kept of somebody.
    pub remove: Option<PersonCommand>,
}

/// What is run about somebody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PersonCommand {
    /// In which container.
    pub container: PartName,
    /// What; it has the person's name.
    pub command: Vec<Template>,
}

/// What somebody has to do on a kind of device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Guide {
    /// Which devices.
    pub platform: Platform,
    /// What to do, one after the other.
    pub steps: Vec<Template>,
}

/// A kind of device or program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Platform {
    /// Phones and tablets with Android.
    Android,
    /// iPhone and iPad.
    Ios,
    /// Computers with Linux.
    Linux,
    /// Computers with macOS.
    Macos,
    /// The program Thunderbird.
    Thunderbird,
    /// A browser.
    Web,
    /// Computers with Windows.
    Windows,
}

/// Words of a closed set, as manifests have them.
macro_rules! words {
    ($type:ident: $($variant:ident = $word:literal),* $(,)?) => {
        impl $type {
            /// All there are, by their words.
            pub const ALL: &[(&'static str, Self)] = &[$(($word, Self::$variant)),*];

            /// As manifests have it.
            pub fn word(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)*
                }
            }
        }
    };
}

words!(LetIn: Home = "home", Internet = "internet");
words!(MediaType: Text = "text/plain", Xml = "application/xml");
words!(WellKnown: CalDav = "caldav", CardDav = "carddav");
words!(Platform: Android = "android", Ios = "ios", Linux = "linux", Macos = "macos", Thunderbird = "thunderbird",
    Web = "web", Windows = "windows");

impl Manifest {
    /// The most bytes of a manifest.
    pub const MAX_BYTES: usize = 256 * 1024;

    /// What its containers are made from.
    pub fn images(&self) -> BTreeSet<ImageDigest> {
        let containers = self.containers.iter();
        containers.map(|container| container.image.digest).collect()
    }

    /// Reads a manifest.
    ///
    /// # Errors
    /// Everything that is wrong with it, in the order of the text.
    pub fn parse(bytes: &[u8]) -> Result<Self, TomlError> {
        crate::read::manifest(bytes)
    }

    /// Whether anything of it could be reached from outside.
    pub fn can_be_published(&self) -> bool {
        let mut ports = self.ports.iter();
        self.has_web_hosts() || ports.any(|port| port.from == LetIn::Internet)
    }

    /// Whether Caddy answers anything for it.
    pub fn has_web_hosts(&self) -> bool {
        !self.routes.is_empty() || !self.documents.is_empty()
    }

    /// The labels that it is found by.
    pub fn hosts(&self) -> BTreeSet<&PartName> {
        let routes = self.routes.iter().map(|route| &route.host);
        let documents = self.documents.iter().map(|document| &document.host);
        let ports = self.ports.iter().filter_map(|port| port.host.as_ref());
        routes.chain(documents).chain(ports).collect()
    }

    /// The container of a name.
    pub fn container(&self, name: &PartName) -> Option<&Container> {
        self.containers
            .iter()
            .find(|container| container.name == *name)
    }
}
