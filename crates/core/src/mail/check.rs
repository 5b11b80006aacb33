//! Has mail looked at as others see it: all of it when somebody wants that, and by itself only the records of keys that
//! wait to be seen.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use cell_control::action::Outcome;
use cell_control::caller::Caller;
use cell_control::mail::{MailCheckForm, MailFindingsView};
use cell_mail_check::{Command, LONGEST, Leaves, ProviderSpec, Report, Scope, ServedPort};
use cell_model::account::Identity;
use cell_model::config::{Config, DeliveryConfig};
use cell_model::container::Protocol;
use cell_model::mail::{FindingState, MailFinding, port};
use cell_model::name::Domain;
use cell_model::problem::{Problem, chain};
use cell_model::spec::BoxSpec;
use cell_plan::mail::{MailNames, dkim, records};

use super::public_address;
use crate::edit::mail::check_host;
use crate::{Core, submit};

/// How often the box looks for keys that wait.
const LOOK: Duration = Duration::from_secs(3_600);
/// How long the process may take beyond what it promises.
const GRACE: Duration = Duration::from_secs(4);
/// Whose mail servers are greeted when the owner names nobody: providers so large that nearly everybody writes to them.
/// That one of them answers says what their own provider would not: whether port 25 is open outwards.
const GREETED: [&str; 2] = ["gmail.com", "outlook.com"];
/// Block lists that many servers ask, and that anybody may ask a few questions without registration.
const BLOCK_LISTS: [&str; 3] = ["zen.spamhaus.org", "bl.spamcop.net", "psbl.surriel.com"];
/// The ports that are looked at.
const SERVED: [u16; 3] = [port::SMTP, port::SUBMISSIONS, port::IMAPS];

/// Looks at mail.
#[derive(Default)]
pub(crate) struct MailLook {
    /// Held while one is under way that somebody wanted.
    pub(crate) under_way: tokio::sync::Mutex<()>,
    /// What the last one found, and of which domain.
    found: Mutex<Option<(Domain, MailFindingsView)>>,
}

impl MailLook {
    fn found(&self) -> std::sync::MutexGuard<'_, Option<(Domain, MailFindingsView)>> {
        self.found.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Core {
    /// What was found last.
    pub(crate) fn mail_findings(&self) -> Result<MailFindingsView, Problem> {
        let domain = self.mail_domain()?;
        let found = self.mail_look.found().clone();
        let found = found.filter(|(of, _)| *of == domain);
        Ok(found.map(|(_, view)| view).unwrap_or_default())
    }

    /// Looks at all of it.
    pub(crate) async fn check_mail(
        &self,
        identity: &Identity,
        caller: &Caller,
        form: MailCheckForm,
    ) -> Result<Outcome, Problem> {
        let domain = self.mail_domain()?;
        if let Some(greet) = &form.greet {
            let config = self.config()?;
            check_greeted(&config, greet)?;
        }
        let one_at_a_time = self.mail_look.under_way.try_lock();
        let _one_at_a_time = one_at_a_time.map_err(|_| under_way())?;
        let report = self.look_at_mail(Scope::Everything, form.greet).await?;
        let view = MailFindingsView {
            checked_at: Some((self.clock)()),
            findings: report.findings.clone(),
        };
        *self.mail_look.found() = Some((domain, view.clone()));
        let failed = view.findings.iter();
        let failed = failed.filter(|finding| finding.state == FindingState::Failed);
        let failed: Vec<&str> = failed.map(|finding| finding.id.as_str()).collect();
        let event = submit::event("mail.check", identity, caller);
        let event = match failed.is_empty() {
            true => event,
            false => event.detail(format!("failed: {}", failed.join(", "))),
        };
        self.note(event).await;
        self.move_keys_on(&report).await?;
        Ok(Outcome::MailChecked(Box::new(view)))
    }

    /// Looks for the records of keys every hour while one waits for its own to be seen.
    pub(crate) fn keep_looking_for_dkim_keys(self: &Arc<Self>) {
        let core = Arc::downgrade(self);
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(LOOK).await;
                let Some(core) = core.upgrade() else { return };
                if let Err(problem) = core.look_for_dkim_keys().await {
                    tracing::warn!(%problem, "public DNS was not asked for the keys of mail");
                }
            }
        });
    }

    pub(crate) async fn look_for_dkim_keys(&self) -> Result<(), Problem> {
        let Ok(domain) = self.mail_domain() else {
            return Ok(());
        };
        let waits = {
            let keys = Arc::clone(&self.desired.borrow().keys);
            let keys = keys.dkim.iter().filter(|key| key.domain == domain);
            dkim::is_coming(&keys.cloned().collect::<Vec<_>>())
        };
        if !waits {
            return Ok(());
        }
        let report = self.look_at_mail(Scope::Keys, None).await?;
        self.keep_newer(&domain, &report.findings);
        self.move_keys_on(&report).await
    }

    async fn look_at_mail(&self, scope: Scope, greet: Option<Domain>) -> Result<Report, Problem> {
        let system = self.system.get().ok_or_else(Problem::unavailable)?;
        let command = self.mail_command(scope, greet)?;
        let looked = system.mail_check.look(command);
        match tokio::time::timeout(LONGEST + GRACE, looked).await {
            Ok(Ok(report)) => Ok(report),
            Ok(Err(error)) => {
                tracing::warn!(error = %chain(&error), "mail was not looked at");
                Err(not_looked())
            }
            Err(_) => {
                tracing::warn!("looking at mail took too long");
                Err(not_looked())
            }
        }
    }

    fn mail_command(&self, scope: Scope, greet: Option<Domain>) -> Result<Command, Problem> {
        let (config, keys) = (self.config()?, Arc::clone(&self.desired.borrow().keys));
        let address = public_address(&config);
        let names = MailNames::of(&config, &keys, address).ok_or_else(super::no_mail)?;
        let system = self.system.get().ok_or_else(Problem::unavailable)?;
        let published = system.published.borrow().clone();
        let spec = published.spec.as_ref();
        Ok(Command {
            scope,
            domain: names.domain.clone(),
            host: names.host.clone(),
            public_address: address,
            records: records(&names),
            name_servers: spec.map_or_else(Vec::new, |spec| upstreams(spec)),
            leaves: leaves(&config, greet),
            served: spec.map_or_else(Vec::new, |spec| served(spec)),
            authority: self.vault.root().map(|root| root.certificate_pem()),
        })
    }

    /// Not while a version is on trial: what is kept then is lost when the box goes back.
    async fn move_keys_on(&self, report: &Report) -> Result<(), Problem> {
        if self.refuse_during_trial().is_err() || report.keys.is_empty() {
            return Ok(());
        }
        self.advance_dkim(&report.keys).await
    }

    /// What was found anew takes the place of what was found before about the same.
    fn keep_newer(&self, domain: &Domain, findings: &[MailFinding]) {
        let mut found = self.mail_look.found();
        let Some((_, view)) = found.as_mut().filter(|(of, _)| of == domain) else {
            return;
        };
        for finding in &mut view.findings {
            let mut newer = findings.iter();
            if let Some(newer) = newer.find(|newer| newer.id == finding.id) {
                *finding = newer.clone();
            }
        }
    }
}

