//! A way out. Fields are named as the core names them, so its errors find them. Every kind has its own between those that
//! all of them have: a list for a new one, a list for one that is there, and an arm wherever kinds are told apart here.

use std::net::IpAddr;

use cell_control::change::Change;
use cell_control::connection::{
    ConnectionForm, ConnectionType, ConnectionView, ProxyForm, ProxyView, WayForm, WayView,
    WireguardExtForm,
};
use cell_model::config::ProxyScheme;
use cell_model::secret::Secret;

use super::Draft;
use super::field::{Choice, Field, Kind};

const SCHEME: &str = "config.scheme";
const HOST: &str = "config.host";
const PORT: &str = "config.port";
const USERNAME: &str = "config.username";
const PASSWORD: &str = "config.password";
const FILE: &str = "config.file";

const NAME: Field =
    Field::text("name", "Name").hint("What you call it, such as Work: letters, digits, spaces.");
const RESOLVERS: Field = Field::lines("resolvers", "Name servers")
    .hint("Addresses, one a line, at most 4: names are asked of them, by this way. Empty: the upstream servers of the box that are on the internet, or else those of Quad9.")
    .optional();
const ENABLED: Field = Field::flag("enabled", "Switched on")
    .hint("While it is off, nothing of the devices that have it leaves the box.");

const SCHEMES: &[Choice] = &[("socks5", "SOCKS5"), ("http", "HTTP, with CONNECT")];

const PROXY_SCHEME: Field = Field::one(SCHEME, "What the proxy speaks", SCHEMES);
const PROXY_HOST: Field =
    Field::text(HOST, "Host").hint("A name or an address, such as proxy.example.org.");
const PROXY_PORT: Field = Field::new(PORT, "Port", Kind::Number)
    .hint("As its provider says: often 1080 with SOCKS5, 3128 or 8080 with HTTP.");
const PROXY_USERNAME: Field = Field::text(USERNAME, "User name there")
    .hint("Empty: the box does not sign in.")
    .optional();
const PROXY_PASSWORD: Field = Field::new(PASSWORD, "Password there", Kind::Password("off"))
    .hint("Kept sealed, never shown, and told to nobody but that host.")
    .optional();

/// Fields of a new proxy.
pub(crate) const NEW_PROXY: &[Field] = &[
    NAME,
    PROXY_SCHEME,
    PROXY_HOST,
    PROXY_PORT,
    PROXY_USERNAME,
    PROXY_PASSWORD,
    RESOLVERS,
    ENABLED,
];

/// Fields of a proxy that is there.
pub(crate) const PROXY: &[Field] = &[
    NAME,
    PROXY_SCHEME,
    PROXY_HOST,
    PROXY_PORT,
    PROXY_USERNAME,
    PROXY_PASSWORD.hint("Empty: the one that is there stays, as long as host and user name do."),
    RESOLVERS,
];

const TUNNEL_FILE: Field = Field::new(FILE, "The provider's file", Kind::SecretLines)
    .hint("All of the text of the file that the provider gives for WireGuard, from [Interface] on. Its keys are kept sealed and never shown again.");
const TUNNEL_RESOLVERS: Field = RESOLVERS.hint(
    "Addresses, one a line, at most 4: names are asked of them, by this way. Empty: those that the file names, and then as usual.",
);

/// Fields of a new tunnel.
pub(crate) const NEW_TUNNEL: &[Field] = &[NAME, TUNNEL_FILE, TUNNEL_RESOLVERS, ENABLED];

/// Fields of a tunnel that is there.
pub(crate) const TUNNEL: &[Field] = &[
    NAME,
    TUNNEL_FILE
        .hint("Empty: the tunnel stays as it is.")
        .optional(),
    TUNNEL_RESOLVERS,
];

/// What a new way of a kind starts with.
pub(crate) fn proposal(kind: ConnectionType) -> Draft<'static> {
    let draft = match kind {
        ConnectionType::Proxy => Draft::new(NEW_PROXY, [(SCHEME, "socks5".to_owned())]),
        ConnectionType::WireguardExt => Draft::new(NEW_TUNNEL, []),
    };
    draft.propose(ENABLED.name, "yes")
}

/// Fields of a way that is there.
pub(crate) fn fields(way: &WayView) -> &'static [Field<'static>] {
    match way {
        WayView::Proxy(_) => PROXY,
        WayView::WireguardExt(_) => TUNNEL,
    }
}

