//! A device's way out: which one it is, and what happens while that leads nowhere.

use cell_control::connection::ConnectionView;
use cell_control::view::PeerView;
use uuid::Uuid;

use super::Draft;
use super::exit::kind_name;
use super::field::{Choice, Field, Kind};

/// What a device leaves by that has no way out of its own.
const UPLINK: Choice = ("", "The box's own connection");

const FAILOPENS: &[Choice] = &[
    ("usual", "As usual: nothing of it leaves"),
    (
        "yes",
        "It may use the box's own connection until its way leads out again",
    ),
    ("no", "Nothing of it leaves, whatever is usual"),
];

/// Its way out. The ways there are become choices once a form is made.
pub(super) const EXIT: Field = Field::one("exit_connection_id", "Way out", &[UPLINK])
    .hint("With a way of its own it leaves by that, or not at all.")
    .optional();

/// What happens while that leads nowhere.
pub(super) const FAILOPEN: Field = Field::one(
    "failopen",
    "While its way out leads nowhere or is off",
    FAILOPENS,
)
.hint("Counts for a device that has a way of its own. What leaves by the box's own connection is not hidden by any way.");

/// The ways out that a device can be given, as choices.
pub(crate) struct Ways(Vec<(String, String)>);

impl Ways {
    /// Those that there are.
    pub(crate) fn of(connections: &[ConnectionView]) -> Self {
        let choice = |connection: &ConnectionView| {
            let label = format!("{} ({})", connection.name, kind_name(&connection.way));
            (connection.id.to_string(), label)
        };
        Self(connections.iter().map(choice).collect())
    }

    /// Them, and the box's own connection before them.
    pub(crate) fn choices(&self) -> Vec<Choice<'_>> {
        let ways = self.0.iter();
        let ways = ways.map(|(id, label)| (id.as_str(), label.as_str()));
        [UPLINK].into_iter().chain(ways).collect()
    }
}

/// The fields of a device's form with these choices. Where there is no way to choose, nothing is asked, and what is so is
/// carried along.
pub(crate) fn with_choices<'a>(
    fields: &'static [Field<'static>],
    choices: &'a [Choice<'a>],
) -> Vec<Field<'a>> {
    let is_asked = choices.len() > 1;
    let field = |field: &Field<'static>| {
        let kind = match field.name {
            name if name == EXIT.name && is_asked => Kind::One(choices),
            name if [EXIT.name, FAILOPEN.name].contains(&name) && !is_asked => Kind::Hidden,
            _ => field.kind,
        };
        Field { kind, ..*field }
    };
    fields.iter().map(field).collect()
}

/// The form as it is with a device now.
pub(super) fn propose<'a>(draft: Draft<'a>, peer: &PeerView) -> Draft<'a> {
    let id = peer.exit_connection_id.as_ref().map(Uuid::to_string);
    let failopen = match peer.failopen {
        None => "usual",
        Some(true) => "yes",
        Some(false) => "no",
    };
    draft
        .propose(EXIT.name, id.unwrap_or_default())
        .propose(FAILOPEN.name, failopen)
}

/// Reads which way it is; `Some(None)`: none of its own.
pub(super) fn exit(draft: &mut Draft) -> Option<Option<Uuid>> {
    draft.maybe_with(EXIT.name, |text| {
        text.parse()
            .map_err(|_| "must be one of those shown".to_owned())
    })
}

/// Reads what happens while that leads nowhere; `Some(None)`: what is usual.
pub(super) fn failopen(draft: &mut Draft) -> Option<Option<bool>> {
    draft.require_with(FAILOPEN.name, |text| match text {
        "usual" => Ok(None),
        "yes" => Ok(Some(true)),
        "no" => Ok(Some(false)),
        _ => Err("must be one of those shown".to_owned()),
    })
}
