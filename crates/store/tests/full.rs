//! A full disk refuses changes and harms nothing; what is stored can be read from it.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::process::Command;

use cell_model::Timestamp;
use cell_store::{Batch, Store, StoreError};

const DIR: &str = "CELL_STORE_FULL_DIR";

fn commit(store: &Store, json: &[u8]) -> Result<Option<u64>, StoreError> {
    let mut batch = Batch::new(Timestamp::UNIX_EPOCH, None, "");
    batch.set_document("dns", json.to_vec());
    store.commit(batch)
}

/// Not a test of its own: runs on a small file system in a mount namespace of its own.
#[test]
fn child() {
    let Some(dir) = std::env::var_os(DIR) else {
        return;
    };
    let dir = Path::new(&dir);
    let store = Store::open(&dir.join("state")).unwrap();
    assert_eq!(commit(&store, b"1").unwrap(), Some(1));

    let filler = dir.join("filler");
    fill(&filler).unwrap();

    for _ in 0..3 {
        let refused = commit(&store, b"2");
        assert!(
            matches!(refused, Err(StoreError::DiskFull { .. })),
            "{refused:?}"
        );
    }
    assert!(matches!(
        store.snapshot(1, Timestamp::UNIX_EPOCH),
        Err(StoreError::DiskFull { .. })
    ));
    assert_eq!(store.documents().unwrap()["dns"], b"1");
    assert_eq!(store.latest_revision().unwrap(), 1);

    fs::remove_file(&filler).unwrap();
    assert_eq!(commit(&store, b"2").unwrap(), Some(2));
    assert_eq!(store.documents().unwrap()["dns"], b"2");
    drop(store);

    fill(&filler).unwrap();
    let spare = tempfile::tempdir().unwrap();
    let spare = spare.path().join("spare");
    for _ in 0..2 {
        let store = Store::open_even_full(&dir.join("state"), &spare).unwrap();
        assert_eq!(store.documents().unwrap()["dns"], b"2");
        let refused = commit(&store, b"3");
        assert!(
            matches!(refused, Err(StoreError::DiskFull { .. })),
            "{refused:?}"
        );
        assert_eq!(store.latest_revision().unwrap(), 2);
    }
    let store = Store::open_even_full(&dir.join("state"), &spare).unwrap();
    fs::remove_file(&filler).unwrap();
    assert_eq!(commit(&store, b"3").unwrap(), Some(3));
    assert!(!spare.exists());
    drop(store);
    let store = Store::open_even_full(&dir.join("state"), &spare).unwrap();
    assert_eq!(store.documents().unwrap()["dns"], b"3");
    assert!(!spare.exists());
}

/// Writes until not one byte fits any more.
fn fill(filler: &Path) -> std::io::Result<()> {
    let mut file = File::create(filler)?;
    for size in [4096, 1] {
        while file.write_all(&[0; 4096][..size]).is_ok() {}
    }
    Ok(())
}

#[test]
fn full_disk_refuses_changes_until_there_is_room_again() {
    let dir = tempfile::tempdir().unwrap();
    let done = Command::new("unshare")
        .args(["--mount", "sh", "-c"])
        .arg("mount -t tmpfs -o size=16m cell-full \"$CELL_STORE_FULL_DIR\" && exec \"$@\"")
        .arg("sh")
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "child", "--nocapture"])
        .env(DIR, dir.path())
        .output()
        .expect("unshare is needed");
    assert!(
        done.status.success(),
        "(needs root for a mount namespace) {}{}",
        String::from_utf8_lossy(&done.stdout),
        String::from_utf8_lossy(&done.stderr)
    );
}
