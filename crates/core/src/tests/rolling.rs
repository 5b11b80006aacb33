use cell_store::Store;

use super::home::Home;
use crate::documents;

#[tokio::test]
async fn snapshot_is_taken_of_each_change_once_and_holds_it() {
    let home = Home::set_up().await;
    home.add("phone").await;
    let taken = home.core.take_snapshot(None).await;
    assert_eq!(taken, Some(home.revision()));
    assert_eq!(home.core.take_snapshot(taken).await, taken);
    home.add("tablet").await;
    assert_eq!(home.core.take_snapshot(taken).await, Some(3));

    let config = home.config();
    let directory = home.stop().await;
    let state = directory.path().join("state");
    let snapshots = Store::snapshots(&state).unwrap();
    assert_eq!(snapshots.len(), 2);
    let elsewhere = tempfile::tempdir().unwrap();
    let restored = Store::restore(elsewhere.path(), &snapshots[0]).unwrap();
    let found = documents::read(&restored.documents().unwrap()).unwrap();
    assert_eq!(found.as_ref(), Some(&*config));
}
