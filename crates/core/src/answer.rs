//! Answers to questions.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use cell_audit::{AuditError, AuditQuery, AuditRecord};
use cell_auth::{Account, SessionToken};
use cell_control::caller::{Caller, Credential, now_since_boot};
use cell_control::query::{Answer, Audit, Diff, MailLookup, Query, Range, Settings};
use cell_control::second_factor::SecondFactorView;
use cell_control::view::{
    AccountView, AuditVerifyView, AuditView, CellView, ConfigView, DhcpView, DiffView, GroupView,
    LeaseView, LogPage, NetworkView, Page, PartView, PeerView, RevisionView, RootCertificateView,
    SessionView, SessionsView, StatusView, WireGuardPeerView, WireGuardView,
};
use cell_model::Timestamp;
use cell_model::account::{Identity, Role};
use cell_model::config::{Config, ServicesSettings};
use cell_model::facts::DhcpFacts;
use cell_model::key::PublicKey;
use cell_model::name::{DnsLabel, InterfaceName, PeerName};
use cell_model::problem::Problem;
use cell_model::scope::Area;
use cell_model::status::{ItemStatus, Part, State, WireGuardPeerStatus, WireGuardStatus};
use cell_plan::resolve::vpn_interface;
use cell_store::{RevisionSummary, StoreError};

use crate::authorise::{Needs, needs_to_ask, setup_required, sign_in_required};
use crate::confirmation::Confirmation;
use crate::edit::group::services_for;
use crate::people::People;
use crate::set_up::internal;
use crate::sign_in::own_session;
use crate::trial::answered;
use crate::{Core, diff, documents, file};

/// How long a question for the next change is held.
const HOLD: Duration = Duration::from_secs(30);

