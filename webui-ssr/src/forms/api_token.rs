//! A new token of the interface.

use cell_control::action::Action;
use cell_control::api_token::ApiTokenForm;
use cell_model::scope::Scope;

use super::Draft;
use super::field::{Choice, Field};
use crate::clock::Clock;

/// What a token may be good for, with what that is.
const SCOPES: &[Choice] = &[
    ("status:read", "See how everything is"),
    ("status:write", "Restart and test parts"),
    ("config:read", "Read settings and revisions"),
    ("config:write", "Change settings"),
    ("peers:read", "See devices"),
    ("peers:write", "Add, change and remove devices"),
    ("services:read", "See services"),
    ("services:write", "Install, change and remove services"),
    ("cells:read", "See links to other cells"),
    ("cells:write", "Change and end links to other cells"),
    ("connectivity:read", "Look at ways out to the internet"),
    (
        "connectivity:write",
        "Add, change and remove ways out to the internet",
    ),
    ("mail:read", "See addresses and settings of mail"),
    ("mail:write", "Change addresses and keys of mail"),
    ("firmware:read", "See versions of the system"),
    ("firmware:write", "Look for versions, restart the box"),
    ("logs:read", "Read logs"),
    ("logs:write", "Change how much is logged"),
    ("audit:read", "Read the audit"),
    ("people:read", "See people and app passwords"),
    ("people:write", "Take app passwords and invites away"),
];

/// Fields of a new token.
pub(crate) const NEW: &[Field] = &[
    Field::text("label", "What it is for")
        .hint("So that you know it again in the list, such as \"Backup script\"."),
    Field::boxes("scopes", "What it is good for", SCOPES)
        .hint("As far as your own role reaches. It can never do what a password is asked for."),
    Field::moment("expires_at", "It ends")
        .hint("In the time zone of the cell. Leave it empty for a token without an end.")
        .optional(),
];

/// What a scope lets a program do, in words.
pub(crate) fn spoken(scope: Scope) -> String {
    let word = scope.to_string();
    let known = SCOPES.iter().find(|(known, _)| *known == word);
    known.map_or(word, |(_, words)| (*words).to_owned())
}

/// Reads a new token.
pub(crate) fn parse(draft: &mut Draft, clock: &Clock) -> Option<Action> {
    let label = draft.require("label");
    let scopes: Option<_> = draft
        .all("scopes")
        .map(|word| word.parse::<Scope>().ok())
        .collect();
    if scopes.is_none() {
        draft.note("scopes", "must be some of those shown");
    }
    let expires_at = draft.maybe_with("expires_at", |text| {
        clock
            .parse_local(text)
            .ok_or_else(|| "must be a date and time, such as 2027-01-31T18:00".to_owned())
    });
    let form = ApiTokenForm {
        label: label?,
        scopes: scopes?,
        expires_at: expires_at?,
    };
    draft.accept(Some(Action::AddApiToken(form)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use cell_gate::form::Form;

    #[test]
    fn every_choice_is_a_scope_and_each_scope_is_one_or_does_nothing() {
        for (word, _) in SCOPES {
            assert!(word.parse::<Scope>().is_ok(), "{word}");
        }
        let missing: Vec<String> = Scope::all()
            .map(|scope| scope.to_string())
            .filter(|word| !SCOPES.iter().any(|(known, _)| known == word))
            .collect();
        // Nothing about the audit can be changed.
        assert_eq!(missing, ["audit:write"]);
    }

    #[test]
    fn token_is_read_as_ticked() {
        let body = b"label=backup&scopes=peers:read&scopes=config:read&expires_at=";
        let mut draft = Draft::read(NEW, &Form::parse(body).unwrap());
        let Some(Action::AddApiToken(form)) = parse(&mut draft, &Clock::now(None)) else {
            panic!("it is complete");
        };
        assert_eq!((form.scopes.len(), form.expires_at), (2, None));
        let body = b"label=backup&scopes=peers:all";
        let mut draft = Draft::read(NEW, &Form::parse(body).unwrap());
        assert!(parse(&mut draft, &Clock::now(None)).is_none());
        assert!(draft.error("scopes").is_some());
    }
}
