//! What a service asks. Its manifest has the questions, so the fields are made for each form; they are named as the core
//! names them, so its errors find them.

use std::collections::BTreeMap;

use cell_control::view::{SettingKindView, SettingView};
use cell_model::config::SettingValue;
use cell_model::name::SettingKey;

use super::field::{Field, Kind};
use super::{Draft, REVIEWED};

/// Answers as the core takes them: `None` for the one of the manifest.
pub(crate) type Answers = BTreeMap<SettingKey, Option<SettingValue>>;

/// The form that opens a service to the internet: nothing but that it was reviewed.
pub(crate) const OPEN: &[Field<'static>] = &[REVIEWED];

/// The questions of a service, in words for its form.
pub(crate) struct Questions<'a>(Vec<Question<'a>>);

struct Question<'a> {
    setting: &'a SettingView,
    name: String,
    hint: String,
}

impl<'a> Questions<'a> {
    /// Those of the manifest that a form can ask.
    pub(crate) fn of(settings: &'a [SettingView]) -> Self {
        let asked = settings
            .iter()
            .filter(|setting| setting.kind != SettingKindView::Secret);
        let question = |setting: &'a SettingView| Question {
            setting,
            name: name(setting),
            hint: hint(setting),
        };
        Self(asked.map(question).collect())
    }

    /// Their fields.
    pub(crate) fn fields(&self) -> Vec<Field<'_>> {
        self.0.iter().map(Question::field).collect()
    }

    /// The form with the answers in force.
    pub(crate) fn draft<'b>(&self, fields: &'b [Field<'b>]) -> Draft<'b> {
        let asked = self.0.iter();
        asked.fold(Draft::new(fields, []), |draft, question| {
            draft.propose(&question.name, typed(question.setting.value.as_ref()))
        })
    }

    /// Reads the answers. Who gives that of the manifest goes with it when a later one has another.
    pub(crate) fn parse(&self, draft: &mut Draft<'_>) -> Option<Answers> {
        let mut answers = Answers::new();
        for question in &self.0 {
            let setting = question.setting;
            if let Some(answer) = question.parse(draft) {
                let answer = (setting.default.as_ref() != Some(&answer)).then_some(answer);
                answers.insert(setting.key.clone(), answer);
            }
        }
        draft.accept(Some(answers))
    }
}

impl Question<'_> {
    fn field(&self) -> Field<'_> {
        let setting = self.setting;
        let kind = match &setting.kind {
            SettingKindView::Text { .. } | SettingKindView::Secret => Kind::Text("off"),
            SettingKindView::Number { .. } => Kind::Number,
            SettingKindView::Switch => Kind::Flag,
            SettingKindView::Choice { choices } => Kind::Word(choices),
        };
        let field = Field::new(&self.name, &setting.label, kind).hint(&self.hint);
        // Nothing is an answer where it is one already, or where it came so.
        let empty = Some(SettingValue::Text(String::new()));
        match setting.value == empty || setting.default == empty {
            true => field.optional(),
            false => field,
        }
    }

    fn parse(&self, draft: &mut Draft<'_>) -> Option<SettingValue> {
        let name = self.name.as_str();
        match &self.setting.kind {
            SettingKindView::Text { max } => {
                let text = draft.typed(name).trim().to_owned();
                if text.chars().count() > *max as usize {
                    draft.note(name, format!("must have at most {max} characters"));
                    return None;
                }
                Some(SettingValue::Text(text))
            }
            &SettingKindView::Number { min, max } => {
                let number = draft.require_with(name, |text| {
                    let number = text.parse::<u32>().ok();
                    let number = number.filter(|number| (min..=max).contains(number));
                    number.ok_or_else(|| format!("must be a whole number from {min} to {max}"))
                });
                number.map(SettingValue::Number)
            }
            SettingKindView::Switch => draft.flag(name).map(SettingValue::Switch),
            SettingKindView::Choice { choices } => {
                let choice = draft.require_with(name, |text| {
                    let is_one = choices.iter().any(|choice| choice == text);
                    let unknown = || "must be one of those shown".to_owned();
                    is_one.then(|| text.to_owned()).ok_or_else(unknown)
                });
                choice.map(SettingValue::Text)
            }
            SettingKindView::Secret => None,
        }
    }
}

fn name(setting: &SettingView) -> String {
    format!("answers.{}", setting.key)
}