impl Core {
    pub(crate) async fn snapshot(&self, caller: &Caller, query: Query) -> Result<Answer, Problem> {
        let identity = match needs_to_ask(&query) {
            Some(needs) => Some(self.require(caller, needs).await?),
            None => None,
        };
        Ok(match query {
            Query::Status(_) => Answer::Status(self.status()),
            Query::Cell(_) => {
                let cell = &self.config()?.cell;
                Answer::Cell(CellView {
                    name: cell.name.clone(),
                    timezone: cell.timezone.clone(),
                })
            }
            Query::Setup(_) => Answer::Setup(self.setup_view()),
            Query::RootCertificate(_) => {
                let root = self.vault.root().ok_or_else(setup_required)?;
                Answer::RootCertificate(RootCertificateView {
                    pem: root.certificate_pem(),
                    fingerprint: root.fingerprint(),
                })
            }
            Query::Settings(Settings { revision }) => Answer::Settings(self.settings(revision)?),
            Query::Peers(query) => Answer::Peers(self.peers(&query.range).await?),
            Query::Peer(query) => Answer::Peer(self.peer(&query.name).await?),
            Query::OwnPeers(_) => {
                let identity = identity.ok_or_else(sign_in_required)?;
                Answer::OwnPeers(self.own_peers(&identity).await?)
            }
            Query::OwnServices(_) => {
                let identity = identity.ok_or_else(sign_in_required)?;
                Answer::OwnServices(self.own_services(&identity)?)
            }
            Query::WireGuard(_) => Answer::WireGuard(self.wireguard().await?),
            Query::Network(_) => Answer::Network(self.network()),
            Query::Revisions(query) => Answer::Revisions(self.revisions(&query.range)?),
            Query::Revision(query) => {
                let found = self
                    .store
                    .revision(query.number)
                    .map_err(|error| no_revision(query.number, &error))?;
                Answer::Revision(revision_view(found.summary))
            }
            Query::Diff(Diff { from, to }) => Answer::Diff(self.diff(from, to)?),
            Query::Audit(query) => Answer::Audit(self.audit_page(query).await?),
            Query::AuditVerify(_) => Answer::AuditVerify(self.audit_verify().await?),
            Query::Accounts(query) => Answer::Accounts(self.accounts(&query.range)?),
            Query::Account(query) => {
                let account = self.account(&query.username)?;
                Answer::Account(account_view(&self.people(), &account, (self.clock)()))
            }
            Query::Groups(_) => Answer::Groups(self.groups()?),
            Query::Mail(_) => Answer::Mail(Box::new(self.mail()?)),
            Query::MailRecords(_) => Answer::MailRecords(self.mail_records()?),
            Query::DkimKeys(_) => Answer::DkimKeys(self.dkim_keys()),
            Query::MailFindings(_) => Answer::MailFindings(self.mail_findings()?),
            Query::OwnMail(_) => {
                let identity = identity.ok_or_else(sign_in_required)?;
                Answer::OwnMail(self.own_mail(&identity)?)
            }
            Query::Person(query) => Answer::Person(self.person(&query.service, &query.name)?),
            Query::MailLookup(query) => {
                let MailLookup {
                    service,
                    table,
                    key,
                } = query;
                Answer::MailLookup(self.mail_lookup(&service, table, &key)?)
            }
            Query::Connections(_) => Answer::Connections(Page {
                items: self.connections()?,
                next: None,
            }),
            Query::Connection(query) => Answer::Connection(Box::new(self.connection(query.id)?)),
            Query::Links(_) => Answer::Links(self.links().await?),
            Query::Link(query) => Answer::Link(self.link(&query.name).await?),
            Query::LinkInvites(_) => Answer::LinkInvites(self.link_invites()),
            Query::Invites(_) => Answer::Invites(self.invites()),
            Query::Invited(query) => Answer::Invited(self.invited(query.code.expose())?),
            Query::Passkeys(query) => {
                let identity = identity.ok_or_else(sign_in_required)?;
                Answer::Passkeys(self.passkeys(&identity, query.username)?)
            }
            Query::ApiTokens(query) => {
                let identity = identity.ok_or_else(sign_in_required)?;
                Answer::ApiTokens(self.api_tokens(&identity, query.username)?)
            }
            Query::AppPasswords(query) => {
                let identity = identity.ok_or_else(sign_in_required)?;
                Answer::AppPasswords(self.app_passwords(&identity, caller, query.username)?)
            }
            Query::Sessions(_) => {
                Answer::Sessions(self.sessions(identity.ok_or_else(sign_in_required)?, caller))
            }
            Query::CsrfToken(_) => match &caller.credential {
                Credential::Session(text) => {
                    let token: SessionToken =
                        text.expose().parse().map_err(|_| sign_in_required())?;
                    Answer::CsrfToken(token.csrf_token())
                }
                Credential::Nobody | Credential::Token(_) | Credential::Local => {
                    return Err(sign_in_required());
                }
            },
            Query::RecentProof(_) => {
                self.require_proof(caller)?;
                Answer::RecentProof(())
            }
            Query::Services(query) => {
                let identity = identity.ok_or_else(sign_in_required)?;
                Answer::Services(self.services(&identity, &query.range)?)
            }
            Query::Service(query) => {
                let identity = identity.ok_or_else(sign_in_required)?;
                let service = self.service_in_use(&identity, &query.id).await?;
                Answer::Service(Box::new(service))
            }
            Query::ServiceLogs(query) => {
                Answer::ServiceLogs(self.service_logs(&query.id, query.limit).await?)
            }
            Query::KeptData(_) => Answer::KeptData(self.kept_data().await?),
            Query::Offers(query) => Answer::Offers(self.offers(&query.range)?),
            Query::Sources(_) => Answer::Sources(self.sources()?),
            Query::PartDetail(query) => Answer::PartDetail(self.part(query.part).await),
            Query::Logs(query) => Answer::Logs(LogPage {
                next: None,
                items: self.logs.search(&query),
            }),
            Query::Firmware(_) => Answer::Firmware(Box::new(self.firmware().await?)),
            Query::TrialLog(_) => Answer::TrialLog(self.trial_log().await?),
            Query::VerbosityLevels(_) => Answer::VerbosityLevels(self.logs.verbosity()),
        })
    }

    pub(crate) fn config(&self) -> Result<Arc<Config>, Problem> {
        self.desired
            .borrow()
            .config
            .clone()
            .ok_or_else(setup_required)
    }

