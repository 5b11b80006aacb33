//! The style sheet and the scripts. Their addresses change with their content, so browsers may keep them for ever.

use std::sync::LazyLock;

use cell_gate::{Reply, Visit};
use cell_model::problem::Problem;
use sha2::{Digest, Sha256};

/// A file of ours.
struct Asset {
    stem: &'static str,
    extension: &'static str,
    content_type: &'static str,
    content: &'static str,
}

const STYLE: Asset = Asset {
    stem: "style",
    extension: "css",
    content_type: "text/css; charset=utf-8",
    content: include_str!("../assets/style.css"),
};

const LIVE: Asset = Asset {
    stem: "live",
    extension: "js",
    content_type: "text/javascript; charset=utf-8",
    content: include_str!("../assets/live.js"),
};

const PASSKEY: Asset = Asset {
    stem: "passkey",
    extension: "js",
    content_type: "text/javascript; charset=utf-8",
    content: include_str!("../assets/passkey.js"),
};

static STYLE_FILE: LazyLock<String> = LazyLock::new(|| STYLE.file_name());
static LIVE_FILE: LazyLock<String> = LazyLock::new(|| LIVE.file_name());
static PASSKEY_FILE: LazyLock<String> = LazyLock::new(|| PASSKEY.file_name());

impl Asset {
    /// Its name with the start of its content's SHA-256: eight bytes tell versions of one file apart.
    fn file_name(&self) -> String {
        let digest = Sha256::digest(self.content);
        let version: String = digest[..8]
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        format!("{}.{version}.{}", self.stem, self.extension)
    }
}

/// Where the style sheet is.
pub(crate) fn style_path() -> String {
    format!("/assets/{}", *STYLE_FILE)
}

/// Where the script is that keeps the live part of a page fresh.
pub(crate) fn live_path() -> String {
    format!("/assets/{}", *LIVE_FILE)
}

/// Where the script is that has the browser make or use a passkey.
pub(crate) fn passkey_path() -> String {
    format!("/assets/{}", *PASSKEY_FILE)
}

/// Answers one file. 404 for versions of other releases.
pub(crate) async fn serve(visit: Visit) -> Result<Reply, Problem> {
    let file = visit.param("file");
    let asset = if file == *STYLE_FILE {
        STYLE
    } else if file == *LIVE_FILE {
        LIVE
    } else if file == *PASSKEY_FILE {
        PASSKEY
    } else {
        return Err(Problem::not_found("file of this name"));
    };
    Ok(Reply::immutable(
        asset.content_type,
        asset.content.as_bytes(),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn assets_are_small_and_load_nothing() {
        assert!(STYLE.content.len() <= 12 * 1024, "{}", STYLE.content.len());
        assert!(LIVE.content.len() <= 2 * 1024, "{}", LIVE.content.len());
        assert!(
            PASSKEY.content.len() <= 5 * 1024,
            "{}",
            PASSKEY.content.len()
        );
        for forbidden in ["@import", "url(", "http:", "https:"] {
            assert!(!STYLE.content.contains(forbidden), "{forbidden}");
        }
    }

    #[test]
    fn address_tells_the_version() {
        let (stem, rest) = STYLE_FILE.split_once('.').unwrap();
        assert_eq!((stem, rest.len()), ("style", "0123456789abcdef.css".len()));
    }
}
