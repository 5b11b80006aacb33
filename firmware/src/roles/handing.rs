//! What services are handed: sockets where they ask who somebody is, and files in memory that only they can read.
//!
//! Each has folders of its own ([`cell_containers::names::handed`]). A folder stays once it is there, since a container
//! that runs has it; what is in it is put in its place whole.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, chown};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use cell_containers::names;
use cell_model::Timestamp;
use cell_model::container::Hand;
use cell_model::name::{CellName, ServiceId};
use cell_model::problem::chain;
use cell_model::secret::Secret;
use cell_model::spec::{ContainersSpec, LeafSpec, MailSpec, ServiceSpec};
use cell_reconcile::{Handing, HandingError};
use cell_vault::{CellVault, Vault};

use super::proxy::bind;
use super::web::{PeopleSockets, ProcessListener};

/// Who reads it: programs of images run as this user, and those that run as root may read all of their own.
const READER: u32 = 1_000;
const TLS: &str = "tls.pem";
const SIGNING: &str = "signing.map";
const LOGIN: &str = "login";
/// What a file is called until it is whole.
const UNFINISHED: &str = ".new";

/// Files of one folder, by their names.
type Files = BTreeMap<String, Secret<String>>;

/// Fills the folders.
pub(crate) struct Hands {
    folder: PathBuf,
    vault: Arc<CellVault>,
    listener: Arc<ProcessListener>,
    held: Mutex<Held>,
}

/// What is there.
#[derive(Default)]
struct Held {
    files: BTreeMap<(ServiceId, Hand), Files>,
    certificates: BTreeMap<ServiceId, Issued>,
    untold: BTreeSet<(ServiceId, Hand)>,
}

/// What a certificate was issued for.
#[derive(PartialEq, Eq)]
struct Issued {
    names: BTreeSet<String>,
    key: Secret<Vec<u8>>,
    /// The box's own certificate of that time: another one comes when it nears its end, or its authority is another.
    beside: String,
}

impl Hands {
    /// Below this folder, which is in memory.
    pub(crate) fn new(
        folder: PathBuf,
        vault: Arc<CellVault>,
        listener: Arc<ProcessListener>,
    ) -> Self {
        Self {
            folder,
            vault,
            listener,
            held: Mutex::default(),
        }
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        // What is held is replaced in one assignment.
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn fill(
        &self,
        service: &ServiceSpec,
        hand: Hand,
        spec: &ContainersSpec,
        now: Timestamp,
    ) -> Result<(), String> {
        let folder = names::handed(&self.folder, &service.id, hand);
        make_folder(&self.folder, 0o700)
            .and_then(|()| make_folder(&folder, 0o755))
            .map_err(|error| format!("{}: {error}", folder.display()))?;
        match hand {
            Hand::People => {
                let realm = spec.realm.clone().unwrap_or_else(CellName::before_setup);
                self.answer(service, &folder, realm).await
            }
            Hand::Certificate => self.certify(service, &folder, now).await,
            Hand::Dkim => self.put(service, hand, &folder, signing(&spec.mail)),
            Hand::Relay => self.put(service, hand, &folder, login(&spec.mail)),
        }
    }

    /// Sees to it that somebody answers at the sockets of a service.
    async fn answer(
        &self,
        service: &ServiceSpec,
        folder: &Path,
        realm: CellName,
    ) -> Result<(), String> {
        let paths = [folder.join("accounts.sock"), folder.join("tables.sock")];
        let present = paths.iter().all(|path| path.exists());
        if present && self.listener.answers_service(&service.id, &realm).await {
            return Ok(());
        }
        let bound = |path: &Path| {
            bind(path).map_err(|error| format!("{} cannot be listened at: {error}", path.display()))
        };
        let sockets = PeopleSockets {
            accounts: bound(&paths[0])?,
            tables: bound(&paths[1])?,
        };
        let answered = self
            .listener
            .answer_service(&service.id, Some((realm, sockets)));
        answered.await.map_err(|error| error.to_string())
    }

    async fn certify(
        &self,
        service: &ServiceSpec,
        folder: &Path,
        now: Timestamp,
    ) -> Result<(), String> {
        let own = self
            .vault
            .leaf()
            .await
            .ok_or("there is no certificate yet")?;
        let key = service.certificate_key.clone();
        let issued = Issued {
            names: service.names.clone(),
            key: key.ok_or("its key is not there")?,
            beside: own.fingerprint,
        };
        let is_same = self.held().certificates.get(&service.id) == Some(&issued);
        if is_same && folder.join(TLS).exists() {
            return Ok(());
        }
        let spec = LeafSpec {
            domain: own.spec.domain,
            names: issued.names.clone(),
            addresses: BTreeSet::new(),
        };
        let leaf = self.vault.issue_for(&issued.key, &spec, now).await;
        let leaf = leaf.map_err(|error| chain(&error))?;
        let files = Files::from([(TLS.to_owned(), leaf.pem())]);
        self.put(service, Hand::Certificate, folder, files)?;
        self.held().certificates.insert(service.id.clone(), issued);
        Ok(())
    }

    /// Has a folder hold these files and no others.
    fn put(
        &self,
        service: &ServiceSpec,
        hand: Hand,
        folder: &Path,
        files: Files,
    ) -> Result<(), String> {
        let about = (service.id.clone(), hand);
        let mut held = self.held();
        let is_there = |name: &String| folder.join(name).exists();
        if held.files.get(&about) == Some(&files) && files.keys().all(is_there) {
            return Ok(());
        }
        let owner = service.ids.first + READER;
        let put = files
            .iter()
            .try_for_each(|(name, text)| write(folder, name, text, owner))
            .and_then(|()| keep_only(folder, |name| files.contains_key(name)));
        put.map_err(|error| format!("{}: {error}", folder.display()))?;
        held.files.insert(about.clone(), files);
        held.untold.insert(about);
        Ok(())
    }

    /// Takes away what is handed to nobody any more, whoever it was that put it there.
    async fn forget(&self, spec: &ContainersSpec) {
        let is_handed = |id: &str, hand: &str| {
            let mut services = spec.services.iter();
            let service = services.find(|service| service.id.as_str() == id);
            service.is_some_and(|service| hands_of(service).iter().any(|own| own.word() == hand))
        };
        for id in self.listener.answered_services().await {
            if !is_handed(id.as_str(), Hand::People.word())
                && let Err(error) = self.listener.answer_service(&id, None).await
            {
                tracing::warn!(service = %id, %error, "sockets of a service are still answered");
            }
        }
        for folder in folders(&self.folder).iter().flat_map(|path| folders(path)) {
            let mut words = folder
                .components()
                .rev()
                .filter_map(|part| part.as_os_str().to_str());
            let (hand, id) = (words.next().unwrap_or(""), words.next().unwrap_or(""));
            if is_handed(id, hand) {
                continue;
            }
            if let Err(error) = keep_only(&folder, |_| false) {
                tracing::warn!(folder = %folder.display(), %error, "what a service was handed is still there");
            }
        }
        let is_held = |id: &ServiceId, hand: Hand| is_handed(id.as_str(), hand.word());
        let mut held = self.held();
        held.files.retain(|(id, hand), _| is_held(id, *hand));
        held.certificates
            .retain(|id, _| is_held(id, Hand::Certificate));
        held.untold.retain(|(id, hand)| is_held(id, *hand));
    }
}

/// What any container of a service is handed.
fn hands_of(service: &ServiceSpec) -> BTreeSet<Hand> {
    let containers = service.containers.iter();
    let hands = containers.flat_map(|container| container.hands.iter().copied());
    hands.collect()
}

/// The folders in a folder; none where it is not there.
fn folders(path: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(path).into_iter().flatten().flatten();
    let folders = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
    folders.map(|entry| entry.path()).collect()
}

#[async_trait]
impl Handing for Hands {
    async fn hand(&self, spec: &ContainersSpec, now: Timestamp) -> Result<(), HandingError> {
        self.forget(spec).await;
        let mut first = Ok(());
        for service in &spec.services {
            for hand in hands_of(service) {
                if let Err(problem) = self.fill(service, hand, spec, now).await {
                    tracing::warn!(service = %service.id, %hand, problem, "a service is not handed what it needs");
                    first = first.and(Err(HandingError {
                        service: service.id.clone(),
                        hand,
                        problem,
                    }));
                }
            }
        }
        first
    }

