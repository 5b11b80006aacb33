//! Tokens of the interface: made, shown once, ended; and who shows one.

use cell_auth::{ApiToken, ApiTokenTable};
use cell_control::action::Outcome;
use cell_control::api_token::{ApiTokenForm, ApiTokenView, NewApiToken};
use cell_control::caller::Caller;
use cell_control::view::Page;
use cell_model::Timestamp;
use cell_model::account::Identity;
use cell_model::name::Username;
use cell_model::problem::{Problem, chain};
use cell_store::Batch;

use crate::access::looks_after;
use crate::app_password::day;
use crate::authorise::{no_accounts, sign_in_required};
use crate::people::API_TOKENS;
use crate::set_up::internal;
use crate::{Core, submit};

impl Core {
    /// On whose behalf a token is shown, and what it is good for.
    pub(crate) fn bearer_of(&self, text: &str, now: Timestamp) -> Result<Identity, Problem> {
        let mut people = self.people();
        if people.accounts.is_empty() {
            return Err(no_accounts());
        }
        let token = people.api_tokens.touch(text, now, day(now));
        let token = token.ok_or_else(sign_in_required)?;
        let (token, scopes) = (token.clone(), token.scopes.clone());
        let account = people.accounts.get(&token.username);
        let account = account.filter(|account| token.is_of(account));
        let account = account.filter(|account| !people.access_is_over(account, now));
        Ok(Identity {
            scopes: Some(scopes),
            ..account.ok_or_else(sign_in_required)?.identity()
        })
    }

    pub(crate) fn api_tokens(
        &self,
        identity: &Identity,
        username: Option<Username>,
    ) -> Result<Page<ApiTokenView>, Problem> {
        let account = self.account_of(identity, username)?;
        let now = (self.clock)();
        let people = self.people();
        let tokens = people.api_tokens.of_account(&account.username);
        let tokens = tokens.filter(|token| !token.is_over(now));
        let mut items: Vec<ApiTokenView> = tokens.map(view).collect();
        items.sort_by(|a, b| (a.created_at, &a.id).cmp(&(b.created_at, &b.id)));
        Ok(Page { items, next: None })
    }

    pub(crate) async fn add_api_token(
        &self,
        identity: &Identity,
        caller: &Caller,
        form: ApiTokenForm,
    ) -> Result<Outcome, Problem> {
        let now = (self.clock)();
        if form.scopes.is_empty() {
            return Err(Problem::field(
                "scopes",
                "must name something it is good for",
            ));
        }
        if form.expires_at.is_some_and(|expiry| expiry <= now) {
            return Err(Problem::field("expires_at", "must be in the future"));
        }
        let _writer = self.writer_for(identity, caller).await?;
        // Root has no account, and no need of a token.
        let account = self.account(&identity.username)?;
        let over: Vec<ApiToken> = {
            let people = self.people();
            let tokens = people.api_tokens.of_account(&account.username);
            tokens.filter(|token| token.is_over(now)).cloned().collect()
        };
        {
            let mut people = self.people();
            for token in &over {
                people.api_tokens.remove(token.id);
            }
            if !people.api_tokens.has_room(&account.username) {
                return Err(too_many());
            }
        }
        let made = ApiToken::generate(&account, form.label, form.scopes, now);
        let (token, secret) = made.map_err(|error| internal(&error))?;
        let token = ApiToken {
            expires_at: form.expires_at,
            ..token
        };
        let by = Some(identity.username.clone());
        let mut batch = Batch::new(now, by, "Added a token");
        remove_api_tokens(&mut batch, &over);
        batch
            .put(API_TOKENS, token.id.to_string(), &token)
            .map_err(|error| internal(&error))?;
        let event = submit::event("api_token.add", identity, caller)
            .on(token.username.to_string())
            .detail(described(&token));
        self.commit(batch, event).await?;
        let made = NewApiToken {
            api_token: view(&token),
            secret,
        };
        self.people().api_tokens.insert(token);
        Ok(Outcome::ApiTokenAdded(Box::new(made)))
    }

    pub(crate) async fn remove_api_token(
        &self,
        identity: &Identity,
        caller: &Caller,
        id: &str,
    ) -> Result<Outcome, Problem> {
        let _writer = self.writer_for(identity, caller).await?;
        let found = {
            let people = self.people();
            let found = people.api_tokens.get(id);
            found
                .filter(|token| looks_after(identity, &token.username))
                .cloned()
        };
        let token = found.ok_or_else(|| Problem::not_found("token of yours with this id"))?;
        // Gone at once, whatever the disk says: one that goes on opening things is the worse mistake.
        self.people().api_tokens.remove(token.id);
        let action = "api_token.remove";
        let mut batch = Batch::new((self.clock)(), Some(identity.username.clone()), action);
        batch.urgent();
        remove_api_tokens(&mut batch, std::slice::from_ref(&token));
        let event = submit::event(action, identity, caller)
            .on(token.username.to_string())
            .detail(token.label.as_str());
        self.commit(batch, event).await?;
        Ok(Outcome::Done)
    }

    /// Has the days of last use written that have changed. With the writer's lock held.
    pub(crate) fn put_used_tokens(&self, batch: &mut Batch) -> usize {
        let unsaved = self.people().api_tokens.take_unsaved();
        for token in &unsaved {
            if let Err(error) = batch.put(API_TOKENS, token.id.to_string(), token) {
                tracing::warn!(error = %chain(&error), "the last use of a token is not kept");
            }
        }
        unsaved.len()
    }
}

pub(crate) fn remove_api_tokens(batch: &mut Batch, tokens: &[ApiToken]) {
    for token in tokens {
        batch.remove(API_TOKENS, token.id.to_string());
    }
}

fn view(token: &ApiToken) -> ApiTokenView {
    ApiTokenView {
        id: token.id.to_string(),
        username: token.username.clone(),
        label: token.label.clone(),
        scopes: token.scopes.clone(),
        created_at: token.created_at,
        expires_at: token.expires_at,
        last_used: token.last_used,
    }
}

/// For the audit: what it is for, and what it is good for.
fn described(token: &ApiToken) -> String {
    let scopes: Vec<String> = token.scopes.iter().map(ToString::to_string).collect();
    format!("{}: {}", token.label.as_str(), scopes.join(" "))
}

fn too_many() -> Problem {
    Problem::conflict(
        "too_many",
        "You have too many tokens",
        format!(
            "You have {}. Remove one that is no longer in use.",
            ApiTokenTable::MAX_PER_ACCOUNT
        ),
    )
}
