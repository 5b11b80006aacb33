use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt, symlink};
use std::time::{Duration, SystemTime};

use super::*;

/// A folder as podman has one for a volume, and the mount point in it.
struct Volume {
    folder: tempfile::TempDir,
}

impl Volume {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("_data")).unwrap();
        Self { folder }
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("_data")
    }

    fn at(&self, path: &str) -> PathBuf {
        self.data().join(path)
    }

    fn become_copy_of(&self, other: &Self) -> Result<(), CopyError> {
        copy_now(Some(&other.data()), &self.data(), &AtomicBool::new(false))
    }
}

#[test]
fn holes_of_a_file_stay_holes() {
    let (from, to) = (Volume::new(), Volume::new());
    let file = File::create(from.at("sparse")).unwrap();
    file.set_len(1 << 40).unwrap();
    file.write_all_at(b"begin", 0).unwrap();
    file.write_all_at(b"middle", 1 << 39).unwrap();
    fs::write(from.at("whole"), vec![7; 3 << 20]).unwrap();
    to.become_copy_of(&from).unwrap();
    let copy = File::open(to.at("sparse")).unwrap();
    let metadata = copy.metadata().unwrap();
    assert_eq!(metadata.len(), 1 << 40);
    assert!(metadata.blocks() <= 64, "{} blocks", metadata.blocks());
    let mut found = [0; 6];
    copy.read_exact_at(&mut found, 1 << 39).unwrap();
    assert_eq!(&found, b"middle");
    assert_eq!(fs::read(to.at("whole")).unwrap(), vec![7; 3 << 20]);
}

#[test]
fn copy_is_what_the_original_is() {
    let (from, to) = (Volume::new(), Volume::new());
    fs::create_dir_all(from.at("a/b")).unwrap();
    fs::write(from.at("a/b/file"), "content").unwrap();
    fs::write(from.at("empty"), "").unwrap();
    fs::hard_link(from.at("a/b/file"), from.at("other name")).unwrap();
    symlink("/etc/passwd", from.at("link")).unwrap();
    fs::set_permissions(from.at("a/b/file"), fs::Permissions::from_mode(0o640)).unwrap();
    fs::set_permissions(from.at("a"), fs::Permissions::from_mode(0o2750)).unwrap();
    let long_ago = SystemTime::UNIX_EPOCH + Duration::new(1_000_000_000, 123_456_789);
    let file = File::options()
        .write(true)
        .open(from.at("a/b/file"))
        .unwrap();
    file.set_modified(long_ago).unwrap();
    let folder = File::open(from.at("a")).unwrap();
    folder.set_modified(long_ago).unwrap();

    assert!(!is_whole(&to.data()));
    to.become_copy_of(&from).unwrap();
    assert!(is_whole(&to.data()));
    assert_eq!(fs::read_to_string(to.at("a/b/file")).unwrap(), "content");
    assert_eq!(fs::read(to.at("empty")).unwrap(), b"");
    let link = fs::read_link(to.at("link")).unwrap();
    assert_eq!(link, Path::new("/etc/passwd"));
    for path in ["", "a", "a/b", "a/b/file", "empty"] {
        let (was, is) = (
            from.at(path).symlink_metadata().unwrap(),
            to.at(path).symlink_metadata().unwrap(),
        );
        assert_eq!((was.mode(), was.uid()), (is.mode(), is.uid()), "{path}");
        assert_eq!(was.modified().unwrap(), is.modified().unwrap(), "{path}");
    }
    let number = |path: &str| fs::metadata(to.at(path)).unwrap().ino();
    assert_eq!(number("a/b/file"), number("other name"));
    assert_ne!(
        number("a/b/file"),
        fs::metadata(from.at("a/b/file")).unwrap().ino()
    );
}

#[test]
fn copy_that_was_interrupted_is_begun_anew() {
    let (from, to) = (Volume::new(), Volume::new());
    fs::write(from.at("file"), "content").unwrap();
    fs::create_dir(to.at("half")).unwrap();
    fs::write(to.at("half/file"), "of before").unwrap();
    fs::write(to.at("file"), "cont").unwrap();
    let stopped = copy_now(Some(&from.data()), &to.data(), &AtomicBool::new(true));
    assert!(
        matches!(stopped, Err(CopyError::Interrupted)),
        "{stopped:?}"
    );
    assert!(!is_whole(&to.data()));
    to.become_copy_of(&from).unwrap();
    let names: Vec<_> = fs::read_dir(to.data())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(names, ["file"]);
    assert_eq!(fs::read_to_string(to.at("file")).unwrap(), "content");
}

#[test]
fn copy_of_nothing_is_whole_and_empty() {
    let to = Volume::new();
    copy_now(None, &to.data(), &AtomicBool::new(false)).unwrap();
    assert!(is_whole(&to.data()));
    assert_eq!(fs::read_dir(to.data()).unwrap().count(), 0);
}

#[test]
fn file_that_cannot_be_copied_is_named() {
    let (from, to) = (Volume::new(), Volume::new());
    fs::remove_dir(from.data()).unwrap();
    let error = to.become_copy_of(&from).unwrap_err();
    assert!(error.to_string().contains("_data"), "{error}");
    assert!(!is_whole(&to.data()));
}