/// The form as the way is now.
pub(crate) fn of(connection: &ConnectionView) -> Draft<'static> {
    let draft = Draft::new(fields(&connection.way), []);
    let draft = match &connection.way {
        WayView::Proxy(proxy) => of_proxy(draft, proxy),
        WayView::WireguardExt(_) => draft,
    };
    let resolvers: Vec<String> = connection.resolvers.iter().map(IpAddr::to_string).collect();
    draft
        .propose(NAME.name, connection.name.as_str())
        .propose(RESOLVERS.name, resolvers.join("\n"))
}

/// What a kind of way is called.
pub(crate) fn kind_name(way: &WayView) -> &'static str {
    match way {
        WayView::Proxy(proxy) => match proxy.scheme {
            ProxyScheme::Socks5 => "SOCKS5 proxy",
            ProxyScheme::Http => "HTTP proxy",
        },
        WayView::WireguardExt(_) => "WireGuard tunnel",
    }
}

/// Reads a new way of a kind.
pub(crate) fn parse_new(draft: &mut Draft, kind: ConnectionType) -> Option<Change> {
    let enabled = draft.flag(ENABLED.name);
    let form = form(draft, kind, enabled)?;
    draft.accept(Some(Change::AddConnection(Box::new(form))))
}

/// Reads what becomes of a way. Whether it is switched on is not in this form, and stays.
pub(crate) fn parse_change(draft: &mut Draft, connection: &ConnectionView) -> Option<Change> {
    let form = form(draft, kind(&connection.way), Some(connection.enabled))?;
    draft.accept(Some(put(connection, form)))
}

/// The way as it is, switched on or off.
pub(crate) fn switched(connection: &ConnectionView, enabled: bool) -> Change {
    let way = match &connection.way {
        WayView::Proxy(proxy) => WayForm::Proxy(ProxyForm {
            scheme: proxy.scheme,
            host: proxy.host.clone(),
            port: proxy.port,
            username: proxy.username.clone(),
            password: None,
        }),
        WayView::WireguardExt(_) => WayForm::WireguardExt(WireguardExtForm::default()),
    };
    let form = ConnectionForm {
        name: connection.name.clone(),
        enabled,
        way,
        resolvers: connection.resolvers.clone(),
    };
    put(connection, form)
}

fn put(connection: &ConnectionView, form: ConnectionForm) -> Change {
    Change::PutConnection {
        id: connection.id,
        form: Box::new(form),
    }
}

fn kind(way: &WayView) -> ConnectionType {
    match way {
        WayView::Proxy(_) => ConnectionType::Proxy,
        WayView::WireguardExt(_) => ConnectionType::WireguardExt,
    }
}

fn form(draft: &mut Draft, kind: ConnectionType, enabled: Option<bool>) -> Option<ConnectionForm> {
    let name = draft.require(NAME.name);
    let way = match kind {
        ConnectionType::Proxy => proxy(draft).map(WayForm::Proxy),
        ConnectionType::WireguardExt => tunnel(draft).map(WayForm::WireguardExt),
    };
    let resolvers = draft.maybe_with(RESOLVERS.name, addresses);
    Some(ConnectionForm {
        name: name?,
        enabled: enabled?,
        way: way?,
        resolvers: resolvers?.unwrap_or_default(),
    })
}

