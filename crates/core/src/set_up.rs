//! The first config and the owner's account, in one transaction.

use std::net::Ipv4Addr;
use std::os::unix::fs::OpenOptionsExt;
use std::sync::Arc;
use std::time::Duration;

use cell_audit::AuditEvent;
use cell_auth::{Account, SetupTry};
use cell_control::caller::{Caller, now_since_boot};
use cell_control::change::{Receipt, SetupForm};
use cell_control::view::SetupView;
use cell_model::account::{Identity, Role};
use cell_model::facts::NetworkFacts;
use cell_model::problem::{Problem, chain};
use cell_plan::resolve::Keys;
use cell_reconcile::Desired;
use cell_vault::random_bytes;
use ipnet::{IpNet, Ipv4Net};

use crate::open::OpenError;
use crate::people::HASHING;
use crate::prepare::{self, Prepared, random_ula};
use crate::{Core, edit};

/// The file the code is shown in.
const CODE_FILE: &str = "setup-code";
/// How a wrong code is refused.
const WRONG_CODE: &str = "wrong_setup_code";
/// Proposals tried before a taken one is shown after all: the person can change it.
const PROPOSALS: usize = 32;

impl Core {
    /// Sets the box up: needs the code, and that nobody has done so before.
    pub(crate) async fn set_up(
        &self,
        caller: &Caller,
        form: &SetupForm,
    ) -> Result<Receipt, Problem> {
        if let Err(problem) = self.check_setup_code(form.setup_code.expose()) {
            // Guessing leaves a trace; the pause bounds how many.
            if problem.code == WRONG_CODE {
                let mut event = AuditEvent::new("setup.complete");
                event.address = caller.address;
                return Err(self.refuse(event, problem).await);
            }
            return Err(problem);
        }
        cell_auth::check_password_rules(&form.admin_password, &form.admin_username)
            .map_err(|error| Problem::field("admin_password", error))?;
        if form.admin_username.is_kept_for_the_console() {
            return Err(Problem::field("admin_username", "is kept for the console"));
        }
        let network = &self.settings.options.initial.network;
        let config = prepare::config(form.into(), network, &self.facts())?;
        let account = self.new_account(form).await?;
        let writer = self.writer.lock().await;
        // Somebody else with the code may have been faster.
        if self.desired.borrow().config.is_some() {
            return Err(edit::already_set_up());
        }
        let now = (self.clock)();
        let Prepared {
            mut batch,
            mut event,
            ca,
            interface_key,
        } = prepare::prepare(&self.vault, &self.sealer, &config, &account, now)?;
        batch.expect_revision(self.desired.borrow().revision);
        event.address = caller.address;
        let committed = self.commit(batch, event).await?;
        let revision = committed.revision.ok_or_else(Problem::internal)?;

        // From here on nothing can fail: the box is set up.
        self.install(Some(ca));
        {
            let mut people = self.people();
            people.accounts.insert(account.username.clone(), account);
            people.setup = None;
        }
        self.hide_setup_code();
        let keys = Keys {
            interface: Some(interface_key),
            ..Keys::default()
        };
        self.want(Desired {
            revision,
            config: Some(Arc::new(config)),
            keys: Arc::new(keys),
            pairing: None,
            places: Arc::default(),
        });
        drop(writer);
        self.wait_until_tried(revision).await;
        Ok(Receipt {
            connection: None,
            revision,
            confirm: None,
            peer: None,
        })
    }

    async fn new_account(&self, form: &SetupForm) -> Result<Account, Problem> {
        let identity = Identity::new(form.admin_username.clone(), Role::Owner);
        self.make_account(identity, form.admin_password.clone())
            .await
    }

    /// An account with its password hashed, off the async threads.
    pub(crate) async fn make_account(
        &self,
        identity: Identity,
        password: cell_model::secret::Secret<String>,
    ) -> Result<Account, Problem> {
        let _permit = HASHING.acquire().await.map_err(|_| Problem::internal())?;
        let hash = tokio::task::spawn_blocking(move || cell_auth::hash_password(&password)).await;
        let hash = hash
            .map_err(|_| Problem::internal())?
            .map_err(|error| internal(&error))?;
        Ok(Account::new(
            identity.username,
            identity.role,
            hash,
            (self.clock)(),
        ))
    }