    fn untold(&self) -> BTreeSet<(ServiceId, Hand)> {
        self.held().untold.clone()
    }

    fn told(&self, service: &ServiceId, hand: Hand) {
        self.held().untold.remove(&(service.clone(), hand));
    }
}

/// Keys that mail is signed with, and which one it is: a line with domain and selector, as programs read maps.
fn signing(mail: &MailSpec) -> Files {
    let keys = mail.dkim.iter();
    let mut files: Files = keys
        .map(|(selector, key)| (format!("{selector}.key"), key.clone()))
        .collect();
    let map = mail.signing.as_ref();
    let map = map.map_or_else(String::new, |(domain, selector)| {
        format!("{domain} {selector}\n")
    });
    files.insert(SIGNING.to_owned(), Secret::new(map));
    files
}

/// The account at the relay, as Postfix reads tables (texthash, postmap(1)).
fn login(mail: &MailSpec) -> Files {
    let relay = mail.relay.as_ref();
    let line = relay.and_then(|relay| {
        let (username, password) = relay.login.as_ref()?;
        let (host, port, password) = (&relay.host, relay.port, password.expose());
        Some(format!("[{host}]:{port} {username}:{password}\n"))
    });
    Files::from([(LOGIN.to_owned(), Secret::new(line.unwrap_or_default()))])
}

/// Nobody but root gets to the one of all services; what is in it is bound into their containers.
fn make_folder(folder: &Path, mode: u32) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(mode).create(folder)
}

/// Puts a file in its place whole.
fn write(folder: &Path, name: &str, text: &Secret<String>, owner: u32) -> io::Result<()> {
    let unfinished = folder.join(UNFINISHED);
    let _ = fs::remove_file(&unfinished);
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o400)
        .open(&unfinished)?;
    file.write_all(text.expose().as_bytes())?;
    chown(&unfinished, Some(owner), Some(owner))?;
    fs::rename(&unfinished, folder.join(name))
}

/// Takes away what is not to be there.
fn keep_only(folder: &Path, is_kept: impl Fn(&str) -> bool) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if !entry.file_name().to_str().is_some_and(&is_kept) {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}