fn of_proxy(draft: Draft<'static>, proxy: &ProxyView) -> Draft<'static> {
    let username = proxy.username.as_ref().map(ToString::to_string);
    draft
        .propose(SCHEME, proxy.scheme.as_str())
        .propose(HOST, proxy.host.to_string())
        .propose(PORT, proxy.port.to_string())
        .propose(USERNAME, username.unwrap_or_default())
}

fn proxy(draft: &mut Draft) -> Option<ProxyForm> {
    let scheme = draft.require_with(SCHEME, |text| {
        let mut schemes = ProxyScheme::ALL.into_iter();
        let scheme = schemes.find(|scheme| scheme.as_str() == text);
        scheme.ok_or_else(|| "must be one of those shown".to_owned())
    });
    let host = draft.require(HOST);
    let port = draft.require_with(PORT, |text| match text.parse() {
        Ok(port) if port > 0 => Ok(port),
        _ => Err("must be a number from 1 to 65535".to_owned()),
    });
    let username = draft.maybe(USERNAME);
    let password = match draft.typed(PASSWORD) {
        "" => None,
        _ => draft.secret(PASSWORD),
    };
    Some(ProxyForm {
        scheme: scheme?,
        host: host?,
        port: port?,
        username: username?,
        password,
    })
}

/// What is in the file is the core's to judge.
fn tunnel(draft: &mut Draft) -> Option<WireguardExtForm> {
    let is_optional = draft.field(FILE).is_some_and(|field| field.optional);
    let file: Option<String> = match is_optional {
        true => draft.maybe(FILE)?,
        false => Some(draft.require(FILE)?),
    };
    let file = file.map(Secret::new);
    Some(WireguardExtForm { file })
}

/// Addresses, one a line.
fn addresses(text: &str) -> Result<Vec<IpAddr>, String> {
    let lines = text.lines().map(str::trim);
    let lines = lines.filter(|line| !line.is_empty());
    let address = |line: &str| {
        line.parse()
            .map_err(|_| "must be addresses, one a line, such as 9.9.9.9".to_owned())
    };
    lines.map(address).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use cell_gate::form::{Form, encode};

    const GOOD: [(&str, &str); 8] = [
        ("name", "Work"),
        (SCHEME, "http"),
        (HOST, "proxy.example.org"),
        (PORT, "3128"),
        (USERNAME, "anna"),
        (PASSWORD, " correct horse "),
        ("resolvers", "9.9.9.9\r\n\r\n 2620:fe::fe "),
        ("enabled", "yes"),
    ];

    /// What is read with another value in one field.
    fn read(field: &str, value: &str) -> (Draft<'static>, Option<ConnectionForm>) {
        let pairs = GOOD.map(|(name, good)| {
            let value = if name == field { value } else { good };
            format!("{name}={}", encode(value))
        });
        let form = Form::parse(pairs.join("&").as_bytes()).unwrap();
        let mut draft = Draft::read(NEW_PROXY, &form);
        let form = match parse_new(&mut draft, ConnectionType::Proxy) {
            Some(Change::AddConnection(form)) => Some(*form),
            _ => None,
        };
        (draft, form)
    }

    fn proxy_of(form: &ConnectionForm) -> &ProxyForm {
        match &form.way {
            WayForm::Proxy(proxy) => proxy,
            WayForm::WireguardExt(_) => panic!("{form:?}"),
        }
    }

    #[test]
    fn file_of_a_tunnel_is_passed_on_whole_and_only_one_that_is_there_may_stay() {
        let text = "[Interface]\r\nPrivateKey = x\r\n";
        let read = |fields, file: &str| {
            let form = format!("name=Sweden&{FILE}={}&enabled=yes", encode(file));
            let mut draft = Draft::read(fields, &Form::parse(form.as_bytes()).unwrap());
            let form = form_of(&mut draft);
            (draft, form)
        };
        fn form_of(draft: &mut Draft) -> Option<ConnectionForm> {
            form(draft, ConnectionType::WireguardExt, Some(true))
        }
        let file = |form: Option<ConnectionForm>| match form.unwrap().way {
            WayForm::WireguardExt(tunnel) => tunnel.file.map(|file| file.expose().clone()),
            WayForm::Proxy(_) => None,
        };
        assert_eq!(file(read(NEW_TUNNEL, text).1).unwrap().lines().count(), 2);
        assert_eq!(file(read(TUNNEL, "").1), None);
        let (draft, form) = read(NEW_TUNNEL, "");
        assert!(form.is_none() && draft.error(FILE).is_some());
    }

    #[test]
    fn proxy_is_read_as_it_was_typed() {
        let form = read("", "").1.unwrap();
        let config = proxy_of(&form);
        assert_eq!(
            (form.name.as_str(), form.enabled, config.scheme, config.port),
            ("Work", true, ProxyScheme::Http, 3128)
        );
        let password = config.password.as_ref().unwrap();
        assert_eq!(password.expose(), " correct horse ", "blanks and all");
        let resolvers: Vec<String> = form.resolvers.iter().map(IpAddr::to_string).collect();
        assert_eq!(resolvers, ["9.9.9.9", "2620:fe::fe"]);
        for empty in [USERNAME, PASSWORD, "resolvers", "enabled"] {
            assert!(read(empty, "").1.is_some(), "{empty}");
        }
        assert!(!read("enabled", "").1.unwrap().enabled);
        let without = read(PASSWORD, "").1.unwrap();
        assert!(proxy_of(&without).password.is_none());
    }

    #[test]
    fn what_is_wrong_is_said_at_its_field() {
        for (field, value) in [
            ("name", ""),
            ("name", "work/home"),
            (SCHEME, ""),
            (SCHEME, "https"),
            (HOST, ""),
            (HOST, "proxy:1080"),
            (PORT, ""),
            (PORT, "0"),
            (PORT, "65536"),
            (USERNAME, "a:b"),
            ("resolvers", "9.9.9.9\nrouter"),
            ("enabled", "on"),
        ] {
            let (draft, form) = read(field, value);
            assert!(form.is_none(), "{field}={value:?}");
            assert!(draft.error(field).is_some(), "{field}={value:?}");
            assert_eq!((draft.errors().len(), draft.typed(field)), (1, value));
        }
    }
}
