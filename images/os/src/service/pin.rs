//! Manifests are written without digests of images, which nobody knows before they are made: here these are put in.

use std::collections::BTreeMap;
use std::path::Path;

use cell_model::container::{ImageDigest, ImageName};
use toml_edit::{DocumentMut, value};

use crate::error::OsError;

/// The manifest at `path` with every image pinned; all else stays as it is written.
///
/// # Errors
/// A manifest that is no TOML, or asks for an image that is not made.
pub(super) fn pin(
    text: &str,
    path: &Path,
    images: &BTreeMap<ImageName, ImageDigest>,
) -> Result<String, OsError> {
    let wrong = |problem: String| OsError::Data {
        path: path.to_owned(),
        problem,
    };
    let mut manifest: DocumentMut = text
        .parse()
        .map_err(|error: toml_edit::TomlError| wrong(error.to_string()))?;
    let containers = manifest
        .get_mut("container")
        .and_then(|item| item.as_array_of_tables_mut())
        .ok_or_else(|| wrong("needs a [[container]]".to_owned()))?;
    for container in containers.iter_mut() {
        let name = container.get("image").and_then(|item| item.as_str());
        let name = name.ok_or_else(|| wrong("each [[container]] needs an image".to_owned()))?;
        let parsed = name.parse::<ImageName>();
        let parsed = parsed.map_err(|error| wrong(format!("the image {name} {error}")))?;
        let digest = images.get(&parsed).ok_or_else(|| {
            let names: Vec<&str> = images.keys().map(ImageName::as_str).collect();
            wrong(format!(
                "no recipe makes the image {name}; there are: {}",
                names.join(", ")
            ))
        })?;
        let pinned = format!("{name}@{digest}");
        container["image"] = value(pinned);
    }
    Ok(manifest.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pinned(text: &str) -> Result<String, OsError> {
        let images = [("web".parse().unwrap(), ImageDigest::new([0x11; 32]))];
        pin(text, Path::new("service.toml"), &images.into())
    }

    #[test]
    fn image_is_pinned_and_all_else_stays() {
        let text = "id = \"web\" # its name\n\n[[container]]\n  image = \"web\"\nname=\"web\"\n";
        let pinned = pinned(text).unwrap();
        let with_digest = format!("web@sha256:{}", "11".repeat(32));
        assert_eq!(
            pinned,
            text.replace("image = \"web\"", &format!("image = \"{with_digest}\""))
        );
    }

    #[test]
    fn what_cannot_be_pinned_is_told() {
        for (text, told) in [
            ("id = ", "TOML"),
            ("id = \"web\"", "[[container]]"),
            ("[[container]]\nname = \"web\"", "needs an image"),
            ("[[container]]\nimage = \"mail\"", "there are: web"),
            ("[[container]]\nimage = \"web:3\"", "must have no tag"),
        ] {
            let error = pinned(text).unwrap_err().to_string();
            assert!(error.contains(told), "{told}: {error}");
        }
    }
}