    fn status(&self) -> StatusView {
        let desired = self.desired.borrow().clone();
        let published = self
            .system
            .get()
            .map(|system| system.published.borrow().clone());
        let config = desired.config.as_deref();
        let mut notices = Vec::new();
        notices.push(format!(
            "Secrets are {}.",
            self.sealer.protection().as_str()
        ));
        if let (Some(config), Some(published)) = (config, &published) {
            let options = &self.settings.options;
            notices.extend(cell_plan::lint::warnings(config, &published.facts));
            notices.extend(cell_plan::sides::finding(config, &published.facts, options));
        } else if let Some(published) = &published {
            notices.extend(cell_plan::lint::dhcp_warnings(&published.facts));
        }
        if let Some(published) = published
            .as_ref()
            .filter(|published| published.spec.is_some())
        {
            let named = [
                Some(&self.settings.options.wan),
                self.settings.options.lan.as_ref(),
            ];
            for interface in named.into_iter().flatten() {
                if !published.facts.interfaces.contains_key(interface) {
                    notices.push(format!("The interface {interface} does not exist. Plug it in, or start the box with another."));
                }
            }
        }
        StatusView {
            revision: config.map(|_| desired.revision),
            applied_revision: published
                .as_ref()
                .and_then(|published| published.applied_revision),
            items: published
                .as_ref()
                .map_or_else(Vec::new, |published| published.items.clone()),
            generation: published
                .as_ref()
                .map_or(0, |published| published.generation),
            pending: self.confirmation().as_ref().map(Confirmation::view),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            cell_name: config.map(|config| config.cell.name.to_string()),
            peers: config.map_or(0, |config| config.peers.len()),
            notices,
        }
    }

    fn settings(&self, revision: Option<u64>) -> Result<ConfigView, Problem> {
        let desired = self.desired.borrow().clone();
        let (revision, config) = match revision {
            Some(number) if number != desired.revision => {
                let found = self
                    .store
                    .documents_at(number)
                    .map_err(|error| no_revision(number, &error))?;
                let config = documents::read(&found).map_err(|error| internal(&error))?;
                (
                    number,
                    Arc::new(config.ok_or_else(|| {
                        Problem::not_found(format!("config in revision {number}"))
                    })?),
                )
            }
            _ => (desired.revision, desired.config.ok_or_else(setup_required)?),
        };
        Ok(ConfigView {
            revision,
            cell: config.cell.clone(),
            domain: config.domain.clone(),
            network: config.network.clone(),
            vpn: config.vpn.clone(),
            dns: config.dns.clone(),
            updates: config.updates.clone(),
            services: ServicesSettings {
                network: config.services.network,
                sources: config.services.sources.clone(),
            },
        })
    }

    /// What the VPN interface knows; `None` when it is not there or does not answer.
    pub(crate) async fn seen(&self) -> Option<WireGuardStatus> {
        let system = self.system.get()?;
        match answered(system.parts.wireguard.observe()).await {
            Ok(seen) => seen,
            Err(error) => {
                tracing::warn!(error, "the VPN interface does not answer");
                None
            }
        }
    }

    async fn peers(&self, range: &Range) -> Result<Page<PeerView>, Problem> {
        let config = self.config()?;
        let seen = self.seen().await;
        let by_key = by_key(seen.as_ref());
        let after: Option<PeerName> = parse_cursor(range.cursor.as_deref())?;
        let now = (self.clock)();
        let rest = config
            .peers
            .iter()
            .skip_while(|(name, _)| after.as_ref().is_some_and(|after| *name <= after));
        let mut items: Vec<PeerView> = rest
            .take(range.limit.saturating_add(1))
            .map(|(name, peer)| {
                let seen = by_key.get(&peer.public_key).copied();
                file::view(name, peer, seen, self.is_open(peer), now)
            })
            .collect();
        let next = cut(&mut items, range.limit, |peer| peer.name.to_string());
        Ok(Page { items, next })
    }

    async fn peer(&self, name: &PeerName) -> Result<PeerView, Problem> {
        let config = self.config()?;
        let peer = config
            .peers
            .get(name)
            .ok_or_else(|| Problem::not_found(format!("device {name}")))?;
        let seen = self.seen().await;
        Ok(file::view(
            name,
            peer,
            by_key(seen.as_ref()).get(&peer.public_key).copied(),
            self.is_open(peer),
            (self.clock)(),
        ))
    }

