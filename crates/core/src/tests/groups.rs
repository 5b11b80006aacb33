//! Groups, and the services that are for them.

use std::collections::BTreeMap;
use std::sync::Arc;

use cell_control::action::{AccountForm, Action, Outcome};
use cell_control::app_password::{AppPasswordForm, ServiceSignIn};
use cell_control::ask;
use cell_control::caller::Caller;
use cell_control::change::{Change, Receipt, ServiceUpdate};
use cell_control::query::{Groups, OwnServices};
use cell_model::account::Role;
use cell_model::config::{Config, DataConfig, ServiceConfig};
use cell_model::name::GroupName;
use cell_model::problem::Problem;
use cell_model::secret::Secret;

use super::home::{Home, PASSWORD, code};
use crate::edit::Edit;

async fn put(home: &Home, name: &str, members: &[&str]) -> Result<Receipt, Problem> {
    let members = members.iter().map(|name| name.parse().unwrap());
    home.submit(Change::PutGroup {
        name: name.parse().unwrap(),
        members: members.collect(),
    })
    .await
}

async fn remove(home: &Home, name: &str) -> Result<Receipt, Problem> {
    let name = name.parse().unwrap();
    home.submit(Change::RemoveGroup { name }).await
}

async fn allow(home: &Home, groups: Option<&[&str]>) -> Result<Receipt, Problem> {
    let groups = groups.map(|names| names.iter().map(|name| name.parse().unwrap()).collect());
    let update = ServiceUpdate {
        groups: Some(groups),
        ..ServiceUpdate::default()
    };
    let id = "calendar".parse().unwrap();
    home.submit(Change::ChangeService { id, update }).await
}

async fn add(home: &Home, name: &str) -> (Caller, Secret<String>) {
    let form = AccountForm {
        username: name.parse().unwrap(),
        password: Secret::new(PASSWORD.to_owned()),
        role: Role::Member,
        access_until: None,
    };
    let root = Caller::local();
    home.core
        .act(&root, Action::AddAccount(form))
        .await
        .unwrap();
    let caller = home.sign_in(name, PASSWORD).await.unwrap();
    let form = AppPasswordForm {
        username: None,
        device: "phone".parse().unwrap(),
        services: None,
    };
    let added = home.core.act(&caller, Action::AddAppPassword(form)).await;
    let Outcome::AppPasswordAdded(made) = added.unwrap() else {
        panic!("it is made");
    };
    (caller, made.password)
}

/// Somebody's try to use the calendar.
async fn tries(home: &Home, name: &str, password: &Secret<String>) -> Result<Outcome, Problem> {
    let sign_in = ServiceSignIn {
        service: "calendar".parse().unwrap(),
        username: name.to_owned(),
        password: password.clone(),
    };
    home.core
        .act(&Caller::local(), Action::CheckAppPassword(sign_in))
        .await
}

/// A calendar that was installed, whatever it runs.
async fn with_calendar() -> Home {
    with_service("calendar").await
}

/// A box with a service that was installed, whatever it runs.
pub(super) async fn with_service(id: &str) -> Home {
    let home = Home::set_up().await;
    let digest = format!("sha256:{}", "0".repeat(64));
    let manifest = format!(
        "schema = 1\nid = \"{id}\"\nname = \"A\"\nsummary = \"A\"\nversion = \"1\"\nrelease = 1\n\
         [[container]]\nname = \"web\"\nimage = \"a@{digest}\"\nmemory_mib = 64\ncpu_percent = 10\n\
         processes = 8\nhealth = {{ port = 80 }}\n[[route]]\nhost = \"cal\"\nbackend = \"web:80\"\n"
    );
    let data = DataConfig {
        slot: 1,
        number: 1,
        lasting: 2,
    };
    let service = Arc::new(ServiceConfig::new(manifest, data, BTreeMap::new()));
    let installed = home.core.change_by_itself(move |config| {
        let mut config = Config::clone(config);
        let id = id.parse().unwrap();
        config.services.installed.insert(id, service);
        let summary = "Installed A".to_owned();
        Some(Edit::new(config, "service.install", "some", summary))
    });
    installed.await.unwrap();
    home
}

#[tokio::test]
async fn service_is_for_whom_it_is_said_to_be() {
    let home = with_calendar().await;
    let (ben, of_ben) = add(&home, "ben").await;
    let (carla, of_carla) = add(&home, "carla").await;
    tries(&home, "ben", &of_ben).await.unwrap();
    tries(&home, "carla", &of_carla).await.unwrap();
    let unknown = allow(&home, Some(&["family"])).await.unwrap_err();
    assert_eq!(unknown.errors[0].field, "groups");
    put(&home, "family", &["ben"]).await.unwrap();
    allow(&home, Some(&["family"])).await.unwrap();
    let services = async |caller: &Caller| {
        let own = ask(home.core.as_ref(), caller, OwnServices).await;
        own.unwrap().items.len()
    };
    tries(&home, "ben", &of_ben).await.unwrap();
    assert_eq!(
        code(tries(&home, "carla", &of_carla).await),
        (403, "not_for_you".into())
    );
    assert_eq!((services(&ben).await, services(&carla).await), (1, 0));
    put(&home, "family", &["ben", "carla"]).await.unwrap();
    tries(&home, "carla", &of_carla).await.unwrap();
    let used = remove(&home, "family").await;
    assert_eq!(code(used), (409, "group_in_use".into()));
    allow(&home, None).await.unwrap();
    remove(&home, "family").await.unwrap();
    tries(&home, "carla", &of_carla).await.unwrap();
    assert_eq!(code(remove(&home, "family").await).0, 404);
}

#[tokio::test]
async fn whoever_goes_leaves_their_groups_for_good() {
    let home = with_calendar().await;
    add(&home, "ben").await;
    let (_, of_carla) = add(&home, "carla").await;
    let stranger = put(&home, "family", &["ben", "nobody"]).await.unwrap_err();
    assert_eq!(stranger.errors[0].field, "members");
    put(&home, "family", &["ben", "carla"]).await.unwrap();
    allow(&home, Some(&["family"])).await.unwrap();
    let with_ben = home.revision();
    let username = "ben".parse().unwrap();
    home.core
        .act(&Caller::local(), Action::RemoveAccount { username })
        .await
        .unwrap();
    let members = |home: &Home| {
        let name: GroupName = "family".parse().unwrap();
        let members = home.config().groups[&name].members.clone();
        members.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    assert_eq!(members(&home), ["carla"]);
    // Somebody else of that name is somebody else, whatever revision comes back.
    let (_, of_ben) = add(&home, "ben").await;
    home.submit(Change::RestoreRevision { number: with_ben })
        .await
        .unwrap();
    assert_eq!(members(&home), ["carla"]);
    let home = home.restart().await;
    assert_eq!(members(&home), ["carla"]);
    assert_eq!(code(tries(&home, "ben", &of_ben).await).0, 403);
    tries(&home, "carla", &of_carla).await.unwrap();
    let groups = ask(home.core.as_ref(), &Caller::local(), Groups).await;
    let groups = groups.unwrap().items;
    assert_eq!(groups[0].services, ["calendar".parse().unwrap()].into());
}
