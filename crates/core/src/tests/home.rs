//! A box in a temporary directory.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use cell_audit::{AuditQuery, AuditRecord};
use cell_auth::{Account, PasswordHash, Session, SessionToken};
use cell_cells::fake::FakeCalls;
use cell_containers::fake::FakeContainers;
use cell_control::action::{Action, Outcome};
use cell_control::caller::{Caller, Credential, now_since_boot};
use cell_control::change::{Change, PeerForm, Receipt, SetupForm};
use cell_dns::fake::FakeDns;
use cell_exits::fake::FakeExits;
use cell_fetch::fake::FakeFetch;
use cell_firewall::fake::FakeFirewall;
use cell_mail_check::fake::FakeMailCheck;
use cell_mdns::fake::FakeMdns;
use cell_model::Timestamp;
use cell_model::account::Role;
use cell_model::config::Config;
use cell_model::container::Hand;
use cell_model::facts::{InterfaceFacts, NetworkFacts, StartOptions};
use cell_model::name::{ServiceId, Username};
use cell_model::problem::Problem;
use cell_model::secret::Secret;
use cell_model::spec::{ContainersSpec, ProxySpec, WebSpec};
use cell_model::status::Part;
use cell_network::fake::FakeNetwork;
use cell_packages::Library;
use cell_reconcile::{
    AdminListener, Handing, HandingError, ListenerError, Parts, ProxyHost, ProxyHostError,
    Reconciler,
};
use cell_store::Store;
use cell_wireguard::fake::{FakeTunnels, FakeWireGuard};

use crate::{Core, LogBuffer, OpenError, Processes, Settings, System, confirmation};

pub(super) const OWNER: &str = "anna";
pub(super) const PASSWORD: &str = "correct horse battery";
/// Longer than any task of a core is at work at a time.
const LATE: Duration = Duration::from_secs(120);

/// A core at work.
pub(super) struct Home {
    pub(super) directory: tempfile::TempDir,
    pub(super) core: Arc<Core>,
    pub(super) firewall: Arc<FakeFirewall>,
    pub(super) network: Arc<FakeNetwork>,
    pub(super) restarted: Arc<Restarted>,
    pub(super) fetch: Arc<FakeFetch>,
    pub(super) mdns: Arc<FakeMdns>,
    pub(super) containers: Arc<FakeContainers>,
    pub(super) mail_check: Arc<FakeMailCheck>,
    pub(super) calls: Arc<FakeCalls>,
    pub(super) reconciler: Reconciler,
}

impl Home {
    /// Not set up yet.
    pub(super) fn new() -> Self {
        Self::open(tempfile::tempdir().unwrap(), confirmation::DEADLINE).unwrap()
    }

    /// Set up, as revision 1.
    pub(super) async fn set_up() -> Self {
        Self::set_up_with_deadline(confirmation::DEADLINE).await
    }

    /// Set up; risky changes wait this long for their confirmation.
    pub(super) async fn set_up_with_deadline(deadline: Duration) -> Self {
        let home = Self::open(tempfile::tempdir().unwrap(), deadline).unwrap();
        home.submit(home.setup_form()).await.unwrap();
        home
    }

