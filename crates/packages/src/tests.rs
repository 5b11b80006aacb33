use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use cell_model::container::ImageDigest;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::blob::{digest, place};
use crate::{PackageFolder, PackagesError};

/// A folder with an image of two layers, and one that shares the first.
struct Made {
    folder: TempDir,
    image: ImageDigest,
    other: ImageDigest,
}

/// A layer of several pieces: no copy takes it at once.
fn large() -> Vec<u8> {
    (0..300_000_u32)
        .map(|number| u8::try_from(number % 251).unwrap_or_default())
        .collect()
}

fn put(folder: &Path, bytes: &[u8]) -> Value {
    let digest = digest(bytes);
    let path = folder.join(place(&digest));
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, bytes).unwrap();
    json!({ "digest": digest, "size": bytes.len() })
}

fn put_image(folder: &Path, layers: &[Value]) -> ImageDigest {
    let config = put(folder, b"{}");
    let manifest = json!({ "schemaVersion": 2, "config": config, "layers": layers }).to_string();
    put(folder, manifest.as_bytes());
    digest(manifest.as_bytes())
}

fn manifest(image: &str) -> String {
    format!(
        r#"
schema = 1
id = "calendar"
name = "Calendar"
summary = "Calendars"
version = "1"
release = 1

[[container]]
name = "radicale"
image = "{image}"
memory_mib = 64
cpu_percent = 50
processes = 8
health = {{ port = 80 }}
"#
    )
}

impl Made {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        let (base, top) = (put(path, &large()), put(path, b"top"));
        let image = put_image(path, &[base.clone(), top]);
        let other = put_image(path, &[base]);
        let made = Self {
            folder,
            image,
            other,
        };
        made.list(&json!({ "images": { "radicale": image, "caddy": other } }));
        made.write(
            "calendar/service.toml",
            &manifest(&format!("radicale@{image}")),
        );
        made.write("proxy/sbom.spdx.json", "{}");
        made
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.folder.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn list(&self, list: &Value) {
        self.write("images.json", &list.to_string());
    }

    fn open(&self) -> Result<PackageFolder, PackagesError> {
        PackageFolder::open(self.folder.path())
    }

    fn archive(&self, image: &ImageDigest) -> Result<Vec<u8>, PackagesError> {
        let mut bytes = Vec::new();
        self.open()?.write_archive(image, &mut bytes)?;
        Ok(bytes)
    }

    fn manifest(&self) -> Result<cell_catalogue::Manifest, PackagesError> {
        self.open()?.manifest(&"calendar".parse().unwrap())
    }

    /// The file of a blob.
    fn blob(&self, bytes: &[u8]) -> PathBuf {
        self.folder.path().join(place(&digest(bytes)))
    }
}

fn entries(archive: &[u8]) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut archive = tar::Archive::new(archive);
    let entries = archive.entries().unwrap().map(|entry| {
        let mut entry = entry.unwrap();
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).unwrap();
        (entry.path().unwrap().into_owned(), bytes)
    });
    entries.collect()
}

#[test]
fn folder_says_which_services_and_images_there_are() {
    let made = Made::new();
    let folder = made.open().unwrap();
    let ids: Vec<String> = folder.ids().iter().map(ToString::to_string).collect();
    assert_eq!(ids, ["calendar"]);
    let images: Vec<String> = folder.images().keys().map(ToString::to_string).collect();
    assert_eq!(images, ["caddy", "radicale"]);
    let manifest = made.manifest().unwrap();
    assert_eq!(manifest.containers[0].image.digest, made.image);
    let absent = folder.manifest(&"files".parse().unwrap());
    assert!(
        matches!(absent, Err(PackagesError::NoService(_))),
        "{absent:?}"
    );
}

#[test]
fn archive_has_the_blobs_of_its_image_and_no_others() {
    let made = Made::new();
    let archive = made.archive(&made.other).unwrap();
    let entries = entries(&archive);
    assert_eq!(entries.len(), 5, "layout, index, manifest, config, layer");
    assert_eq!(entries[&place(&digest(&large()))], large());
    assert!(!entries.contains_key(&place(&digest(b"top"))));
    let index: Value = serde_json::from_slice(&entries[Path::new("index.json")]).unwrap();
    assert_eq!(
        index["manifests"][0]["digest"],
        json!(made.other),
        "{index}"
    );
    assert_eq!(archive, made.archive(&made.other).unwrap());
    assert_eq!(self::entries(&made.archive(&made.image).unwrap()).len(), 6);
}

#[test]
fn layer_that_is_there_twice_is_written_once() {
    let made = Made::new();
    let layer = put(made.folder.path(), b"top");
    let image = put_image(made.folder.path(), &[layer.clone(), layer]);
    made.list(&json!({ "images": { "radicale": image } }));
    assert_eq!(entries(&made.archive(&image).unwrap()).len(), 5);
}

