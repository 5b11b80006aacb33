//! What a source is, as people compare it with what its publisher says.

use cell_model::config::{PublisherKeys, Purpose, SourceConfig};
use cell_model::signer::SignerKey;
use cell_model::url::SourceUrl;
use cell_signed::PublicKey;
use maud::{Markup, html};

use crate::parts::text::facts;

/// Where it is, and who vouches for the server if it is on one.
pub(super) fn place(source: &SourceConfig) -> Vec<(&'static str, Markup)> {
    let mut pairs = vec![("Address", html! { span.value { (source.url) } })];
    if let SourceUrl::Https(_) = source.url {
        let authorities = match &source.authorities {
            None => "The public authorities",
            Some(_) => "The public authorities, and those that were given for it",
        };
        pairs.push(("Who vouches for the server", html! { (authorities) }));
    }
    pairs
}

/// How many of the keys must agree, and each of them.
pub(super) fn keys(keys: &PublisherKeys) -> Markup {
    let made_for = match keys.purpose {
        Purpose::Release => "everybody's boxes",
        Purpose::Development => "whoever builds for themselves",
    };
    let names: Vec<String> = (1..=keys.keys.len())
        .map(|at| format!("Key {at}"))
        .collect();
    let names = names.iter().map(String::as_str);
    let pairs: Vec<(&str, Markup)> = names.zip(keys.keys.iter().map(key)).collect();
    html! {
        p {
            (keys.threshold) " of these " (keys.keys.len()) " must have signed what is taken. "
            "It is list " (keys.version) " of the publisher, for " (made_for) "."
        }
        (facts(&pairs))
    }
}

fn key(key: &SignerKey) -> Markup {
    let fingerprint = fingerprint(key);
    html! {
        "Fingerprint " strong.value { (fingerprint) }
        br;
        span.value.quiet { (key.as_str()) }
    }
}

/// What signatures name the key by, in groups that can be read out.
fn fingerprint(key: &SignerKey) -> String {
    let id = key.as_str().parse::<PublicKey>().map(|key| key.id());
    let id = id.unwrap_or_default();
    let groups: Vec<&str> = (0..id.len())
        .step_by(4)
        .filter_map(|at| id.get(at..at + 4))
        .collect();
    groups.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fingerprint_is_what_signatures_name_the_key_by() {
        let text = "1f".repeat(32);
        let id = text.parse::<PublicKey>().unwrap().id();
        let shown = fingerprint(&text.parse().unwrap());
        assert_eq!((shown.len(), shown.replace(' ', "")), (19, id));
    }
}