    async fn wireguard(&self) -> Result<WireGuardView, Problem> {
        let config = self.config()?;
        let names: HashMap<PublicKey, &PeerName> = config
            .peers
            .iter()
            .map(|(name, peer)| (peer.public_key, name))
            .collect();
        let system = self.system.get().ok_or_else(Problem::unavailable)?;
        let seen = self.seen().await;
        let own_key = self
            .desired
            .borrow()
            .keys
            .interface
            .as_ref()
            .map(|key| key.public_key());
        let peers = seen
            .iter()
            .flat_map(|seen| &seen.peers)
            .map(|peer| WireGuardPeerView {
                name: names.get(&peer.public_key).map(|name| (*name).clone()),
                public_key: peer.public_key,
                allowed_ips: peer.allowed_ips.clone(),
                endpoint: peer.endpoint,
                latest_handshake: peer.latest_handshake,
                received_bytes: peer.received_bytes,
                sent_bytes: peer.sent_bytes,
            });
        Ok(WireGuardView {
            backend: system.parts.wireguard.backend(),
            interface: vpn_interface().to_string(),
            listen_port: seen
                .as_ref()
                .map_or(self.settings.options.wireguard_port, |seen| {
                    seen.listen_port
                }),
            public_key: own_key,
            peers: peers.collect(),
        })
    }

    fn network(&self) -> NetworkView {
        let facts = self.facts();
        let spec = self
            .system
            .get()
            .and_then(|system| system.published.borrow().spec.clone());
        NetworkView {
            wan: self.settings.options.wan.clone(),
            lan: self.settings.options.lan.clone(),
            interfaces: facts
                .interfaces
                .iter()
                .map(|(name, facts)| (name.clone(), facts.clone()))
                .collect(),
            gateway: facts.gateway,
            resolvers: facts.resolvers.clone(),
            dhcp: facts
                .dhcp
                .iter()
                .map(|(name, known)| (name.clone(), self.dhcp(known)))
                .collect(),
            admin: spec
                .iter()
                .flat_map(|spec| spec.web.listen.iter().copied())
                .collect(),
            dns: spec
                .iter()
                .flat_map(|spec| spec.dns.listen.iter().copied())
                .collect(),
            local_name: self.local_name(),
        }
    }

    /// The name the box is found by at home.
    pub(crate) fn local_name(&self) -> Option<String> {
        let facts = self.facts();
        facts.found_as.as_ref().map(DnsLabel::local_name)
    }

    fn dhcp(&self, known: &DhcpFacts) -> DhcpView {
        let now = (self.clock)();
        let until = |until: Duration| {
            let end = now
                .checked_add(until.saturating_sub(now_since_boot()))
                .unwrap_or(now);
            // A lease has no finer end, and two looks in a row should show the same.
            Timestamp::from_second(end.as_second()).unwrap_or(end)
        };
        DhcpView {
            lease: known.lease.as_ref().map(|lease| LeaseView {
                address: lease.address,
                router: lease.router,
                resolvers: lease.resolvers.clone(),
                server: lease.server,
                until: until(lease.until),
            }),
            fallback: known.fallback,
            complaint: known.complaint.clone(),
        }
    }

    fn revisions(&self, range: &Range) -> Result<Page<RevisionView>, Problem> {
        let before: Option<u64> = parse_cursor(range.cursor.as_deref())?;
        let found = self
            .store
            .revisions(before, range.limit.saturating_add(1))
            .map_err(|error| internal(&error))?;
        let mut items: Vec<RevisionView> = found.into_iter().map(revision_view).collect();
        let next = cut(&mut items, range.limit, |revision| {
            revision.number.to_string()
        });
        Ok(Page { items, next })
    }

    fn diff(&self, from: u64, to: u64) -> Result<DiffView, Problem> {
        let at = |number| {
            self.store
                .documents_at(number)
                .map_err(|error| no_revision(number, &error))
        };
        let changes = diff::diff(&at(from)?, &at(to)?);
        Ok(DiffView { from, to, changes })
    }

    async fn audit_page(&self, query: Audit) -> Result<Page<AuditView>, Problem> {
        let cursor: Option<u64> = parse_cursor(query.range.cursor.as_deref())?;
        let wanted = AuditQuery {
            actor: query.actor,
            action: query.action,
            object: query.object,
            cursor,
            ..AuditQuery::default()
        };
        let audit = Arc::clone(&self.audit);
        let found =
            tokio::task::spawn_blocking(move || audit.query(&wanted, query.range.limit)).await;
        let found = found
            .map_err(|_| Problem::internal())?
            .map_err(|error| internal(&error))?;
        Ok(Page {
            items: found.items.into_iter().map(audit_view).collect(),
            next: found.next.map(|number| number.to_string()),
        })
    }