#[test]
fn altered_blob_is_named_wherever_it_stands() {
    let made = Made::new();
    let shown = |result: Result<Vec<u8>, PackagesError>| result.unwrap_err().to_string();
    let image = made.folder.path().join(place(&made.image));
    for path in [
        made.blob(&large()),
        made.blob(b"top"),
        made.blob(b"{}"),
        image,
    ] {
        let before = fs::read(&path).unwrap();
        let mut other = before.clone();
        *other.last_mut().unwrap() ^= 1;
        fs::write(&path, &other).unwrap();
        let error = shown(made.archive(&made.image));
        assert!(error.contains("was altered"), "{error}");
        assert!(error.contains(&path.display().to_string()), "{error}");
        fs::write(&path, &before).unwrap();
    }
    // Cut, grown, gone.
    let path = made.blob(&large());
    fs::write(&path, &large()[..100]).unwrap();
    let error = shown(made.archive(&made.image));
    assert!(error.contains("has 100 bytes instead of 300000"), "{error}");
    fs::write(&path, [large(), vec![0]].concat()).unwrap();
    assert!(shown(made.archive(&made.image)).contains("300001 bytes"));
    fs::remove_file(&path).unwrap();
    assert!(shown(made.archive(&made.image)).contains("cannot read"));
}

#[test]
fn image_that_is_not_listed_is_refused_and_so_is_what_is_no_image() {
    let made = Made::new();
    let layer = digest(b"top");
    let refused = made.archive(&layer);
    assert!(
        matches!(refused, Err(PackagesError::NoImage(_))),
        "{refused:?}"
    );
    made.list(&json!({ "images": { "radicale": layer } }));
    let refused = made.archive(&layer);
    assert!(
        matches!(refused, Err(PackagesError::Json { .. })),
        "{refused:?}"
    );
}

#[test]
fn what_has_no_end_is_not_read() {
    let made = Made::new();
    let layer = put(made.folder.path(), b"top");
    let many = put_image(made.folder.path(), &vec![layer.clone(); 129]);
    let config = json!({ "digest": digest(b"{}"), "size": 5 << 20 });
    let text = json!({ "config": config, "layers": [layer] }).to_string();
    put(made.folder.path(), text.as_bytes());
    let huge = digest(text.as_bytes());
    let spaces = vec![b' '; 5 << 20];
    put(made.folder.path(), &spaces);
    let long = digest(&spaces);
    made.list(&json!({ "images": { "many": many, "huge": huge, "long": long } }));
    assert!(matches!(
        made.archive(&many),
        Err(PackagesError::Layers { .. })
    ));
    for image in [huge, long] {
        let refused = made.archive(&image);
        assert!(
            matches!(refused, Err(PackagesError::TooLarge { .. })),
            "{refused:?}"
        );
    }
}

#[test]
fn manifest_is_that_of_its_folder_and_its_images_are_there() {
    let made = Made::new();
    for (text, told) in [
        (
            manifest(&format!("radicale@{}", made.other)),
            "asks for the image radicale@sha256:",
        ),
        (
            manifest(&format!("mail@{}", made.image)),
            "asks for the image mail@sha256:",
        ),
        (
            manifest(&format!("radicale@{}", made.image)).replace("\"calendar\"", "\"files\""),
            "is the manifest of files",
        ),
        (manifest("radicale:latest"), "is wrong"),
    ] {
        made.write("calendar/service.toml", &text);
        let error = made.manifest().unwrap_err().to_string();
        assert!(error.contains(told), "{told}: {error}");
        assert!(error.contains("calendar/service.toml"), "{error}");
    }
}

#[test]
fn folder_of_another_form_is_refused() {
    let made = Made::new();
    for list in [
        json!({}),
        json!({ "images": { "a": "sha256:00" } }),
        json!({ "images": {}, "more": 1 }),
    ] {
        made.list(&list);
        let error = made.open().unwrap_err();
        assert!(matches!(error, PackagesError::Json { .. }), "{list}");
    }
    made.list(&json!({ "images": {} }));
    made.write("No_Service/service.toml", "");
    assert!(matches!(made.open(), Err(PackagesError::Name(_))));
    let absent = PackageFolder::open(made.folder.path().join("absent"));
    assert!(matches!(absent, Err(PackagesError::Read { .. })));
}

/// Takes so many bytes, then has no room.
struct Full(usize);

impl Write for Full {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 = self
            .0
            .checked_sub(bytes.len())
            .ok_or(io::ErrorKind::StorageFull)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn archive_that_finds_no_room_is_told_as_that() {
    let made = Made::new();
    let folder = made.open().unwrap();
    for room in [0, 1_000, 4_000, 100_000] {
        let error = folder.write_archive(&made.image, Full(room)).unwrap_err();
        assert!(matches!(error, PackagesError::Write(_)), "{room}: {error}");
    }
}
