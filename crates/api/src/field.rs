//! Fields of requests, read from their schemas, so that tests of bad input are made from what is served.

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::{Map, Value};

/// How deep objects lie in objects: the config has four levels.
const MAX_DEPTH: usize = 6;

/// One field of a body, or one query parameter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    /// Its name; dots join nested ones, and an item of a list is its number: `dns.records.0.name`.
    pub name: String,
    /// What it holds.
    pub kind: Kind,
    /// Whether a request without it is refused (within the object it is in).
    pub required: bool,
}

/// What a field holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A text with a form of its own.
    Text,
    /// Bytes as text, which only the core can tell anything of.
    Bytes,
    /// A text that must never be repeated.
    Secret,
    /// One of a few words.
    Choice,
    /// A whole number.
    Number,
    /// `true` or `false`.
    Boolean,
    /// A list.
    List,
    /// An object.
    Object,
}

/// A generator whose references lead to where OpenAPI keeps schemas.
pub(crate) fn generator() -> SchemaGenerator {
    SchemaSettings::draft2020_12()
        .with(|settings| {
            settings.definitions_path = "/components/schemas".into();
            settings.meta_schema = None;
        })
        .into_generator()
}

/// Every field of a schema, the outer before the inner.
pub(crate) fn fields(schema: &Schema, definitions: &Map<String, Value>) -> Vec<Field> {
    let mut found = Vec::new();
    collect(schema.as_value(), definitions, "", MAX_DEPTH, &mut found);
    found
}

fn collect(
    schema: &Value,
    definitions: &Map<String, Value>,
    prefix: &str,
    depth: usize,
    found: &mut Vec<Field>,
) {
    if depth == 0 {
        return;
    }
    let schema = resolved(schema, definitions);
    let required = |name: &str| {
        schema["required"]
            .as_array()
            .is_some_and(|names| names.iter().any(|other| other == name))
    };
    for (name, inner) in schema["properties"].as_object().into_iter().flatten() {
        let name = format!("{prefix}{name}");
        if found.iter().any(|field| field.name == name) {
            continue;
        }
        let resolved = resolved(inner, definitions);
        let secret = inner["writeOnly"] == true || resolved["writeOnly"] == true;
        let kind = if secret { Kind::Secret } else { kind(resolved) };
        found.push(Field {
            required: required(&name[prefix.len()..]),
            kind,
            name: name.clone(),
        });
        collect(resolved, definitions, &format!("{name}."), depth - 1, found);
        if kind == Kind::List {
            collect(
                &resolved["items"],
                definitions,
                &format!("{name}.0."),
                depth - 1,
                found,
            );
        }
    }
    // Variants of an object: each adds its own fields.
    for variant in schema["oneOf"].as_array().into_iter().flatten() {
        collect(variant, definitions, prefix, depth - 1, found);
    }
}

/// Where a list stands in for an object of this type; the path is joined by dots.
pub(crate) fn list_for_object<T: JsonSchema>(value: &Value) -> Option<String> {
    let mut generator = generator();
    let schema = generator.subschema_for::<T>();
    let definitions = generator.take_definitions(true);
    misplaced(schema.as_value(), &definitions, value).map(|mut path| {
        path.reverse();
        path.join(".")
    })
}

/// The steps that lead there, the last one first.
fn misplaced(
    schema: &Value,
    definitions: &Map<String, Value>,
    value: &Value,
) -> Option<Vec<String>> {
    let schema = resolved(schema, definitions);
    let within = |step: String, schema: &Value, value: &Value| {
        let mut path = misplaced(schema, definitions, value)?;
        path.push(step);
        Some(path)
    };
    match value {
        Value::Array(_) if kind(schema) == Kind::Object => Some(Vec::new()),
        Value::Array(items) => items
            .iter()
            .enumerate()
            .find_map(|(at, item)| within(at.to_string(), &schema["items"], item)),
        Value::Object(map) => {
            let variants = schema["oneOf"].as_array().into_iter().flatten();
            let mut shapes = std::iter::once(schema).chain(variants);
            shapes.find_map(|shape| {
                map.iter().find_map(|(name, value)| {
                    within(name.clone(), shape["properties"].get(name)?, value)
                })
            })
        }
        _ => None,
    }
}

