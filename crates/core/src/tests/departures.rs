//! What services are told when somebody may not use them any more.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use cell_containers::{ContainerState, Containers};
use cell_control::action::{AccountForm, AccountUpdate, Action, Outcome};
use cell_control::app_password::AppPasswordForm;
use cell_control::caller::Caller;
use cell_model::account::Role;
use cell_model::config::{DataConfig, FormerConfig, GroupConfig, ServiceConfig};
use cell_model::name::{ServiceId, Username};
use cell_model::problem::Problem;
use cell_model::secret::Secret;

use super::home::{Home, clock, code};

const WEB: &str = "cell.mail.web";
const OUT: &str = "cell.mail.out";
const DIGEST: &str = "sha256:0011223344556677889900112233445566778899001122334455667788990011";
const DATA: DataConfig = DataConfig {
    slot: 1,
    number: 1,
    lasting: 2,
};
/// Longer than what is due takes to be told.
const A_WHILE: Duration = Duration::from_secs(50);
/// Longer than whatever comes late is waited for.
const LONGER: Duration = Duration::from_secs(40);

fn mail() -> ServiceId {
    "mail".parse().unwrap()
}

/// Has a service that is told of people, as if it had been in the store.
pub(super) async fn install(home: &Home) {
    let manifest = format!(
        "schema = 1\nid = \"mail\"\nname = \"Mail\"\nsummary = \"A\"\nversion = \"1\"\nrelease = 1\n\
         [[container]]\nname = \"web\"\nimage = \"a@{DIGEST}\"\nmemory_mib = 64\ncpu_percent = 10\nprocesses = 8\n\
         hands = [\"people\"]\nhealth = {{ port = 80 }}\n\
         [[container]]\nname = \"out\"\nimage = \"a@{DIGEST}\"\nmemory_mib = 64\ncpu_percent = 10\nprocesses = 8\n\
         health = {{ port = 80 }}\n[accounts]\nsocket = true\n\
         remove = {{ container = \"web\", command = [\"forget\", \"{{username}}\"] }}\n\
         [[accounts.end]]\ncontainer = \"web\"\ncommand = [\"kick\", \"{{username}}\"]\n\
         [[accounts.end]]\ncontainer = \"out\"\ncommand = [\"close\", \"{{username}}\"]\n"
    );
    let service = ServiceConfig::new(manifest, DATA, BTreeMap::new());
    home.core.desired.send_modify(|desired| {
        let config = desired.config.as_mut().map(Arc::make_mut).unwrap();
        config.services.kept.remove(&mail());
        config.services.installed.insert(mail(), Arc::new(service));
    });
    until(home, |state| state == Some(ContainerState::Running)).await;
    // Who may use it is known from the next look on; before that, all who might be signed in are told of.
    tokio::time::sleep(A_WHILE).await;
    home.containers.take_ran();
}

fn name(text: &str) -> Username {
    text.parse().unwrap()
}

/// Removes the service, and leaves what it has kept.
fn leave_data(home: &Home) {
    home.core.desired.send_modify(|desired| {
        let config = desired.config.as_mut().map(Arc::make_mut).unwrap();
        config.services.installed.remove(&mail());
        config.services.kept.insert(mail(), DATA);
    });
}