/// Whom the box asks for names that are not its own.
fn upstreams(spec: &BoxSpec) -> Vec<SocketAddr> {
    spec.dns.upstreams.clone()
}

fn served(spec: &BoxSpec) -> Vec<ServedPort> {
    let containers = &spec.firewall.containers;
    let of_mail = containers
        .ports
        .iter()
        .filter(|port| port.protocol == Protocol::Tcp && SERVED.contains(&port.port));
    of_mail
        .map(|port| ServedPort {
            port: port.port,
            address: port.backend.into(),
            public: containers.public.contains(port),
        })
        .collect()
}

fn leaves(config: &Config, greet: Option<Domain>) -> Leaves {
    let known = |names: &[&str]| -> Vec<Domain> {
        let names = names.iter().filter_map(|name| name.parse().ok());
        names.collect::<BTreeSet<Domain>>().into_iter().collect()
    };
    match &config.mail.delivery {
        DeliveryConfig::Direct => Leaves::Direct {
            greeted: greet.map_or_else(|| known(&GREETED), |domain| vec![domain]),
            port: port::SMTP,
            block_lists: known(&BLOCK_LISTS),
        },
        DeliveryConfig::Relay(relay) => Leaves::Relay(ProviderSpec {
            host: relay.host.clone(),
            port: relay.port,
            implicit_tls: relay.port == port::SUBMISSIONS,
            signs_in: relay.username.is_some(),
            authorities: None,
        }),
        DeliveryConfig::ReceiveOnly => Leaves::ReceiveOnly,
    }
}

/// A server of one's own tells nothing about the way to others.
fn check_greeted(config: &Config, greet: &Domain) -> Result<(), Problem> {
    let refused = match config.mail.delivery {
        DeliveryConfig::Direct => check_host(greet, &config.domain.name).err(),
        DeliveryConfig::Relay(_) | DeliveryConfig::ReceiveOnly => {
            Some("counts only while the box itself brings mail to others")
        }
    };
    refused.map_or(Ok(()), |refused| Err(Problem::field("greet", refused)))
}

fn under_way() -> Problem {
    Problem::conflict(
        "mail_check_running",
        "Mail is being looked at",
        "That takes less than a minute. Look at what it found then.",
    )
}

fn not_looked() -> Problem {
    Problem::new(
        503,
        "mail_not_checked",
        "Mail could not be looked at",
        "Try again; the log says more.",
    )
}
