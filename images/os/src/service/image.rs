//! Images as OCI has them: blobs that are named by what is in them.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use cell_model::container::ImageDigest;
use data_encoding::HEXLOWER;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::layer::Layer;
use super::recipe::ImageRecipe;
use crate::error::{self, OsError};
use crate::files;

const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

/// A blob that was written.
#[derive(Debug, Clone, Copy)]
pub(super) struct Blob {
    pub(super) digest: ImageDigest,
    size: u64,
}

impl Blob {
    fn described(&self, media_type: &str) -> Value {
        json!({ "mediaType": media_type, "digest": self.digest, "size": self.size })
    }
}

/// The folder of all blobs.
#[derive(Debug)]
pub(super) struct Blobs(PathBuf);

impl Blobs {
    /// Those below a package folder.
    pub(super) fn new(folder: &Path) -> Result<Self, OsError> {
        let blobs = folder.join("blobs/sha256");
        files::make_folder(&blobs)?;
        Ok(Self(blobs))
    }

    /// Writes a layer. It is not compressed: the system's root is, and knows what is there twice.
    pub(super) fn put_layer(&self, layer: &Layer) -> Result<Blob, OsError> {
        let path = self.0.join("layer.part");
        let file = File::create(&path).map_err(error::write(&path))?;
        let mut writer = Digesting {
            to: BufWriter::new(file),
            digest: Sha256::new(),
            size: 0,
        };
        layer.write(&mut writer)?;
        writer.flush().map_err(error::write(&path))?;
        let blob = Blob {
            digest: ImageDigest::new(writer.digest.finalize().into()),
            size: writer.size,
        };
        let place = self.place(&blob);
        fs::rename(&path, &place).map_err(error::write(&place))?;
        Ok(blob)
    }

    /// Writes config and manifest of an image; answers the manifest.
    pub(super) fn put_image(
        &self,
        recipe: &ImageRecipe,
        architecture: &str,
        layers: &[Blob],
    ) -> Result<Blob, OsError> {
        let environment: Vec<String> = recipe
            .environment
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        let diff_ids: Vec<ImageDigest> = layers.iter().map(|layer| layer.digest).collect();
        let config = self.put(&json!({
            "architecture": architecture,
            "os": "linux",
            "config": {
                "User": format!("{0}:{0}", recipe.user),
                "Env": environment,
                "Cmd": recipe.command,
                "WorkingDir": "/",
            },
            "rootfs": { "type": "layers", "diff_ids": diff_ids },
        }))?;
        let layers: Vec<Value> = layers.iter().map(|layer| layer.described(LAYER)).collect();
        self.put(&json!({
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": config.described(CONFIG),
            "layers": layers,
        }))
    }

    fn put(&self, document: &Value) -> Result<Blob, OsError> {
        let text = document.to_string();
        let blob = Blob {
            digest: ImageDigest::new(Sha256::digest(&text).into()),
            size: text.len() as u64,
        };
        files::write(&self.place(&blob), text, 0o644)?;
        Ok(blob)
    }

    fn place(&self, blob: &Blob) -> PathBuf {
        self.0.join(HEXLOWER.encode(blob.digest.as_bytes()))
    }
}

/// Knows what went through it.
struct Digesting<W> {
    to: W,
    digest: Sha256,
    size: u64,
}

impl<W: Write> Write for Digesting<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let length = self.to.write(bytes)?;
        self.digest.update(&bytes[..length]);
        self.size += length as u64;
        Ok(length)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn image_names_its_parts_by_what_they_are() {
        let folder = tempfile::tempdir().unwrap();
        let blobs = Blobs::new(folder.path()).unwrap();
        let mut layer = Layer::default();
        layer.put_folder(Path::new("data"), 7);
        let layer = blobs.put_layer(&layer).unwrap();
        let recipe = ImageRecipe {
            name: "web".parse().unwrap(),
            user: 7,
            root: None,
            command: vec!["web".to_owned()],
            environment: [("A".to_owned(), "b".to_owned())].into(),
            folders: Vec::new(),
        };
        let image = blobs.put_image(&recipe, "arm64", &[layer, layer]).unwrap();
        let read = |digest: &str| {
            let name = digest.strip_prefix("sha256:").unwrap();
            let bytes = fs::read(folder.path().join("blobs/sha256").join(name)).unwrap();
            assert_eq!(HEXLOWER.encode(&Sha256::digest(&bytes)), name);
            bytes
        };
        let manifest: Value = serde_json::from_slice(&read(&image.digest.to_string())).unwrap();
        let config = manifest["config"]["digest"].as_str().unwrap();
        let config: Value = serde_json::from_slice(&read(config)).unwrap();
        assert_eq!(config["config"]["User"], "7:7");
        assert_eq!(config["config"]["Env"], json!(["A=b"]));
        assert_eq!(config["architecture"], "arm64");
        let layers = manifest["layers"].as_array().unwrap();
        assert_eq!(layers.len(), 2);
        let bytes = read(layers[0]["digest"].as_str().unwrap());
        assert_eq!(layers[0]["size"], bytes.len());
        assert_eq!(config["rootfs"]["diff_ids"][1], layers[1]["digest"]);
        // Layer, config, manifest, and nothing half done.
        let files = fs::read_dir(folder.path().join("blobs/sha256")).unwrap();
        assert_eq!(files.count(), 3);
    }
}