    async fn audit_verify(&self) -> Result<AuditVerifyView, Problem> {
        let audit = Arc::clone(&self.audit);
        let verified = tokio::task::spawn_blocking(move || audit.verify())
            .await
            .map_err(|_| Problem::internal())?;
        match verified {
            Ok((records, _)) => Ok(AuditVerifyView {
                ok: true,
                records,
                broken_at: None,
            }),
            Err(AuditError::Broken(broken)) => {
                tracing::error!(number = broken.number, "the audit log does not hold");
                Ok(AuditVerifyView {
                    ok: false,
                    records: 0,
                    broken_at: Some(broken.number),
                })
            }
            Err(error) => Err(internal(&error)),
        }
    }

    fn groups(&self) -> Result<Page<GroupView>, Problem> {
        let config = self.config()?;
        let items = config.groups.iter().map(|(name, group)| GroupView {
            name: name.clone(),
            members: group.members.clone(),
            services: services_for(&config, name).cloned().collect(),
        });
        Ok(Page {
            items: items.collect(),
            next: None,
        })
    }

    fn accounts(&self, range: &Range) -> Result<Page<AccountView>, Problem> {
        let after: Option<cell_model::name::Username> = parse_cursor(range.cursor.as_deref())?;
        let now = (self.clock)();
        let people = self.people();
        let rest = people
            .accounts
            .values()
            .filter(|account| after.as_ref().is_none_or(|after| account.username > *after));
        let mut items: Vec<AccountView> = rest
            .take(range.limit.saturating_add(1))
            .map(|account| account_view(&people, account, now))
            .collect();
        let next = cut(&mut items, range.limit, |account| {
            account.username.to_string()
        });
        Ok(Page { items, next })
    }

    fn sessions(&self, identity: Identity, caller: &Caller) -> SessionsView {
        let own = own_session(caller);
        let now = (self.clock)();
        let people = self.people();
        let sessions = people.sessions.of_account(&identity.username, now);
        let account = people.accounts.get(&identity.username);
        let second_factor = account.and_then(|account| people.second_factor(account));
        SessionsView {
            must_change_password: account.is_some_and(|account| account.must_change_password),
            second_factor: second_factor.map(|factor| SecondFactorView {
                since: factor.since,
                recovery_codes_left: factor.recovery_codes_left(),
            }),
            sessions: sessions
                .into_iter()
                .map(|session| SessionView {
                    id: session.token_hash.to_string(),
                    created_at: session.created_at,
                    address: Some(session.address),
                    user_agent: session.user_agent.clone(),
                    current: Some(session.token_hash) == own,
                })
                .collect(),
            identity,
        }
    }

    async fn part(&self, part: Part) -> PartView {
        let system = self.system.get();
        let published = system.map(|system| system.published.borrow().clone());
        let item = published
            .iter()
            .flat_map(|published| &published.items)
            .find(|item| item.id == part.as_str());
        let item = item.cloned().unwrap_or_else(|| ItemStatus {
            id: part.as_str().to_owned(),
            state: State::Unknown,
            since: (self.clock)(),
            detail: "The box is starting.".to_owned(),
        });
        let process = system.and_then(|system| system.processes.process(part));
        let mut facts = Vec::new();
        let mut dns = None;
        match (part, system) {
            (Part::Wireguard, Some(system)) => {
                let backend = match system.parts.wireguard.backend() {
                    cell_model::status::WireGuardBackend::Kernel => "kernel",
                    cell_model::status::WireGuardBackend::Userspace => "userspace",
                };
                facts.push(("Packets are carried by".to_owned(), backend.to_owned()));
            }
            (Part::Vault, Some(system)) => {
                if let Some(root) = self.vault.root() {
                    facts.push(("Root certificate".to_owned(), root.fingerprint()));
                }
                if let Some(leaf) = system.parts.vault.leaf().await {
                    facts.push(("Certificate of the admin page".to_owned(), leaf.fingerprint));
                    facts.push(("Good until".to_owned(), leaf.not_after.to_string()));
                }
                facts.push((
                    "Secrets are".to_owned(),
                    self.sealer.protection().as_str().to_owned(),
                ));
            }
            (Part::Network, Some(_)) => {
                for (name, known) in &self.facts().dhcp {
                    facts.extend(dhcp_facts(name, &self.dhcp(known)));
                }
            }
            (Part::Mdns, Some(_)) => {
                let name = self.local_name();
                facts.extend(name.map(|name| ("Found as".to_owned(), name)));
            }
            (Part::Dns, Some(system)) => dns = answered(system.parts.dns.observe()).await.ok(),
            _ => {}
        }
        PartView {
            part,
            state: item.state,
            since: item.since,
            detail: item.detail,
            facts,
            process_id: process.map(|(id, _)| id),
            restarts: process.map_or(0, |(_, restarts)| restarts),
            dns,
        }
    }