    pub(super) fn open(
        directory: tempfile::TempDir,
        confirm_within: Duration,
    ) -> Result<Self, OpenError> {
        let settings = Settings {
            options: options(),
            state_dir: directory.path().join("state"),
            runtime_dir: directory.path().join("run"),
        };
        std::fs::create_dir_all(&settings.state_dir).unwrap();
        std::fs::create_dir_all(&settings.runtime_dir).unwrap();
        let logs = LogBuffer::new(Timestamp::now);
        let core = Core::open_with(settings, logs, clock, confirm_within)?;
        let firewall = Arc::new(FakeFirewall::new());
        let network = Arc::new(FakeNetwork::new(facts()));
        let mdns = Arc::new(FakeMdns::new());
        let containers = Arc::new(FakeContainers::new());
        let fetch = Arc::new(FakeFetch::new());
        let parts = Parts {
            firewall: Arc::clone(&firewall) as Arc<dyn cell_firewall::Firewall>,
            network: Arc::clone(&network) as Arc<dyn cell_network::Network>,
            wireguard: Arc::new(FakeWireGuard::new()),
            vault: core.vault(),
            dns: Arc::new(FakeDns::new()),
            tunnels: Arc::new(FakeTunnels::default()),
            exits: Arc::new(FakeExits::new()),
            listener: Arc::new(NoListener),
            mdns: Arc::clone(&mdns) as Arc<dyn cell_mdns::Mdns>,
            containers: Arc::clone(&containers) as Arc<dyn cell_containers::Containers>,
            handing: Arc::new(NoHanding),
            proxy: Arc::new(NoProxy),
            library: Arc::new(
                Library::open(&directory.path().join("services"))
                    .unwrap()
                    .remembering(directory.path().join("state/sources"))
                    .with_clock(clock),
            ),
            fetch: Arc::clone(&fetch) as Arc<dyn cell_fetch::FetchLink>,
            incoming: directory.path().join("incoming"),
        };
        let reconciler =
            cell_reconcile::start(options(), parts.clone(), core.desired(), Timestamp::now);
        let restarted = Arc::new(Restarted::default());
        let mail_check = Arc::new(FakeMailCheck::new());
        let calls = Arc::new(FakeCalls::default());
        core.attach(System {
            parts,
            published: reconciler.published.clone(),
            services: reconciler.services.clone(),
            next: reconciler.next.clone(),
            exits: reconciler.exits.clone(),
            nudge: reconciler.nudge.clone(),
            processes: Arc::clone(&restarted) as Arc<dyn Processes>,
            mail_check: Arc::clone(&mail_check) as Arc<dyn cell_mail_check::MailCheckLink>,
            calls: Arc::clone(&calls) as Arc<dyn cell_cells::CallLink>,
        });
        Ok(Self {
            directory,
            core,
            firewall,
            network,
            restarted,
            mdns,
            containers,
            mail_check,
            calls,
            fetch,
            reconciler,
        })
    }

    /// So much time passes at once, for this test alone.
    pub(super) fn let_pass(&self, time: Duration) {
        PASSED.set(PASSED.get() + time);
    }

    /// Ends the process, as far as a test can; what is on disk stays.
    pub(super) async fn stop(self) -> tempfile::TempDir {
        self.reconciler.stop().await;
        let last = Arc::downgrade(&self.core);
        drop(self.core);
        // By the wall clock: a paused one stands still while this looks.
        let late = std::time::Instant::now() + LATE;
        while last.strong_count() > 0 {
            let is_late = std::time::Instant::now() > late;
            assert!(!is_late, "a task holds the core while it waits");
            tokio::task::yield_now().await;
        }
        self.directory
    }

    pub(super) async fn restart(self) -> Self {
        let directory = self.stop().await;
        Self::open(directory, confirmation::DEADLINE).unwrap()
    }

    pub(super) fn state(directory: &tempfile::TempDir) -> Store {
        Store::open(&directory.path().join("state")).unwrap()
    }

    pub(super) fn runtime(&self) -> &Path {
        &self.core.settings.runtime_dir
    }

    pub(super) fn setup_code(&self) -> String {
        let shown = std::fs::read_to_string(self.runtime().join("setup-code")).unwrap();
        shown.trim().to_owned()
    }

    pub(super) fn setup_form(&self) -> Change {
        self.setup_form_with(&self.setup_code())
    }

    pub(super) fn setup_form_with(&self, code: &str) -> Change {
        let form = serde_json::json!({
            "setup_code": code, "cell_name": "hut", "domain_mode": "lan", "domain": "hut.cell",
            "vpn_subnet": "10.31.7.0/24", "admin_username": OWNER, "admin_password": PASSWORD,
            "timezone": "UTC",
        });
        let form: SetupForm = serde_json::from_value(form).unwrap();
        Change::SetUp(Box::new(form))
    }

    /// Changes something as root at the console.
    pub(super) async fn submit(&self, change: Change) -> Result<Receipt, Problem> {
        self.core.submit(&Caller::local(), change).await
    }

    pub(super) async fn settings(&self, sections: serde_json::Value) -> Result<Receipt, Problem> {
        let update = serde_json::from_value(sections).unwrap();
        self.submit(Change::Settings(Box::new(update))).await
    }

    pub(super) async fn add(&self, name: &str) -> Receipt {
        self.submit(Change::AddPeer(peer(name))).await.unwrap()
    }

    pub(super) fn config(&self) -> Arc<Config> {
        self.core.desired.borrow().config.clone().unwrap()
    }

    pub(super) fn revision(&self) -> u64 {
        self.core.desired.borrow().revision
    }

    /// Somebody with this role and a session, made without the time a password takes.
    pub(super) fn somebody(&self, role: Role) -> Caller {
        let username: Username = format!("some-{}", role.as_str()).parse().unwrap();
        let now = clock();
        let token = SessionToken::generate().unwrap();
        let mut people = self.core.people();
        let hash: PasswordHash = people.accounts[&OWNER.parse().unwrap()]
            .password_hash
            .clone();
        let account = Account::new(username.clone(), role, hash, now);
        people.accounts.insert(username.clone(), account);
        let session = Session::new(token.hash(), username, address("10.0.0.7"), "test", now);
        drop(people.sessions.insert(session));
        with_token(token.expose_text())
    }

