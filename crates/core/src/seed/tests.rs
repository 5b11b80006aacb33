use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use cell_control::caller::Caller;
use cell_model::secret::Secret;

use super::*;
use crate::{Core, LogBuffer, Settings};

const KEY: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILM+rvN+ot98qgEN796jTiQfZfG1KaT0PtFDJ/XFSqti anna@laptop";
/// Of `a long and quiet river`, by Debian's `argon2`.
const HASH: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHRzYWx0$i6oG9C2kR+klmffCjyQT2UGGGAJOBmLF+QHkzV34POU";
const CODE_SEED: &str = "hostname = \"hut\"\n[network]\nwan = \"eth1\"\nwan_addressing = { address = \"192.0.2.5/24\" }\n\
                         [setup]\ncode = \"H7K2M4PX\"\n";

fn answers() -> String {
    format!(
        "hostname = \"hut\"\n[network]\nwan = \"eth1\"\nlan = \"eth0\"\nlan_addressing = {{ address = \
         \"192.168.77.1/24\" }}\n[ssh]\nauthorized_keys = [\"{KEY}\"]\n[setup.answers]\ndomain_mode = \"lan\"\n\
         domain = \"hut.cell\"\nvpn_subnet = \"10.31.7.0/24\"\nadmin_username = \"anna\"\n\
         admin_password_hash = \"{HASH}\"\ntimezone = \"UTC\"\n"
    )
}

/// A state partition, and a stick.
struct Appliance {
    folder: tempfile::TempDir,
    initial: InitialConfig,
}

impl Appliance {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("seed")).unwrap();
        let initial = r#"{"network":{"wan":{"addressing":{"mode":"dhcp"}}}}"#;
        Self {
            folder,
            initial: serde_json::from_str(initial).unwrap(),
        }
    }

    fn with(seed: &str) -> Self {
        let home = Self::new();
        home.put(seed);
        home
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn put(&self, seed: &str) {
        fs::write(self.path("seed/cell.toml"), seed).unwrap();
    }

    fn read(&self, name: &str) -> Option<String> {
        fs::read_to_string(self.path(name)).ok()
    }

    /// What is on the stick.
    fn stick(&self) -> BTreeSet<String> {
        let entries = fs::read_dir(self.path("seed")).unwrap();
        entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect()
    }

    fn apply_until(&self, moment: &mut Moment<'_>) -> Result<SeedOutcome, SeedFailure> {
        let file = self.path("seed/cell.toml");
        let used = self.path("seed/cell-used.toml");
        let request = SeedRequest {
            // As the script does.
            file: (file.exists() || used.exists()).then_some(&file),
            state_dir: &self.path("state/cell"),
            start_conf: &self.path("state/start.conf"),
            authorized_keys: &self.path("state/ssh/authorized_keys"),
            initial: &self.initial,
            clock: Timestamp::now,
        };
        apply_until(&request, moment)
    }

    fn apply(&self) -> Result<String, String> {
        let outcome = self.apply_until(&mut |_| Ok(()));
        outcome
            .map(|outcome| outcome.to_string())
            .map_err(|error| error.to_string())
    }

    fn store(&self) -> Arc<Store> {
        Arc::new(Store::open(&self.path("state/cell")).unwrap())
    }

    /// Actions and details of the audit.
    fn audit(&self) -> Vec<(String, String)> {
        Self::audit_of(self.store())
    }

    fn audit_of(store: Arc<Store>) -> Vec<(String, String)> {
        let log = AuditLog::new(store);
        let items = log.query(&Default::default(), 100).unwrap().items;
        items
            .into_iter()
            .map(|record| (record.action, record.detail))
            .collect()
    }

    /// The core as the daemon opens it.
    fn core(&self) -> Arc<Core> {
        let settings = Settings {
            options: cell_model::facts::StartOptions {
                wan: "eth1".parse().unwrap(),
                lan: None,
                admin: None,
                dns_port: 53,
                wireguard_port: 51820,
                containers: false,
                initial: self.initial.clone(),
            },
            state_dir: self.path("state/cell"),
            runtime_dir: self.path("run"),
        };
        fs::create_dir_all(&settings.runtime_dir).unwrap();
        Core::open(settings, LogBuffer::new(Timestamp::now), Timestamp::now).unwrap()
    }

    fn assert_applied_and_tidy(&self) {
        assert_eq!(self.stick(), BTreeSet::new());
        assert_eq!(
            self.read("state/start.conf").unwrap(),
            "WAN=eth1\nLAN=eth0\n"
        );
        assert_eq!(
            self.read("state/ssh/authorized_keys").unwrap(),
            format!("{KEY}\n")
        );
        assert!(!self.path("state/cell/seed.pending").exists());
        let store = self.store();
        assert_eq!(store.latest_revision().unwrap(), 1);
        assert_eq!(Self::audit_of(store).len(), 1);
    }
}

