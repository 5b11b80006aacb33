//! A core whose every free text was written by somebody who means harm.

use std::os::fd::OwnedFd;
use std::sync::Arc;

use async_trait::async_trait;
use cell_control::Control;
use cell_control::action::{Action, IncomingBundle, Outcome, TestResult};
use cell_control::caller::Caller;
use cell_control::change::{Change, Pending, Preview, Receipt};
use cell_control::fake::FakeControl;
use cell_control::query::{Answer, Query};
use cell_control::view::{FirmwareView, ServiceView, SettingKindView, SettingView};
use cell_model::account::Identity;
use cell_model::config::SettingValue;
use cell_model::problem::Problem;
use cell_model::status::State;

/// Leaves a text, an attribute in either quotes, a script and a comment.
pub(crate) const HOSTILE: &str =
    "\"'><img src=x onerror=alert(1)><!--</script><script>alert(2)</script>&amp;";

/// Puts [`HOSTILE`] wherever an answer has free text.
pub(crate) struct Hostile(pub(crate) Arc<FakeControl>);

fn make_hostile(service: &mut ServiceView) {
    let text = || HOSTILE.to_owned();
    service.name = text();
    service.summary = text();
    service.version = text();
    service.detail = text();
    service.internet = Some(text());
    service.urls = vec![text()];
    if let Some(failed) = &mut service.failed_update {
        failed.version = text();
        failed.reason = text();
    }
    for container in &mut service.containers {
        container.name = text();
    }
    for found in &mut service.well_known {
        found.host = text();
    }
    for guide in &mut service.guides {
        guide.platform = text();
        guide.steps = vec![text()];
    }
    service.settings.iter_mut().for_each(make_setting_hostile);
}

fn make_setting_hostile(setting: &mut SettingView) {
    let text = || HOSTILE.to_owned();
    setting.label = text();
    setting.help = Some(text());
    if let Some(SettingValue::Text(value)) = &mut setting.value {
        *value = text();
    }
    if let Some(SettingValue::Text(default)) = &mut setting.default {
        *default = text();
    }
    if let SettingKindView::Choice { choices } = &mut setting.kind {
        *choices = vec![text(), "b".to_owned()];
    }
}

#[async_trait]
impl Control for Hostile {
    async fn identify(&self, caller: &Caller) -> Result<Identity, Problem> {
        self.0.identify(caller).await
    }