    pub(super) async fn sign_in(&self, name: &str, password: &str) -> Result<Caller, Problem> {
        self.sign_in_from("10.0.0.1", name, password).await
    }

    pub(super) async fn sign_in_from(
        &self,
        from: &str,
        name: &str,
        password: &str,
    ) -> Result<Caller, Problem> {
        let caller = Caller {
            address: Some(address(from)),
            ..stranger()
        };
        let action = Action::SignIn {
            username: name.to_owned(),
            password: Secret::new(password.to_owned()),
            code: None,
            user_agent: "test".to_owned(),
        };
        match self.core.act(&caller, action).await? {
            Outcome::SignedIn { token, .. } => Ok(with_token(token)),
            other => panic!("{other:?}"),
        }
    }

    /// Every record, oldest first.
    pub(super) fn audit(&self) -> Vec<AuditRecord> {
        let page = self.core.audit.query(&AuditQuery::default(), 1_000);
        let mut items = page.unwrap().items;
        items.reverse();
        items
    }
}

thread_local! {
    /// Each test has a thread of its own.
    static PASSED: Cell<Duration> = const { Cell::new(Duration::ZERO) };
}

pub(super) fn clock() -> Timestamp {
    Timestamp::now() + PASSED.get()
}

pub(super) fn code<T: std::fmt::Debug>(result: Result<T, Problem>) -> (u16, String) {
    let problem = result.unwrap_err();
    (problem.status, problem.code.into_owned())
}

pub(super) fn peer(name: &str) -> PeerForm {
    serde_json::from_value(serde_json::json!({ "name": name })).unwrap()
}

pub(super) fn address(text: &str) -> IpAddr {
    text.parse().unwrap()
}

pub(super) fn stranger() -> Caller {
    Caller {
        credential: Credential::Nobody,
        address: Some(address("10.0.0.66")),
        connected_at: now_since_boot(),
    }
}

pub(super) fn with_token(token: Secret<String>) -> Caller {
    Caller {
        credential: Credential::Session(token),
        address: Some(address("10.0.0.7")),
        connected_at: now_since_boot(),
    }
}

fn options() -> StartOptions {
    StartOptions {
        wan: "wan0".parse().unwrap(),
        lan: Some("lan0".parse().unwrap()),
        admin: None,
        dns_port: 53,
        wireguard_port: 51820,
        containers: true,
        initial: Default::default(),
    }
}

fn facts() -> NetworkFacts {
    let mut facts = NetworkFacts::default();
    let wan = ("wan0", "203.0.113.2/24");
    for (name, address) in [wan, ("lan0", "192.168.77.1/24"), ("wg0", "10.31.7.1/24")] {
        let interface = InterfaceFacts {
            up: true,
            carrier: true,
            addresses: [address.parse().unwrap()].into(),
        };
        facts.interfaces.insert(name.parse().unwrap(), interface);
    }
    facts
}

/// Remembers which parts were to be restarted.
#[derive(Default)]
pub(super) struct Restarted(pub(super) Mutex<Vec<Part>>);

#[async_trait]
impl Processes for Restarted {
    fn process(&self, part: Part) -> Option<(u32, u32)> {
        (part == Part::Dns).then_some((4711, 2))
    }

    async fn restart(&self, part: Part) {
        self.0.lock().unwrap().push(part);
    }

    async fn set_verbosity(&self) {}
}

/// Answers nobody.
struct NoProxy;

#[async_trait]
impl ProxyHost for NoProxy {
    async fn apply(&self, _: Option<&ProxySpec>) -> Result<(), ProxyHostError> {
        Ok(())
    }

    async fn verify(&self, _: Option<&ProxySpec>) -> Result<(), ProxyHostError> {
        Ok(())
    }
}

/// Fills nothing.
struct NoHanding;

#[async_trait]
impl Handing for NoHanding {
    async fn hand(&self, _: &ContainersSpec, _: Timestamp) -> Result<(), HandingError> {
        Ok(())
    }

    fn untold(&self) -> BTreeSet<(ServiceId, Hand)> {
        BTreeSet::new()
    }

    fn told(&self, _: &ServiceId, _: Hand) {}
}

/// Listens to nobody.
struct NoListener;

#[async_trait]
impl AdminListener for NoListener {
    async fn apply(&self, _: &WebSpec) -> Result<(), ListenerError> {
        Ok(())
    }
}
