//! Fields of forms as data: what a page draws, what an error names and what tests feed bad input to.

/// One field of a form.
#[derive(Debug, Clone, Copy)]
pub struct Field<'a> {
    /// Its name in the request.
    pub name: &'a str,
    /// What it is called on the page.
    pub label: &'a str,
    /// What to know before typing; empty when nothing is.
    pub hint: &'a str,
    /// What it takes.
    pub kind: Kind<'a>,
    /// Whether it may stay empty.
    pub optional: bool,
}

/// One of a closed set of values, with what it is called.
pub type Choice<'a> = (&'a str, &'a str);

/// What a field takes.
#[derive(Debug, Clone, Copy)]
pub enum Kind<'a> {
    /// One line of text; how browsers may fill it in (HTML `autocomplete`).
    Text(&'a str),
    /// A whole number.
    Number,
    /// A password; `current-password` or `new-password`. Never sent back to the browser.
    Password(&'a str),
    /// Several lines of text.
    Lines,
    /// The same, with keys in them. Never sent back to the browser.
    SecretLines,
    /// A box to tick; sends `yes`.
    Flag,
    /// Boxes to tick that share a name.
    Boxes(&'a [Choice<'a>]),
    /// One of several.
    One(&'a [Choice<'a>]),
    /// One of several, each called what it is.
    Word(&'a [String]),
    /// Date and time in the cell's time zone.
    Moment,
    /// A time zone, with the known ones proposed.
    TimeZone,
    /// Carried along, not seen.
    Hidden,
}

impl<'a> Field<'a> {
    pub(crate) const fn new(name: &'a str, label: &'a str, kind: Kind<'a>) -> Self {
        Self {
            name,
            label,
            hint: "",
            kind,
            optional: false,
        }
    }

    pub(crate) const fn text(name: &'a str, label: &'a str) -> Self {
        Self::new(name, label, Kind::Text("off"))
    }

    pub(crate) const fn username(name: &'a str, label: &'a str) -> Self {
        Self::new(name, label, Kind::Text("username"))
    }

    pub(crate) const fn password(name: &'a str, label: &'a str) -> Self {
        Self::new(name, label, Kind::Password("current-password"))
    }

    pub(crate) const fn new_password(name: &'a str, label: &'a str) -> Self {
        Self::new(name, label, Kind::Password("new-password")).hint(
            "At least 10 characters. A few unrelated words are easy to remember and hard to guess.",
        )
    }

    pub(crate) const fn lines(name: &'a str, label: &'a str) -> Self {
        Self::new(name, label, Kind::Lines)
    }

    pub(crate) const fn flag(name: &'a str, label: &'a str) -> Self {
        Self::new(name, label, Kind::Flag).optional()
    }

    pub(crate) const fn boxes(name: &'a str, label: &'a str, choices: &'a [Choice<'a>]) -> Self {
        Self::new(name, label, Kind::Boxes(choices)).optional()
    }

    pub(crate) const fn one(name: &'a str, label: &'a str, choices: &'a [Choice<'a>]) -> Self {
        Self::new(name, label, Kind::One(choices))
    }

    pub(crate) const fn moment(name: &'a str, label: &'a str) -> Self {
        Self::new(name, label, Kind::Moment)
    }

    pub(crate) const fn time_zone(name: &'a str, label: &'a str) -> Self {
        Self::new(name, label, Kind::TimeZone)
    }

    pub(crate) const fn hidden(name: &'a str) -> Self {
        Self::new(name, name, Kind::Hidden).optional()
    }

    pub(crate) const fn hint(self, hint: &'a str) -> Self {
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