    /// Whether the code is right; counts wrong tries and makes a new code after too many.
    pub(crate) fn check_setup_code(&self, typed: &str) -> Result<(), Problem> {
        let mut people = self.people();
        let gate = people.setup.as_mut().ok_or_else(edit::already_set_up)?;
        let now = now_since_boot();
        let tried = gate.check(typed, now).map_err(|error| internal(&error))?;
        if let SetupTry::Replaced { retry_after } = tried {
            people.setup_paused_until = now + retry_after;
        }
        drop(people);
        match tried {
            SetupTry::Right => Ok(()),
            SetupTry::Wrong { left } => Err(Problem {
                errors: Problem::field("setup_code", "is not the code shown on the box").errors,
                ..Problem::new(
                    403,
                    WRONG_CODE,
                    "The setup code is wrong",
                    format!(
                        "Look at the screen or console of the box. {left} tries are left before the code changes."
                    ),
                )
            }),
            SetupTry::Replaced { retry_after } => {
                if let Err(error) = self.show_setup_code() {
                    tracing::error!(error = %chain(&error), "the new setup code could not be shown");
                }
                Err(paused(retry_after))
            }
            SetupTry::Paused { retry_after } => Err(paused(retry_after)),
        }
    }

    /// Writes the code where console and screen find it; once setup is done, takes it away.
    pub(crate) fn show_setup_code(&self) -> Result<(), OpenError> {
        let path = self.settings.runtime_dir.join(CODE_FILE);
        let code = {
            let people = self.people();
            people.setup.as_ref().map(|gate| gate.code().expose_text())
        };
        let Some(code) = code else {
            self.hide_setup_code();
            return Ok(());
        };
        let write = || -> std::io::Result<()> {
            let staged = path.with_extension("new");
            // Left over from a start that was cut off.
            let _ = std::fs::remove_file(&staged);
            let mut file = std::fs::OpenOptions::new()
                .write(true)
                .create_new(true)
                .mode(0o600)
                .open(&staged)?;
            std::io::Write::write_all(&mut file, format!("{}\n", code.expose()).as_bytes())?;
            std::fs::rename(&staged, &path)
        };
        write().map_err(|source| OpenError::Write {
            path: path.clone(),
            source,
        })
    }

    fn hide_setup_code(&self) {
        let _ = std::fs::remove_file(self.settings.runtime_dir.join(CODE_FILE));
    }

    /// Where setup stands and what the wizard proposes.
    pub(crate) fn setup_view(&self) -> SetupView {
        let clock = (self.clock)();
        if self.desired.borrow().config.is_some() {
            return SetupView {
                complete: true,
                cell_name: None,
                vpn_subnet: None,
                vpn_subnet6: None,
                paused_s: None,
                local_name: None,
                clock,
            };
        }
        let paused = self
            .people()
            .setup_paused_until
            .saturating_sub(now_since_boot());
        SetupView {
            complete: false,
            cell_name: self.proposed_name.clone(),
            vpn_subnet: propose_subnet(&self.facts()).map(|subnet| subnet.to_string()),
            vpn_subnet6: random_ula().ok().map(|subnet| subnet.to_string()),
            paused_s: Some(paused)
                .filter(|paused| !paused.is_zero())
                .map(whole_seconds),
            local_name: self.local_name(),
            clock,
        }
    }
}

/// A random /24 of 10/8 that touches no network the box is in.
fn propose_subnet(facts: &NetworkFacts) -> Option<Ipv4Net> {
    let mut proposal = None;
    for _ in 0..PROPOSALS {
        let [second, third]: [u8; 2] = random_bytes().ok()?;
        let subnet = Ipv4Net::new(Ipv4Addr::new(10, second, third, 0), 24).ok()?;
        proposal = Some(subnet);
        let networks = facts
            .interfaces
            .values()
            .flat_map(|interface| &interface.addresses);
        let taken = networks.into_iter().any(|network| match network {
            IpNet::V4(network) => network.contains(&subnet) || subnet.contains(network),
            IpNet::V6(_) => false,
        });
        if !taken {
            break;
        }
    }
    proposal
}

/// Whole seconds, so that waiting as told is long enough.
pub(crate) fn whole_seconds(wait: Duration) -> u32 {
    let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
    u32::try_from(seconds.max(1)).unwrap_or(u32::MAX)
}

fn paused(retry_after: Duration) -> Problem {
    let seconds = whole_seconds(retry_after);
    Problem {
        retry_after: Some(seconds),
        ..Problem::new(
            429,
            "setup_paused",
            "Too many wrong setup codes",
            format!(
                "The box has made a new code. Wait {seconds} seconds, then enter the code it shows."
            ),
        )
    }
}

pub(crate) fn internal(error: &dyn std::error::Error) -> Problem {
    tracing::error!(error = %chain(error), "something that should not fail failed");
    Problem::internal()
}
