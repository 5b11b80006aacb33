//! Goes on with an import: calls the other cell until both have each other, or the invite is over.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use cell_audit::AuditEvent;
use cell_cells::{Answer, Ask, Command, Joining, Message, Offer, Progress, Reply};
use cell_model::name::CellName;
use cell_model::problem::Problem;
use cell_model::signer::SignerKey;
use cell_signed::SigningKey;
use cell_store::Batch;
use tokio::time::Instant;

use super::import::{check_public, put};
use super::{KeptImport, nonce, refusal};
use crate::Core;

/// How often a cell is asked that has to be confirmed, and how often one is tried that was not reached.
const ASK: Duration = Duration::from_secs(2);
const TRY: Duration = Duration::from_secs(30);

/// What came of a call.
enum Called {
    Answered(Answer, SocketAddr),
    Unreached(String),
}

impl Core {
    /// Asks other cells how it stands, for as long as there is something to ask.
    pub(super) fn keep_advancing(self: &Arc<Self>) {
        let core = Arc::downgrade(self);
        tokio::spawn(async move {
            let mut tried = Instant::now();
            loop {
                tokio::time::sleep(ASK).await;
                let Some(core) = core.upgrade() else { return };
                let tries = tried.elapsed() >= TRY;
                if tries {
                    tried = Instant::now();
                }
                core.advance_due(tries).await;
            }
        });
    }

    /// One look at all imports.
    async fn advance_due(&self, tries: bool) {
        for other in self.imports_over() {
            let event = AuditEvent::new("cell.import.end");
            let _writer = self.writer.lock().await;
            if let Err(problem) = self.forget_import(&other, event).await {
                tracing::warn!(%problem, "an invite that is over could not be given up");
            }
        }
        for other in self.unfinished(tries) {
            if let Err(problem) = self.advance(&other).await {
                tracing::info!(%problem, "a cell could not be linked");
            }
        }
    }

    /// The same at once, whatever was tried lately.
    #[cfg(test)]
    pub(crate) async fn advance_all(&self) {
        self.advance_due(true).await;
    }

    /// Imports of invites that are over, whatever has come of them.
    fn imports_over(&self) -> Vec<SignerKey> {
        let now = (self.clock)();
        let kept = self.links_kept();
        let over = kept.imports.values();
        let over = over.filter(|import| import.expires_at <= now);
        over.map(|import| import.claims.identity.clone()).collect()
    }

    fn unfinished(&self, tries: bool) -> Vec<SignerKey> {
        let now = (self.clock)();
        let kept = self.links_kept();
        let good = kept.imports.values().filter(|import| {
            let is_asked = import.code.is_some() && import.detail.is_none();
            !import.linked && import.expires_at > now && (tries || is_asked)
        });
        good.map(|import| import.claims.identity.clone()).collect()
    }

    /// One step with each message that the other cell answers. That it is not reached is kept with the import; where it
    /// refuses, or may not be linked, the import is given up.
    pub(super) async fn advance(&self, other: &SignerKey) -> Result<(), Problem> {
        let _calling = self.link_work.calling.lock().await;
        let import = self.links_kept().imports.get(other).cloned();
        let Some(import) = import.filter(|import| !import.linked) else {
            return Ok(());
        };
        match self.say(import).await {
            Ok(()) => Ok(()),
            // Of this cell's own making, and over once it is mended.
            Err(problem) if problem.status >= 500 => Err(problem),
            Err(problem) => {
                let _writer = self.writer.lock().await;
                let event = AuditEvent::new("cell.link.drop").detail(problem.code.clone());
                self.forget_import(other, event).await?;
                Err(problem)
            }
        }
    }

    async fn say(&self, mut import: KeptImport) -> Result<(), Problem> {
        let key = self.identity()?;
        let offer = self.imported(&import)?;
        let message = match import.code {
            Some(_) => Message::Ask(Ask::new(&offer, key.public().into())),
            None => match self.introduce(&mut import, offer, &key).await? {
                Some(reveal) => reveal,
                None => return Ok(()),
            },
        };
        match self.call(&mut import, message).await? {
            Some(Answer::Progress(Progress::Linked)) => self.linked(import).await,
            Some(Answer::Progress(Progress::AwaitingConfirmation)) => {
                import.detail = None;
                self.put_import(import).await
            }
            Some(Answer::Welcome(_) | Answer::Synced(_)) => Err(babble()),
            None => Ok(()),
        }
    }