/// What helps to answer, and how it came.
fn hint(setting: &SettingView) -> String {
    let mut words: Vec<String> = setting.help.iter().cloned().collect();
    if let SettingKindView::Number { min, max } = setting.kind {
        words.push(format!("From {min} to {max}."));
    }
    words.extend(setting.default.as_ref().map(|default| match default {
        SettingValue::Text(text) if text.is_empty() => "As it came: empty.".to_owned(),
        default => format!("As it came: {}.", spoken(default)),
    }));
    words.join(" ")
}

/// A value as people read it.
pub(crate) fn spoken(value: &SettingValue) -> String {
    match value {
        SettingValue::Switch(true) => "on".to_owned(),
        SettingValue::Switch(false) => "off".to_owned(),
        other => other.to_string(),
    }
}

/// A value as a form sends it.
fn typed(value: Option<&SettingValue>) -> String {
    match value {
        Some(SettingValue::Switch(true)) => "yes".to_owned(),
        Some(SettingValue::Switch(false)) | None => String::new(),
        Some(other) => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cell_gate::form::Form;

    fn setting(key: &str, kind: SettingKindView, default: SettingValue) -> SettingView {
        SettingView {
            key: key.parse().unwrap(),
            label: key.to_owned(),
            help: None,
            kind,
            value: Some(default.clone()),
            is_default: true,
            default: Some(default),
        }
    }

    fn settings() -> Vec<SettingView> {
        let text = |text: &str| SettingValue::Text(text.to_owned());
        let choices = vec!["small".to_owned(), "very large".to_owned()];
        vec![
            setting("greeting", SettingKindView::Text { max: 9 }, text("hello")),
            setting(
                "space",
                SettingKindView::Number { min: 1, max: 9 },
                SettingValue::Number(3),
            ),
            setting(
                "shared",
                SettingKindView::Switch,
                SettingValue::Switch(true),
            ),
            setting("size", SettingKindView::Choice { choices }, text("small")),
        ]
    }

    /// The answers that a body gives, or the fields that are wrong.
    fn read(body: &str) -> Result<Answers, Vec<String>> {
        let settings = settings();
        let questions = Questions::of(&settings);
        let fields = questions.fields();
        let mut draft = Draft::read(&fields, &Form::parse(body.as_bytes()).unwrap());
        questions.parse(&mut draft).ok_or_else(|| {
            let wrong = draft.errors().iter();
            wrong.map(|error| error.field.clone()).collect()
        })
    }

    #[test]
    fn form_shows_what_is_in_force_and_what_it_sends_back_changes_nothing() {
        let settings = settings();
        let questions = Questions::of(&settings);
        let fields = questions.fields();
        let draft = questions.draft(&fields);
        let pairs = fields
            .iter()
            .map(|field| format!("{}={}", field.name, draft.typed(field.name)));
        let body = pairs.collect::<Vec<_>>().join("&").replace(' ', "+");
        assert_eq!(
            body,
            "answers.greeting=hello&answers.space=3&answers.shared=yes&answers.size=small"
        );
        // All of them are the manifest's, and stay that.
        assert!(read(&body).unwrap().values().all(Option::is_none));
        assert_eq!(fields[1].hint, "From 1 to 9. As it came: 3.");
        assert_eq!(fields[2].hint, "As it came: on.");
    }

    #[test]
    fn each_kind_of_answer_is_read() {
        let body = "answers.greeting=&answers.space=+9+&answers.size=very+large";
        let answers = read(body).unwrap();
        let of = |key: &str| answers[&key.parse::<SettingKey>().unwrap()].clone();
        assert_eq!(of("greeting"), Some(SettingValue::Text(String::new())));
        assert_eq!(of("space"), Some(SettingValue::Number(9)));
        assert_eq!(of("shared"), Some(SettingValue::Switch(false)));
        assert_eq!(
            of("size"),
            Some(SettingValue::Text("very large".to_owned()))
        );
    }

    #[test]
    fn all_that_is_wrong_is_said_at_once_at_its_fields() {
        let body = "answers.greeting=0123456789&answers.space=10&answers.shared=perhaps&answers.size=huge&answers.other=1";
        let wrong = [
            "answers.other",
            "answers.greeting",
            "answers.space",
            "answers.shared",
            "answers.size",
        ];
        assert_eq!(read(body).unwrap_err(), wrong);
        assert_eq!(
            read("").unwrap_err(),
            ["answers.space", "answers.size"],
            "what must not be left out"
        );
    }
}
