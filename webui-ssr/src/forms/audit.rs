//! What to look for in the audit.

use cell_control::query::{Audit, Range};

use super::Draft;
use super::field::Field;

/// Fields of the filter.
pub(crate) const FILTER: &[Field] = &[
    Field::text("actor", "Who")
        .hint("The name of an account.")
        .optional(),
    Field::text("action", "What")
        .hint("The start of an action, such as peer or auth.login.")
        .optional(),
    Field::text("object", "To what")
        .hint("The name of a device, an account or another cell.")
        .optional(),
    Field::hidden("cursor"),
];

/// Reads the filter.
pub(crate) fn parse(draft: &mut Draft) -> Option<Audit> {
    let actor = draft.maybe("actor");
    let action = draft.maybe_with("action", |text| {
        let word = text
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || b"._".contains(&byte));
        if word && text.len() <= 64 {
            Ok(text.to_owned())
        } else {
            Err("may only contain small letters, dots and underscores".to_owned())
        }
    });
    let object = draft.maybe_with("object", |text| Ok(text.to_owned()));
    let cursor = draft.maybe_with("cursor", |text| Ok(text.to_owned()));
    let query = Audit {
        range: Range {
            cursor: cursor?,
            ..Range::default()
        },
        actor: actor?,
        action: action?,
        object: object?,
    };
    draft.accept(Some(query))
}

#[cfg(test)]
mod tests {
    use super::*;
    use cell_gate::form::Form;

    #[test]
    fn empty_filter_asks_for_everything() {
        let mut draft = Draft::read(FILTER, &Form::parse(b"actor=&action=").unwrap());
        let query = parse(&mut draft).unwrap();
        assert!(query.actor.is_none() && query.action.is_none() && query.range.cursor.is_none());
    }

    #[test]
    fn wrong_filter_is_named() {
        let mut draft = Draft::read(FILTER, &Form::parse(b"actor=a+b&action=Peer").unwrap());
        assert!(parse(&mut draft).is_none());
        assert!(draft.error("actor").is_some() && draft.error("action").is_some());
    }
}