    /// The first message and its answer; what is to be said next, or nothing while nobody answers.
    async fn introduce(
        &self,
        import: &mut KeptImport,
        offer: Offer,
        key: &SigningKey,
    ) -> Result<Option<Message>, Problem> {
        let claims = self.own_claims(key)?;
        let begun = Joining::begin(offer, claims, key, nonce()?);
        let (joining, join) = begun.map_err(|error| refusal(&error))?;
        let answer = self.call(import, Message::Join(Box::new(join))).await?;
        let welcome = match answer {
            Some(Answer::Welcome(welcome)) => welcome,
            Some(Answer::Progress(_) | Answer::Synced(_)) => return Err(babble()),
            None => return Ok(None),
        };
        let (reveal, joined) = joining
            .welcomed(&welcome)
            .map_err(|error| refusal(&error))?;
        check_public(&joined.claims, import.allow_public_domain)?;
        self.check_link(&joined.claims)?;
        import.claims = joined.claims;
        import.code = Some(joined.code.to_string());
        // From the next message on, the other cell may have us: we have to know by then.
        self.put_import(import.clone()).await?;
        Ok(Some(Message::Reveal {
            invite: import.id,
            reveal,
        }))
    }

    /// Says something to the other cell; `None`, and the reason kept, when it is not reached.
    async fn call(
        &self,
        import: &mut KeptImport,
        message: Message,
    ) -> Result<Option<Answer>, Problem> {
        let mut called = Called::Unreached(String::new());
        if import.inside {
            called = self.call_inside(import, message.clone()).await?;
            if let Called::Answered(answer, _) = called {
                return Ok(Some(answer));
            }
        }
        // It may have been heard all the same, and counts once: how it stands then is asked.
        let is_once = import.inside && matches!(message, Message::Reveal { .. });
        if !is_once {
            called = self.call_outside(import, message).await?;
        }
        match called {
            Called::Answered(answer, place) => {
                self.note_place(&import.claims, place);
                import.inside = false;
                Ok(Some(answer))
            }
            Called::Unreached(why) => {
                import.inside = true;
                import.detail = Some(format!(
                    "The cell {} was not reached ({why}). It is tried again until the invite is over.",
                    import.claims.name
                ));
                self.put_import(import.clone()).await?;
                Ok(None)
            }
        }
    }

    async fn call_outside(&self, import: &KeptImport, message: Message) -> Result<Called, Problem> {
        let command = Command {
            endpoints: import.claims.endpoints.clone(),
            port: self.settings.options.wireguard_port,
            name_servers: self.name_servers(),
            source: None,
            identity: import.claims.identity.clone(),
            message,
        };
        self.called(&import.claims.name, command).await
    }

    async fn call_inside(&self, import: &KeptImport, message: Message) -> Result<Called, Problem> {
        let own = SignerKey::from(self.identity()?.public());
        let command = self.command_inside(&own, &import.claims.identity, message);
        self.called(&import.claims.name, command).await
    }

    async fn called(&self, name: &CellName, command: Command) -> Result<Called, Problem> {
        let system = self.system.get().ok_or_else(Problem::unavailable)?;
        Ok(match system.calls.call(command).await {
            Ok(Reply::Answered { answer, place, .. }) => Called::Answered(answer, place),
            Ok(Reply::Refused(problem)) if problem.status < 500 && problem.status != 429 => {
                return Err(Problem::conflict(
                    "cell_refuses",
                    "The other cell refuses",
                    format!("The cell {name} says: {problem}"),
                ));
            }
            Ok(Reply::Refused(problem)) => Called::Unreached(problem.to_string()),
            Ok(Reply::Unreached(why)) => Called::Unreached(why),
            Err(error) => Called::Unreached(error.to_string()),
        })
    }

    async fn put_import(&self, import: KeptImport) -> Result<(), Problem> {
        let _writer = self.writer.lock().await;
        let other = import.claims.identity.clone();
        // Given up meanwhile, it does not come back.
        let Some(known) = self.links_kept().imports.get(&other).cloned() else {
            return Err(given_up());
        };
        // Of why it is not reached, the last reason is kept in memory alone.
        let told = |import: &KeptImport| {
            let is_reached = import.detail.is_none();
            (import.code.clone(), is_reached, import.inside)
        };
        if told(&known) != told(&import) {
            let mut batch = Batch::new((self.clock)(), None, "Went on with a link");
            put(&mut batch, &import)?;
            let event = AuditEvent::new("cell.link.advance").on(import.claims.name.to_string());
            self.commit(batch, event).await?;
        }
        self.links_kept().imports.insert(other, import);
        self.link_work.woken.notify_one();
        Ok(())
    }

    async fn linked(&self, mut import: KeptImport) -> Result<(), Problem> {
        let _writer = self.writer.lock().await;
        let other = import.claims.identity.clone();
        if !self.links_kept().imports.contains_key(&other) {
            return Err(given_up());
        }
        import.linked = true;
        import.detail = None;
        let event = AuditEvent::new("cell.link.add");
        let sync = self.sync_of_new(&import.claims);
        self.put_link(sync, event, |batch| put(batch, &import))
            .await?;
        self.links_kept().imports.insert(other, import);
        Ok(())
    }
}

fn babble() -> Problem {
    Problem::conflict(
        "cell_babbles",
        "The other cell's answer makes no sense",
        "It may have another version. Bring both up to date, and try again.",
    )
}

fn given_up() -> Problem {
    Problem::conflict(
        "link_dropped",
        "The link was given up meanwhile",
        "Import the invite again if it is wanted after all.",
    )
}