    async fn snapshot(&self, caller: &Caller, query: Query) -> Result<Answer, Problem> {
        let mut answer = self.0.snapshot(caller, query).await?;
        let text = || HOSTILE.to_owned();
        match &mut answer {
            Answer::Status(status) => {
                status.notices.push(text());
                status.version = text();
                status
                    .items
                    .iter_mut()
                    .for_each(|item| item.detail = text());
                status.pending = Some(Pending {
                    revision: 7,
                    username: "owner".parse().expect("a name"),
                    seconds_left: 61,
                });
            }
            Answer::Revisions(page) => {
                page.items.iter_mut().for_each(|revision| {
                    revision.summary = text();
                    revision.actor = text();
                });
                page.next = Some(text());
            }
            Answer::Revision(revision) => {
                revision.summary = text();
                revision.actor = text();
            }
            Answer::Diff(diff) => diff.changes.iter_mut().for_each(|change| {
                change.path = text();
                change.before = Some(serde_json::json!({ HOSTILE: [HOSTILE] }));
                change.after = Some(HOSTILE.into());
            }),
            Answer::Audit(page) => {
                page.items.iter_mut().for_each(|record| {
                    record.actor = Some(text());
                    record.action = text();
                    record.object = Some(text());
                    record.outcome = text();
                    record.detail = text();
                });
                page.next = Some(text());
            }
            Answer::Sessions(sessions) => sessions.sessions.iter_mut().for_each(|session| {
                session.user_agent = text();
                session.id = text();
                session.current = false;
            }),
            Answer::PartDetail(part) => {
                part.detail = text();
                part.facts = vec![(text(), text())];
            }
            Answer::Logs(page) => page.items.iter_mut().for_each(|line| line.message = text()),
            Answer::Firmware(firmware) => {
                firmware.version = text();
                firmware.board = Some(text());
                if let Some(slots) = &mut firmware.slots {
                    slots.notice = Some(text());
                }
                if let Some(trial) = &mut firmware.last_trial {
                    trial.detail = text();
                }
                firmware.update.version = Some(text());
                firmware.update.notes = Some(text());
            }
            Answer::Services(page) => page.items.iter_mut().for_each(make_hostile),
            Answer::Service(service) => make_hostile(service),
            Answer::Offers(page) => page.items.iter_mut().for_each(|offer| {
                offer.name = text();
                offer.summary = text();
                offer.version = text();
                offer.internet = Some(text());
                offer.settings.iter_mut().for_each(make_setting_hostile);
            }),
            Answer::Sources(page) => page.items.iter_mut().for_each(|source| {
                source.code = Some(text());
                source.detail = text();
            }),
            Answer::ServiceLogs(page) => page.items.iter_mut().for_each(|line| {
                line.container = text();
                line.message = text();
            }),
            Answer::Mail(mail) => mail
                .aliases
                .iter_mut()
                .for_each(|alias| alias.address = text()),
            Answer::MailRecords(view) => {
                view.zone = text();
                view.records.iter_mut().for_each(|record| {
                    record.name = text();
                    record.kind = text();
                    record.value = text();
                    record.description = text();
                });
            }
            Answer::MailFindings(found) => found.findings.iter_mut().for_each(|finding| {
                finding.id = text();
                finding.seen = text();
                finding.action = text();
            }),
            Answer::DkimKeys(page) => page.items.iter_mut().for_each(|key| key.public = text()),
            Answer::OwnMail(mail) => {
                mail.address = text();
                mail.aliases = vec![text()];
                mail.servers
                    .iter_mut()
                    .for_each(|server| server.host = text());
            }
            Answer::KeptData(page) => page.items.iter_mut().for_each(|data| data.name = text()),
            Answer::Connections(page) => page
                .items
                .iter_mut()
                .for_each(|connection| connection.status.detail = text()),
            Answer::Connection(connection) => {
                connection.status.health = State::Failed;
                connection.status.detail = text();
            }
            Answer::TrialLog(log) => *log = text(),
            Answer::WireGuard(wireguard) => wireguard.interface = text(),
            Answer::Peers(page) => page.next = Some(text()),
            Answer::Accounts(page) => page.next = Some(text()),
            _ => {}
        }
        Ok(answer)
    }

    async fn preview(&self, _: &Caller, _: Change) -> Result<Preview, Problem> {
        Ok(Preview {
            steps: vec![HOSTILE.to_owned()],
            warnings: vec![HOSTILE.to_owned()],
            needs_confirmation: true,
            changes_nothing: false,
        })
    }

    async fn submit(&self, caller: &Caller, change: Change) -> Result<Receipt, Problem> {
        let mut receipt = self.0.submit(caller, change).await?;
        if let Some(peer) = &mut receipt.peer {
            peer.notes = vec![HOSTILE.to_owned()];
        }
        Ok(receipt)
    }

    async fn confirm(&self, caller: &Caller) -> Result<Receipt, Problem> {
        self.0.confirm(caller).await
    }

    async fn revert(&self, caller: &Caller) -> Result<Receipt, Problem> {
        self.0.revert(caller).await
    }

    async fn act(&self, caller: &Caller, action: Action) -> Result<Outcome, Problem> {
        Ok(match self.0.act(caller, action).await? {
            Outcome::Tested(_) => Outcome::Tested(TestResult {
                ok: false,
                detail: vec![HOSTILE.to_owned()],
            }),
            other => other,
        })
    }

    async fn receive(
        &self,
        caller: &Caller,
        bundle: IncomingBundle,
        stream: OwnedFd,
    ) -> Result<FirmwareView, Problem> {
        self.0.receive(caller, bundle, stream).await
    }

    async fn changed(&self, caller: &Caller, seen: u64) -> Result<u64, Problem> {
        self.0.changed(caller, seen).await
    }
}