async fn until(home: &Home, is_so: impl Fn(Option<ContainerState>) -> bool) {
    for _ in 0..1_000 {
        let seen = home.containers.observe().await.unwrap();
        if is_so(seen.containers.get(WEB).map(|found| found.state)) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    panic!("the container is not as it should be");
}

async fn add(home: &Home, name: &str) -> Result<Outcome, Problem> {
    let form = AccountForm {
        username: name.parse().unwrap(),
        role: Role::Member,
        password: Secret::new("correct horse battery".to_owned()),
        access_until: None,
    };
    home.core
        .act(&Caller::local(), Action::AddAccount(form))
        .await
}

async fn act(home: &Home, action: Action) -> Outcome {
    home.core.act(&Caller::local(), action).await.unwrap()
}

async fn remove(home: &Home, name: &str) {
    let username = name.parse().unwrap();
    act(home, Action::RemoveAccount { username }).await;
}

/// What ends somebody's sign-ins.
fn ends(name: &str) -> [String; 2] {
    [
        format!("{WEB}: kick {name}"),
        format!("{OUT}: close {name}"),
    ]
}

/// What was run in the containers since, once nothing more is due.
async fn told(home: &Home) -> Vec<String> {
    tokio::time::sleep(A_WHILE).await;
    home.containers.take_ran()
}

#[tokio::test(start_paused = true)]
async fn whatever_ends_a_right_to_a_service_ends_sign_ins_there() {
    let home = Home::set_up().await;
    for name in ["berta", "carl"] {
        add(&home, name).await.unwrap();
    }
    install(&home).await;
    assert_eq!(told(&home).await, Vec::<String>::new());

    let form = AppPasswordForm {
        username: Some("berta".parse().unwrap()),
        device: "Phone".parse().unwrap(),
        services: None,
    };
    let Outcome::AppPasswordAdded(made) = act(&home, Action::AddAppPassword(form)).await else {
        panic!("no app password");
    };
    let id = made.app_password.id;
    home.containers.set_deaf(Some(WEB));
    act(&home, Action::RemoveAppPassword { id }).await;
    // One that does not take it is told again, and the other is not.
    let ran = told(&home).await;
    let times = |line: &String| ran.iter().filter(|ran| *ran == line).count();
    let both = ends("berta");
    assert!(times(&both[0]) > 1 && times(&both[1]) == 1, "{ran:?}");
    home.containers.set_deaf(None);
    assert_eq!(told(&home).await, both[..1]);

    // It is for a group from now on that carl is not in.
    home.core.desired.send_modify(|desired| {
        let config = desired.config.as_mut().map(Arc::make_mut).unwrap();
        let group = "family".parse().unwrap();
        let members = ["anna", "berta"].map(|name| name.parse().unwrap()).into();
        let family = GroupConfig { members };
        config.groups.insert(group, family);
        let service = config.services.installed.get_mut(&mail()).unwrap();
        Arc::make_mut(service).groups = Some(["family".parse().unwrap()].into());
    });
    assert_eq!(told(&home).await, ends("carl"));

    // The end of access comes by itself.
    let update = AccountUpdate {
        access_until: Some(Some(clock() + Duration::from_secs(3_600))),
        ..AccountUpdate::default()
    };
    let username = "berta".parse().unwrap();
    act(&home, Action::ChangeAccount { username, update }).await;
    assert_eq!(told(&home).await, Vec::<String>::new());
    home.let_pass(Duration::from_secs(3_601));
    assert_eq!(told(&home).await, ends("berta"));
}

#[tokio::test(start_paused = true)]
async fn of_who_was_removed_everything_goes_before_the_name_is_free() {
    let home = Home::set_up().await;
    add(&home, "berta").await.unwrap();
    install(&home).await;
    home.containers.take_ran();
    // It does not run, and so cannot be told.
    home.containers.set_fleeting(true);
    home.containers.end(WEB, 1);
    home.containers.end(OUT, 1);
    remove(&home, "berta").await;
    assert_eq!(told(&home).await, Vec::<String>::new());
    assert_eq!(
        code(add(&home, "berta").await),
        (409, "name_departing".to_owned())
    );
    add(&home, "carl").await.unwrap();

    // Neither a restart changes that, nor its removal, as long as it left its data.
    let home = home.restart().await;
    assert!(home.core.people().departures.contains_key(&name("berta")));
    leave_data(&home);
    tokio::time::sleep(A_WHILE).await;
    assert_eq!(
        code(add(&home, "berta").await),
        (409, "name_departing".to_owned())
    );
    install(&home).await;
    // What was on its way goes too, before the name is free.
    let forget = [format!("{WEB}: forget berta")];
    assert_eq!(
        code(add(&home, "berta").await),
        (409, "name_departing".to_owned())
    );
    tokio::time::sleep(LONGER).await;
    assert_eq!(home.containers.take_ran(), forget);
    add(&home, "berta").await.unwrap();

    // While an update is on trial, what is removed would come back.
    let try_update = |former: Option<FormerConfig>| {
        home.core.desired.send_modify(|desired| {
            let config = desired.config.as_mut().map(Arc::make_mut).unwrap();
            let service = config.services.installed.get_mut(&mail()).unwrap();
            Arc::make_mut(service).former = former.clone();
        });
    };
    let manifest = {
        let config = home.core.desired.borrow().config.clone().unwrap();
        config.services.installed[&mail()].manifest.clone()
    };
    try_update(Some(FormerConfig {
        manifest,
        number: 9,
        origin: None,
        answers: BTreeMap::new(),
    }));
    add(&home, "dora").await.unwrap();
    remove(&home, "dora").await;
    let forgets = |ran: Vec<String>| {
        ran.into_iter()
            .filter(|line| line.contains("forget"))
            .count()
    };
    // Before it is known to be well, and stays.
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(forgets(home.containers.take_ran()), 0);
    assert_eq!(
        code(add(&home, "dora").await),
        (409, "name_departing".to_owned())
    );
    try_update(None);
    assert_eq!(forgets(told(&home).await), 1);
    tokio::time::sleep(LONGER).await;
    assert_eq!(forgets(home.containers.take_ran()), 1);
    add(&home, "dora").await.unwrap();

    // Somebody removed while only data was left; it is deleted then.
    leave_data(&home);
    remove(&home, "carl").await;
    assert_eq!(
        code(add(&home, "carl").await),
        (409, "name_departing".to_owned())
    );
    home.core.desired.send_modify(|desired| {
        let config = desired.config.as_mut().map(Arc::make_mut).unwrap();
        config.services.kept.clear();
    });
    tokio::time::sleep(A_WHILE).await;
    add(&home, "carl").await.unwrap();
    install(&home).await;

    // One that runs is told at once, first to end and then to forget.
    tokio::time::sleep(A_WHILE).await;
    remove(&home, "berta").await;
    let [kick, close] = ends("berta");
    let forget = format!("{WEB}: forget berta");
    assert_eq!(told(&home).await, [kick, close, forget]);
    tokio::time::sleep(LONGER).await;
    add(&home, "berta").await.unwrap();
    let home = home.restart().await;
    assert!(home.core.people().departures.is_empty());
}