#[test]
fn answers_set_the_box_up_as_the_wizard_would() {
    let home = Appliance::with(&answers());
    let said = home.apply().unwrap();
    assert_eq!(
        said,
        "the seed was applied; the box is set up as hut; its file was wiped"
    );
    home.assert_applied_and_tidy();
    let mode = |name| fs::metadata(home.path(name)).unwrap().permissions().mode() & 0o777;
    assert_eq!(
        (mode("state/ssh/authorized_keys"), mode("state/ssh")),
        (0o600, 0o700)
    );
    let (action, detail) = home.audit().remove(0);
    assert_eq!(action, "setup.complete");
    assert!(detail.starts_with("by a seed file, SHA-256 "), "{detail}");

    let core = home.core();
    let config = core.desired().borrow().config.clone().unwrap();
    assert_eq!(config.domain.name.as_str(), "hut.cell");
    // What the seed does not say is as the box is started.
    assert_eq!(config.network.wan.addressing, AddressingConfig::Dhcp);
    assert_ne!(config.network.lan.addressing, AddressingConfig::Adopt);
    assert!(home.read("run/ca.pem").is_some());
    assert!(home.read("run/setup-code").is_none());
}

#[tokio::test]
async fn owner_of_a_seeded_box_signs_in_with_the_hashed_password() {
    let home = Appliance::with(&answers());
    home.apply().unwrap();
    let core = home.core();
    let sign_in = |password: &str| {
        let action = cell_control::action::Action::SignIn {
            username: "anna".to_owned(),
            password: Secret::new(password.to_owned()),
            code: None,
            user_agent: String::new(),
        };
        let caller = Caller {
            credential: cell_control::caller::Credential::Nobody,
            ..Caller::local()
        };
        let core = Arc::clone(&core);
        async move { core.act(&caller, action).await }
    };
    assert!(sign_in("a long and quiet river").await.is_ok());
    assert!(sign_in("a long and quiet rive").await.is_err());
}

#[test]
fn code_and_network_hold_until_setup() {
    let home = Appliance::with(CODE_SEED);
    assert_eq!(
        home.apply().unwrap(),
        "the seed was applied; its file was wiped"
    );
    assert_eq!(home.read("state/start.conf").unwrap(), "WAN=eth1\n");
    assert!(home.read("state/ssh/authorized_keys").is_none());
    assert_eq!(home.audit().remove(0).0, "seed.apply");
    // At each start.
    for _ in 0..2 {
        let core = home.core();
        assert_eq!(home.read("run/setup-code").unwrap(), "H7K2M4PX\n");
        let addressing = &core.options().initial.network.wan.addressing;
        assert!(matches!(addressing, AddressingConfig::Static { .. }));
        assert_eq!(core.setup_view().cell_name.unwrap().as_str(), "hut");
    }
}

#[test]
fn same_seed_is_applied_once_and_another_before_setup_adds_to_it() {
    let home = Appliance::with(CODE_SEED);
    home.apply().unwrap();
    home.put(CODE_SEED);
    let said = home.apply().unwrap();
    assert_eq!(
        said,
        "the seed was applied at an earlier start; its file was wiped"
    );
    assert_eq!(home.audit().len(), 1);

    home.put("[network]\nwan = \"eth7\"\n");
    home.apply().unwrap();
    assert_eq!(home.read("state/start.conf").unwrap(), "WAN=eth7\n");
    let settings = settings(&home.store()).unwrap();
    assert_eq!(settings.cell_name.unwrap().as_str(), "hut");
    assert!(settings.wan.is_some());
    home.core();
    assert_eq!(home.read("run/setup-code").unwrap(), "H7K2M4PX\n");
    let records = home.audit().len();

    // What the last one said is not taken back by one before it, and that one is not lost.
    home.put(CODE_SEED);
    let said = home.apply().unwrap();
    assert!(said.contains("another since; it was left alone"), "{said}");
    assert_eq!(home.read("seed/cell.toml").unwrap(), CODE_SEED);
    assert_eq!(home.read("state/start.conf").unwrap(), "WAN=eth7\n");
    assert_eq!(home.audit().len(), records);
}

