//! Every form with every field wrong in every way: made from the route table, so that a new form is in here by itself.

mod support;

use cell_control::fake::Call;
use cell_model::account::Role;
use cell_model::problem::Problem;
use cell_webui::routes::{PAGES, Page, Post};
use cell_webui::{Field, Kind};

use support::{Answer, Site, TOKEN, audience, concrete};

/// A form whose every field is right, as one who may send it sends it.
struct Right {
    site: Site,
    role: Option<Role>,
    path: String,
    pairs: Vec<(&'static str, String)>,
}

/// Keys of a publisher, as they are handed out.
const KEYS: &str = r#"{"threshold":2,"keys":[
    "1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f",
    "a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0"]}"#;

/// Bytes, as the script sends them.
const BYTES: &str = "AAAA";

/// An invite of another cell's, as far as a page looks into it.
const INVITE: &str = r#"{"cell":"","document":{"payloadType":"","payload":"","signatures":[]}}"#;

/// What is typed into a field so that the form is accepted.
fn right(field: &Field<'static>) -> Option<&'static str> {
    let value = match (field.name, field.kind) {
        ("revision", _) => "7",
        ("type", _) => "A",
        ("value", _) => "192.0.2.7",
        // What the script sends of a passkey.
        ("public_key", Kind::Hidden) => BYTES,
        (
            "credential_id" | "client_data" | "authenticator_data" | "signature" | "user_handle",
            _,
        ) => BYTES,
        (
            "public_key"
            | "cursor"
            | "next"
            | "form"
            | "reviewed"
            | "updates.authorities"
            | "authorities",
            _,
        ) => {
            return None;
        }
        ("id", _) => "0f0f",
        ("setup_code", _) => "ABCD2345",
        ("cell_name" | "cell.name", _) => "home",
        ("domain" | "domain.name", _) => "home.cell",
        ("vpn_subnet" | "vpn.subnet", _) => "10.31.7.0/24",
        ("endpoint" | "cell.endpoint", _) => "home.example.org",
        ("upstreams", _) => "9.9.9.9",
        ("members", _) => "anna\nben",
        ("groups", _) => "family",
        ("invite", _) => INVITE,
        ("digits", _) => "123 456",
        ("updates.source", _) => "https://updates.example.org/cell",
        ("updates.window.from" | "updates.window.until", _) => "03:00",
        ("quota_mib", _) => "2 GiB",
        ("quotas", _) => "anna 4 GiB",
        ("delivery.mode", _) => "relay",
        ("delivery.relay.host", _) => "smtp.example.net",
        ("delivery.relay.port", _) => "587",
        ("config.host", _) => "proxy.example.org",
        ("config.port", _) => "1080",
        ("resolvers", _) => "9.9.9.9",
        ("from", _) => "stick",
        ("url", _) => "https://store.example.org/cell",
        ("keys", _) => KEYS,
        (name, _) if name.ends_with(".gateway") => "192.0.2.1",
        (name, _) if name.ends_with(".address") => "192.0.2.10/24",
        (_, Kind::Flag) => "yes",
        (_, Kind::Boxes(choices) | Kind::One(choices)) => choices.last()?.0,
        (_, Kind::Moment) => "2090-01-31T18:00",
        (_, Kind::TimeZone) => "Europe/Vienna",
        (_, Kind::Password(_)) => "correct horse battery",
        _ => "anna",
    };
    Some(value)
}

impl Right {
    /// As the last of those who may send it; the most trusted must be refused too.
    fn new(post: &Post) -> Self {
        let (stage, people) = audience(post.access);
        let role = people.last().copied().flatten();
        let fields = post.fields.iter();
        let mut pairs: Vec<(&'static str, String)> = fields
            .filter_map(|field| Some((field.name, right(field)?.to_owned())))
            .collect();
        if role.is_some() {
            pairs.push((TOKEN.0, TOKEN.1.to_owned()));
        }
        Self {
            site: Site::new(stage),
            role,
            path: concrete(post.path),
            pairs,
        }
    }

    /// With something else in one field.
    fn with(mut self, name: &'static str, value: &str) -> Self {
        self.pairs.retain(|(other, _)| *other != name);
        self.pairs.push((name, value.to_owned()));
        self
    }

    async fn send(&self) -> Answer {
        let pairs: Vec<(&str, &str)> = self
            .pairs
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        self.site.post(self.role, &self.path, &pairs).await
    }

    /// Sends it and makes sure that nothing was done.
    async fn refused(self, why: &str) -> Answer {
        let answer = self.send().await;
        let done =
            self.site.core.take_calls().into_iter().find(|(_, call)| {
                matches!(call, Call::Submit(_) | Call::Act(_) | Call::Preview(_))
            });
        assert!(done.is_none(), "{} {why}: {done:?}", self.path);
        answer
    }
}

fn forms() -> impl Iterator<Item = (&'static Page, &'static Post)> {
    PAGES
        .iter()
        .flat_map(|page| page.posts.iter().map(move |post| (page, post)))
        .filter(|(_, post)| !post.fields.is_empty())
}

/// What is wrong for a field whatever it means: nothing where something must be, and what no field takes.
fn wrong(field: &Field<'static>) -> Vec<String> {
    let mut wrong = Vec::new();
    let free = matches!(field.kind, Kind::Password(_))
        || matches!(
            field.name,
            "setup_code" | "next" | "form" | "id" | "cursor" | "reviewed"
        );
    // Whom nobody knows cannot sign in, however they are spelled; the core says so without telling more.
    let sign_in = field.name == "username" && matches!(field.kind, Kind::Text("username"));
    if !field.optional || field.name == "revision" {
        wrong.push(String::new());
    }
    // Bytes of a passkey and a provider's file, which only the core can tell anything of.
    let opaque = right(field) == Some(BYTES);
    let free = free || field.name == "config.file";
    if !free && !sign_in {
        wrong.extend((!opaque).then(|| "x".repeat(256)));
        wrong.extend(["a\0b".to_owned(), "\u{430}nn\u{430}".to_owned()]);
        // Whoever gave this name may have given any.
        let any_signs = ["delivery.relay.username", "config.username"].contains(&field.name);
        wrong.extend((!any_signs).then(|| "<b>\"'".to_owned()));
    }
    wrong
}

#[tokio::test]
async fn right_form_is_accepted() {
    for (_, post) in forms() {
        let right = Right::new(post);
        let answer = right.send().await;
        let known = [200, 303].contains(&answer.status);
        // What the sample box does not have cannot be taken away.
        let gone = answer.status == 404 && post.path.ends_with("/remove");
        assert!(known || gone, "{}: {answer:?}", post.path);
    }
}

#[tokio::test]
async fn wrong_field_brings_the_page_back_with_what_was_typed() {
    for (page, post) in forms() {
        for field in post.fields {
            for value in wrong(field) {
                let right = Right::new(post).with(field.name, &value);
                let why = format!("{}={value:?}", field.name);
                let answer = right.refused(&why).await;
                if post.path != page.path {
                    // Buttons carry what the page gave them: a wrong one was not made by a page of ours.
                    assert!((400..500).contains(&answer.status), "{}: {why}", post.path);
                    continue;
                }
                assert_eq!(answer.status, 422, "{}: {why}", post.path);
                let body = &answer.body;
                assert!(body.contains("<title>Error: "), "{}: {why}", post.path);
                assert!(body.contains("class=\"summary\""), "{}: {why}", post.path);
                if !matches!(field.kind, Kind::Hidden) {
                    assert!(body.contains(&format!("href=\"#{}\"", field.id())), "{why}");
                    assert!(body.contains(&format!("id=\"{}\"", field.id())), "{why}");
                }
                if matches!(field.kind, Kind::Text(_)) {
                    let kept = escaped(&value);
                    assert!(
                        body.contains(&format!("value=\"{kept}\"")),
                        "{}: {why}",
                        post.path
                    );
                }
            }
        }
    }
}

#[tokio::test]
async fn field_nobody_knows_and_field_sent_twice_are_refused() {
    for (page, post) in forms().filter(|(page, post)| page.path == post.path) {
        let mut unknown = Right::new(post);
        unknown.pairs.push(("role_of_mine", "owner".to_owned()));
        assert_eq!(
            unknown.refused("unknown").await.status,
            422,
            "{}",
            page.path
        );
        let single = |field: &&Field<'static>| {
            !matches!(field.kind, Kind::Boxes(_)) && right(field).is_some()
        };
        if let Some(field) = post.fields.iter().find(single) {
            let mut twice = Right::new(post);
            twice
                .pairs
                .push((field.name, right(field).unwrap_or_default().to_owned()));
            assert_eq!(twice.refused("twice").await.status, 422, "{}", page.path);
        }
    }
}

#[tokio::test]
async fn no_password_is_ever_sent_back() {
    for (_, post) in forms() {
        let mut right = Right::new(post);
        right.pairs.push(("role_of_mine", "owner".to_owned()));
        let answer = right.send().await;
        assert!(!answer.body.contains("correct horse"), "{}", post.path);
    }
}

#[tokio::test]
async fn form_without_its_token_or_with_a_foreign_one_is_refused() {
    for post in PAGES.iter().flat_map(|page| page.posts) {
        let right = Right::new(post);
        if right.role.is_none() {
            continue;
        }
        let stale = Right::new(post).with(TOKEN.0, "token-of-yesterday");
        assert_eq!(
            stale.refused("stale token").await.status,
            403,
            "{}",
            post.path
        );
        let mut bare = right;
        bare.pairs.retain(|(name, _)| *name != TOKEN.0);
        assert_eq!(bare.refused("no token").await.status, 403, "{}", post.path);
    }
}

#[tokio::test]
async fn whoever_may_not_send_a_form_changes_nothing() {
    for post in PAGES.iter().flat_map(|page| page.posts) {
        for role in support::ROLES {
            let mut right = Right::new(post);
            if right.role.is_none() || post.access.admits(role) {
                continue;
            }
            right.role = Some(role);
            let answer = right.refused(role.as_str()).await;
            assert_eq!(answer.status, 403, "{} as {}", post.path, role.as_str());
            assert!(answer.body.contains("<h1>"), "{}", post.path);
        }
    }
}

#[tokio::test]
async fn what_the_core_refuses_comes_back_on_the_same_page() {
    for (page, post) in forms().filter(|(page, post)| page.path == post.path) {
        for (status, shown) in [(400, 422), (409, 409), (429, 429)] {
            let problem = Problem::new(status, "some_code", "It cannot be so", "Do it otherwise.");
            let mut right = Right::new(post);
            right.site = Site::refusing(audience(post.access).0, problem);
            let answer = right.send().await;
            assert_eq!(answer.status, shown, "{} {status}: {answer:?}", page.path);
            assert!(answer.body.contains("It cannot be so"), "{}", page.path);
            assert!(answer.body.contains("<title>Error: "), "{}", page.path);
        }
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}
