//! Fields of forms as data: what a page draws, what an error names and what tests feed bad input to.

/// One field of a form.
#[derive(Debug, Clone, Copy)]
pub struct Field {
    /// Its name in the request.
    pub name: &'static str,
    /// What it is called on the page.
    pub label: &'static str,
    /// What to know before typing; empty when nothing is.
    pub hint: &'static str,
    /// What it takes.
    pub kind: Kind,
    /// Whether it may stay empty.
    pub optional: bool,
}

/// One of a closed set of values, with what it is called.
pub type Choice = (&'static str, &'static str);

/// What a field takes.
#[derive(Debug, Clone, Copy)]
pub enum Kind {
    /// One line of text; how browsers may fill it in (HTML `autocomplete`).
    Text(&'static str),
    /// A password; `current-password` or `new-password`. Never sent back to the browser.
    Password(&'static str),
    /// Several lines of text.
    Lines,
    /// A box to tick; sends `yes`.
    Flag,
    /// Boxes to tick that share a name.
    Boxes(&'static [Choice]),
    /// One of several.
    One(&'static [Choice]),
    /// Date and time in the cell's time zone.
    Moment,
    /// A time zone, with the known ones proposed.
    TimeZone,
    /// Carried along, not seen.
    Hidden,
}

impl Field {
    const fn new(name: &'static str, label: &'static str, kind: Kind) -> Self {
        Self {
            name,
            label,
            hint: "",
            kind,
            optional: false,
        }
    }

    pub(crate) const fn text(name: &'static str, label: &'static str) -> Self {
        Self::new(name, label, Kind::Text("off"))
    }

    pub(crate) const fn username(name: &'static str, label: &'static str) -> Self {
        Self::new(name, label, Kind::Text("username"))
    }

    pub(crate) const fn password(name: &'static str, label: &'static str) -> Self {
        Self::new(name, label, Kind::Password("current-password"))
    }

    pub(crate) const fn new_password(name: &'static str, label: &'static str) -> Self {
        Self::new(name, label, Kind::Password("new-password")).hint(
            "At least 10 characters. A few unrelated words are easy to remember and hard to guess.",
        )
    }

    pub(crate) const fn lines(name: &'static str, label: &'static str) -> Self {
        Self::new(name, label, Kind::Lines)
    }

    pub(crate) const fn flag(name: &'static str, label: &'static str) -> Self {
        Self::new(name, label, Kind::Flag).optional()
    }

    pub(crate) const fn boxes(
        name: &'static str,
        label: &'static str,
        choices: &'static [Choice],
    ) -> Self {
        Self::new(name, label, Kind::Boxes(choices)).optional()
    }

    pub(crate) const fn one(
        name: &'static str,
        label: &'static str,
        choices: &'static [Choice],
    ) -> Self {
        Self::new(name, label, Kind::One(choices))
    }

    pub(crate) const fn moment(name: &'static str, label: &'static str) -> Self {
        Self::new(name, label, Kind::Moment)
    }

    pub(crate) const fn time_zone(name: &'static str, label: &'static str) -> Self {
        Self::new(name, label, Kind::TimeZone)
    }

    pub(crate) const fn hidden(name: &'static str) -> Self {
        Self::new(name, name, Kind::Hidden).optional()
    }

    pub(crate) const fn hint(self, hint: &'static str) -> Self {
        Self { hint, ..self }
    }

    pub(crate) const fn optional(self) -> Self {
        Self {
            optional: true,
            ..self
        }
    }

    /// The `id` of the element a person types into, which error summaries link to.
    pub fn id(&self) -> String {
        format!("f-{}", self.name)
    }
}