#[test]
fn seed_is_left_alone_once_the_box_is_set_up() {
    let home = Appliance::with(&answers());
    home.apply().unwrap();
    for other in [CODE_SEED, "not even TOML"] {
        home.put(other);
        let said = home.apply().unwrap();
        assert_eq!(said, "the box is set up already; the seed was left alone");
        assert_eq!(home.read("seed/cell.toml").unwrap(), other);
        assert_eq!(home.stick().len(), 1);
    }
    assert_eq!(home.audit().len(), 1);
    fs::remove_file(home.path("seed/cell.toml")).unwrap();
    home.assert_applied_and_tidy();
}

#[test]
fn broken_seed_changes_nothing_and_is_explained_beside_it() {
    let wrong = CODE_SEED.replace("eth1", "eth/1").replace("PX", "PXX");
    let home = Appliance::with(&wrong);
    let told = home.apply().unwrap_err();
    assert!(told.contains("line 3, column 7: network.wan"), "{told}");
    assert!(told.contains("1 of 2"), "{told}");
    assert!(!told.contains('\n'));
    let beside = home.read("seed/cell-error.txt").unwrap();
    assert!(beside.contains("\nline 3, column 7: "), "{beside}");
    assert!(beside.contains("\nline 6, column 8: "), "{beside}");
    assert_eq!(home.read("seed/cell.toml").unwrap(), wrong);
    assert!(home.read("state/start.conf").is_none());
    assert!(home.audit().is_empty());
    // Once it is right, nothing of it is left.
    home.put(CODE_SEED);
    home.apply().unwrap();
    assert_eq!(home.stick(), BTreeSet::new());
}

#[test]
fn state_that_is_in_use_is_left_alone_with_its_seed() {
    let home = Appliance::with(CODE_SEED);
    let in_use = home.store();
    let told = home.apply().unwrap_err();
    assert!(told.contains("not applied"), "{told}");
    drop(in_use);
    assert!(home.apply().is_ok());
}

/// Moments at which the power could fail while this seed is applied.
fn moments(seed: &str) -> Vec<&'static str> {
    let mut seen = Vec::new();
    let home = Appliance::with(seed);
    let outcome = home.apply_until(&mut |what| {
        seen.push(what);
        Ok(())
    });
    assert!(matches!(outcome, Ok(SeedOutcome::Applied { .. })));
    seen
}

/// Applies until the power fails before the given moment.
fn cut(home: &Appliance, at: usize) {
    let mut left = at;
    let _ = home.apply_until(&mut |_| match left {
        0 => Err(io::Error::other("the power failed")),
        _ => {
            left -= 1;
            Ok(())
        }
    });
}

#[test]
fn power_cut_at_any_moment_leaves_it_unapplied_or_applied_and_never_twice() {
    let all = moments(&answers());
    assert!(all.len() >= 8, "{all:?}");
    for (at, what) in all.iter().enumerate() {
        // The stick stays in the box.
        let home = Appliance::with(&answers());
        cut(&home, at);
        home.apply()
            .unwrap_or_else(|error| panic!("{what}: {error}"));
        home.assert_applied_and_tidy();

        // A second power cut, while the first one is made good.
        let home = Appliance::with(&answers());
        cut(&home, at);
        cut(&home, 1);
        home.apply().unwrap();
        home.assert_applied_and_tidy();
    }
}

#[test]
fn stick_taken_away_after_a_power_cut_leaves_all_or_nothing() {
    let all = moments(&answers());
    let committed = all
        .iter()
        .position(|what| *what == "before the transaction")
        .unwrap();
    for (at, what) in all.iter().enumerate() {
        let home = Appliance::with(&answers());
        cut(&home, at);
        for name in home.stick() {
            fs::remove_file(home.path("seed").join(name)).unwrap();
        }
        home.apply().unwrap();
        if at > committed {
            home.assert_applied_and_tidy();
            continue;
        }
        assert!(home.read("state/start.conf").is_none(), "{what}");
        assert!(home.read("state/ssh/authorized_keys").is_none());
        assert!(!home.path("state/cell/seed.pending").exists());
        assert_eq!(home.store().latest_revision().unwrap(), 0);
    }
}

#[test]
fn half_wiped_seed_is_wiped_to_the_end() {
    let home = Appliance::new();
    let mut half = answers().into_bytes();
    let middle = half.len() / 2;
    half[..middle].fill(0);
    fs::write(home.path("seed/cell-used.toml"), half).unwrap();
    let said = home.apply().unwrap();
    assert!(said.ends_with("its file was wiped"), "{said}");
    assert_eq!(home.stick(), BTreeSet::new());
    // A file system that kept the old name, too.
    fs::write(home.path("seed/cell.toml"), vec![0; 300]).unwrap();
    home.apply().unwrap();
    assert_eq!(home.stick(), BTreeSet::new());
    assert!(home.audit().is_empty());
}