/// The schema behind references and "this or null".
fn resolved<'a>(schema: &'a Value, definitions: &'a Map<String, Value>) -> &'a Value {
    if let Some(name) = schema["$ref"].as_str() {
        let name = name.rsplit('/').next().unwrap_or_default();
        return definitions
            .get(name)
            .map_or(schema, |inner| resolved(inner, definitions));
    }
    let alternatives = schema["anyOf"].as_array().into_iter().flatten();
    alternatives
        .filter(|one| one["type"] != "null")
        .map(|one| resolved(one, definitions))
        .next()
        .unwrap_or(schema)
}

fn kind(schema: &Value) -> Kind {
    let is = |word: &str| match &schema["type"] {
        Value::String(only) => only == word,
        Value::Array(several) => several.iter().any(|one| one == word),
        _ => false,
    };
    let words = |list: &Value| {
        list.as_array()
            .is_some_and(|all| all.iter().all(|one| one["type"] == "string"))
    };
    if schema["enum"].is_array() || schema.get("const").is_some() || words(&schema["oneOf"]) {
        Kind::Choice
    } else if schema["contentEncoding"].is_string() {
        Kind::Bytes
    } else if is("string") {
        Kind::Text
    } else if is("integer") || is("number") {
        Kind::Number
    } else if is("boolean") {
        Kind::Boolean
    } else if is("array") {
        Kind::List
    } else {
        Kind::Object
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cell_control::action::AccountForm;
    use cell_control::change::{PeerForm, SettingsUpdate};

    fn of<T: JsonSchema>() -> Vec<(String, Kind, bool)> {
        let mut generator = generator();
        let schema = generator.subschema_for::<T>();
        let definitions = generator.take_definitions(true);
        let fields = fields(&schema, &definitions);
        fields
            .into_iter()
            .map(|field| (field.name, field.kind, field.required))
            .collect()
    }

    fn row(name: &str, kind: Kind, required: bool) -> (String, Kind, bool) {
        (name.to_owned(), kind, required)
    }

    #[test]
    fn form_of_an_account_has_a_secret_and_a_choice() {
        let mut fields = of::<AccountForm>();
        fields.sort_by(|a, b| a.0.cmp(&b.0));
        assert_eq!(
            fields,
            [
                row("access_until", Kind::Text, false),
                row("password", Kind::Secret, true),
                row("role", Kind::Choice, true),
                row("username", Kind::Text, true),
            ]
        );
    }

    #[test]
    fn optional_fields_are_known_as_such() {
        let fields = of::<PeerForm>();
        assert!(fields.contains(&row("name", Kind::Text, true)));
        assert!(fields.contains(&row("full_tunnel", Kind::Boolean, false)));
        assert!(fields.contains(&row("services", Kind::List, false)));
        assert!(fields.contains(&row("public_key", Kind::Text, false)));
    }

    #[test]
    fn nested_fields_and_variants_are_found() {
        let fields = of::<SettingsUpdate>();
        for expected in [
            row("revision", Kind::Number, false),
            row("cell", Kind::Object, false),
            row("cell.name", Kind::Text, true),
            row("domain.mode", Kind::Choice, true),
            row("network.wan.addressing", Kind::Object, false),
            row("network.wan.addressing.address", Kind::Text, true),
            row("dns.upstreams.0.port", Kind::Number, false),
            row("dns.records.0.name", Kind::Text, true),
            row("dns.records.0.type", Kind::Choice, true),
        ] {
            assert!(
                fields.contains(&expected),
                "{expected:?} is not in {fields:#?}"
            );
        }
    }
}
