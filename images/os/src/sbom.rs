//! What is in an image, for people and programs that look for known weaknesses: SPDX 2.3 as JSON.

use serde_json::{Value, json};

use crate::debian::{Lock, Locked};
use crate::digest;

/// A Rust crate that our programs are built from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Crate {
    /// Name on crates.io.
    pub name: String,
    /// Version.
    pub version: String,
    /// SPDX expression.
    pub license: Option<String>,
}

/// What a document is about.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Subject<'a> {
    pub(crate) name: &'a str,
    pub(crate) version: &'a str,
    /// SPDX expression of what is ours in it.
    pub(crate) license: &'a str,
    /// When it was made, an RFC 3339 time.
    pub(crate) created: &'a str,
}

/// The document for an image; the same packages give the same text. `created` is an RFC 3339 time.
pub fn spdx(board: &str, version: &str, created: &str, lock: &Lock, crates: &[Crate]) -> Value {
    let rust = crates.iter().map(|part| {
        let license = part.license.as_deref().unwrap_or("NOASSERTION");
        json!({
            "SPDXID": id("crate", &part.name, &part.version),
            "name": part.name,
            "versionInfo": part.version,
            "downloadLocation": "NOASSERTION",
            "filesAnalyzed": false,
            "licenseConcluded": license,
            "licenseDeclared": license,
            "copyrightText": "NOASSERTION",
            "externalRefs": [reference(&format!("pkg:cargo/{}@{}", part.name, part.version))],
        })
    });
    let subject = Subject {
        name: &format!("cell-{board}"),
        version,
        license: "MIT OR Apache-2.0",
        created,
    };
    document(subject, debian(&lock.packages).chain(rust).collect())
}

/// Packages of Debian.
pub(crate) fn debian<'a>(
    packages: impl IntoIterator<Item = &'a Locked>,
) -> impl Iterator<Item = Value> {
    packages.into_iter().map(|package| {
        let name = &package.name;
        let locator = format!(
            "pkg:deb/debian/{name}@{}?arch={}",
            package.version, package.architecture
        );
        fetched(id("deb", name, &package.version), package, &locator)
    })
}

/// A package of Python, as PyPI has it.
pub(crate) fn python(package: &Locked) -> Value {
    let locator = format!("pkg:pypi/{}@{}", package.name, package.version);
    fetched(
        id("pypi", &package.name, &package.version),
        package,
        &locator,
    )
}

fn fetched(id: String, package: &Locked, locator: &str) -> Value {
    json!({
        "SPDXID": id,
        "name": package.name,
        "versionInfo": package.version,
        "downloadLocation": "NOASSERTION",
        "filesAnalyzed": false,
        "licenseConcluded": "NOASSERTION",
        "licenseDeclared": "NOASSERTION",
        "copyrightText": "NOASSERTION",
        "checksums": [{"algorithm": "SHA256", "checksumValue": package.sha256}],
        "externalRefs": [reference(locator)],
    })
}

/// The document for a thing with these parts.
pub(crate) fn document(subject: Subject<'_>, parts: Vec<Value>) -> Value {
    let Subject {
        name,
        version,
        license,
        created,
    } = subject;
    let image = json!({
        "SPDXID": "SPDXRef-image",
        "name": name,
        "versionInfo": version,
        "downloadLocation": "NOASSERTION",
        "filesAnalyzed": false,
        "licenseConcluded": "NOASSERTION",
        "licenseDeclared": license,
        "copyrightText": "NOASSERTION",
    });
    let contains = parts.iter().map(|part| {
        json!({
            "spdxElementId": "SPDXRef-image",
            "relationshipType": "CONTAINS",
            "relatedSpdxElement": part["SPDXID"],
        })
    });
    let describes = json!({
        "spdxElementId": "SPDXRef-DOCUMENT",
        "relationshipType": "DESCRIBES",
        "relatedSpdxElement": "SPDXRef-image",
    });
    let relationships: Vec<Value> = std::iter::once(describes).chain(contains).collect();
    let packages: Vec<Value> = std::iter::once(image).chain(parts).collect();
    let content = digest::uuid(&json!(packages).to_string(), name);
    json!({
        "spdxVersion": "SPDX-2.3",
        "dataLicense": "CC0-1.0",
        "SPDXID": "SPDXRef-DOCUMENT",
        "name": format!("{name}-{version}"),
        "documentNamespace": format!("urn:uuid:{content}"),
        "creationInfo": {"created": created, "creators": ["Tool: cell-os"]},
        "packages": packages,
        "relationships": relationships,
    })
}

/// An identifier as SPDX allows it: letters, digits, `.` and `-`.
fn id(kind: &str, name: &str, version: &str) -> String {
    let plain: String = format!("{kind}-{name}-{version}")
        .chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() || c == '.' {
                c
            } else {
                '-'
            }
        })
        .collect();
    format!("SPDXRef-{plain}")
}

fn reference(locator: &str) -> Value {
    json!({
        "referenceCategory": "PACKAGE-MANAGER",
        "referenceType": "purl",
        "referenceLocator": locator,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_is_contained_in_the_image() {
        let lock = format!("nft 1:2+b1 amd64 {}", "a".repeat(64))
            .parse()
            .unwrap();
        let crates = [Crate {
            name: "serde".to_owned(),
            version: "1.0.0".to_owned(),
            license: Some("MIT OR Apache-2.0".to_owned()),
        }];
        let document = spdx("pc", "1.0.0", "2026-01-01T00:00:00Z", &lock, &crates);
        assert_eq!(document["packages"].as_array().unwrap().len(), 3);
        assert_eq!(document["relationships"].as_array().unwrap().len(), 3);
        assert_eq!(document["packages"][1]["SPDXID"], "SPDXRef-deb-nft-1-2-b1");
        assert_eq!(
            document,
            spdx("pc", "1.0.0", "2026-01-01T00:00:00Z", &lock, &crates)
        );
    }
}