    pub(crate) async fn changed(&self, caller: &Caller, seen: u64) -> Result<u64, Problem> {
        let needs = Needs::scoped(Role::Helper, Area::Status.read());
        self.require(caller, needs).await?;
        let system = self.system.get().ok_or_else(Problem::unavailable)?;
        let mut published = system.published.clone();
        let _ = tokio::time::timeout(
            HOLD,
            published.wait_for(|published| published.generation > seen),
        )
        .await;
        let generation = published.borrow().generation;
        Ok(generation)
    }
}

fn account_view(people: &People, account: &Account, now: Timestamp) -> AccountView {
    AccountView {
        username: account.username.clone(),
        role: account.role,
        created_at: account.created_at,
        must_change_password: account.must_change_password,
        second_factor: people.second_factor(account).is_some(),
        access_until: people.access_until(account),
        access_over: people.access_is_over(account, now),
    }
}

pub(crate) fn by_key(seen: Option<&WireGuardStatus>) -> HashMap<PublicKey, &WireGuardPeerStatus> {
    let peers = seen.into_iter().flat_map(|seen| &seen.peers);
    peers.map(|peer| (peer.public_key, peer)).collect()
}

pub(crate) fn parse_cursor<T: std::str::FromStr>(
    cursor: Option<&str>,
) -> Result<Option<T>, Problem> {
    let parsed = cursor.map(str::parse).transpose();
    parsed.map_err(|_| Problem::field("cursor", "must be what the previous page answered as next"))
}

/// Cuts a list that was fetched one too long, and names the last item kept.
pub(crate) fn cut<T>(
    items: &mut Vec<T>,
    limit: usize,
    name: impl Fn(&T) -> String,
) -> Option<String> {
    if items.len() <= limit {
        return None;
    }
    items.truncate(limit);
    items.last().map(name)
}

fn revision_view(summary: RevisionSummary) -> RevisionView {
    RevisionView {
        number: summary.number,
        time: summary.time,
        actor: summary
            .actor
            .map_or_else(|| "the box".to_owned(), |actor| actor.to_string()),
        summary: summary.summary,
        changes: summary.changes as usize,
    }
}

fn audit_view(record: AuditRecord) -> AuditView {
    AuditView {
        number: record.number,
        time: record.time,
        actor: record.actor.map(|actor| actor.to_string()),
        role: record.role,
        address: record.address,
        action: record.action,
        object: record.object,
        outcome: record.outcome.as_str().to_owned(),
        detail: record.detail,
    }
}

fn no_revision(number: u64, error: &StoreError) -> Problem {
    match error {
        StoreError::NoRevision(_) => Problem::not_found(format!("revision {number}")),
        other => internal(other),
    }
}
/// What a DHCP client knows, as name and value.
fn dhcp_facts(interface: &InterfaceName, known: &DhcpView) -> Vec<(String, String)> {
    let mut facts = Vec::new();
    let mut add = |name: &str, value: Option<String>| {
        facts.extend(value.map(|value| (format!("{name} on {interface}"), value)));
    };
    if let Some(lease) = &known.lease {
        let resolvers: Vec<String> = lease.resolvers.iter().map(ToString::to_string).collect();
        add("Address by DHCP", Some(lease.address.to_string()));
        add("Router", lease.router.map(|router| router.to_string()));
        add("Name servers", Some(resolvers.join(", ")));
        add("Granted by", lease.server.map(|server| server.to_string()));
        add("Lease until", Some(lease.until.to_string()));
    }
    add(
        "Address of its own",
        known.fallback.map(|net| net.to_string()),
    );
    add("Trouble", known.complaint.clone());
    facts
}
