//! Which sources of services the settings may have.

use cell_model::config::{ServicesSettings, SourceConfig};
use cell_model::endpoint::Host;
use cell_model::problem::Problem;
use cell_model::url::SourceUrl;
use cell_signed::KeyList;

/// Refuses sources that nobody could fetch from, or trust.
pub(super) fn check_sources(services: &ServicesSettings) -> Result<(), Problem> {
    if services.sources.len() > ServicesSettings::MAX_SOURCES {
        let limit = ServicesSettings::MAX_SOURCES;
        return Err(Problem::field(
            "services.sources",
            format!("must have at most {limit} entries"),
        ));
    }
    for (name, source) in &services.sources {
        let SourceConfig {
            url,
            authorities,
            keys,
        } = source;
        let field = |field: &str| format!("services.sources.{name}.{field}");
        if let SourceUrl::Https(url) = url
            && let Host::Address(address) = url.host()
            && (address.is_loopback() || address.is_unspecified() || address.is_multicast())
        {
            return Err(Problem::field(field("url"), "must be that of another host"));
        }
        if authorities.is_some() && matches!(url, SourceUrl::Stick(_)) {
            let message =
                "must be empty: no server has to prove who it is where the source is on a stick";
            return Err(Problem::field(field("authorities"), message));
        }
        if let Some(authorities) = authorities {
            cell_fetch::check_authorities(authorities.as_str())
                .map_err(|error| Problem::field(field("authorities"), error))?;
        }
        KeyList::given(keys).map_err(|_| {
            Problem::field(
                field("keys"),
                "must be 2 to 16 different keys, at least two of which must have signed (threshold)",
            )
        })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn check(sources: Value) -> Result<(), Problem> {
        let settings = json!({ "network": "172.20.0.0/16", "sources": sources });
        check_sources(&serde_json::from_value(settings).unwrap())
    }

    fn source(url: &str, threshold: usize, keys: &[&str]) -> Value {
        let keys: Vec<String> = keys.iter().map(|key| key.repeat(32)).collect();
        json!({ "url": url, "keys": { "threshold": threshold, "keys": keys } })
    }

    const URL: &str = "https://store.example.org/cell";

    #[test]
    fn source_has_keys_of_which_two_must_sign() {
        check(json!({ "friends": source(URL, 2, &["01", "02", "03"]) })).unwrap();
        for (threshold, keys) in [
            (1, &["01", "02"][..]),
            (3, &["01", "02"]),
            (2, &["01", "01"]),
            (2, &["01"]),
            (0, &[]),
        ] {
            let refused = check(json!({ "friends": source(URL, threshold, keys) })).unwrap_err();
            assert_eq!(refused.errors[0].field, "services.sources.friends.keys");
        }
    }

    #[test]
    fn source_on_a_stick_needs_no_authorities_and_may_have_none() {
        let mut named = source("usb:services", 2, &["01", "02"]);
        check(json!({ "friends": named })).unwrap();
        named["authorities"] = json!(concat!(
            "-----BEGIN CERTIFICATE-----\n",
            "MAA=\n",
            "-----END CERTIFICATE-----\n"
        ));
        let refused = check(json!({ "friends": named })).unwrap_err();
        assert_eq!(
            refused.errors[0].field,
            "services.sources.friends.authorities"
        );
    }

    #[test]
    fn source_is_another_host_and_there_are_not_too_many() {
        for url in [
            "https://127.0.0.1/",
            "https://[::1]/",
            "https://0.0.0.0/",
            "https://224.0.0.1/",
        ] {
            let refused = check(json!({ "friends": source(url, 2, &["01", "02"]) })).unwrap_err();
            assert_eq!(refused.errors[0].field, "services.sources.friends.url");
        }
        let many = |count: usize| {
            let sources = (0..count).map(|at| (format!("s{at}"), source(URL, 2, &["01", "02"])));
            Value::Object(sources.collect())
        };
        check(many(ServicesSettings::MAX_SOURCES)).unwrap();
        assert!(check(many(ServicesSettings::MAX_SOURCES + 1)).is_err());
        let mut named = source(URL, 2, &["01", "02"]);
        named["authorities"] =
            json!("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
        assert!(check(json!({ "friends": named })).is_err());
    }
}
