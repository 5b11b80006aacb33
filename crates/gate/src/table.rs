//! Which route a request is for.

use std::collections::BTreeMap;

use http::Method;
use matchit::Router;

use crate::form::{Plus, decode};
use crate::gate::RouteCollision;
use crate::route::{Access, Route};

/// Routes of one face, by path.
pub(crate) struct Table {
    router: Router<Vec<&'static Route>>,
}

/// What the table says about a path and method.
pub(crate) enum Match {
    /// This route, with the decoded parts of its path.
    Route(&'static Route, Vec<(String, String)>),
    /// The path is known, the method is not. The most open access of its routes: whoever may use the path by some
    /// method is told which.
    Method { allow: String, access: Access },
    /// No such path.
    Nothing,
}

impl Table {
    pub(crate) fn new(routes: &'static [Route]) -> Result<Self, RouteCollision> {
        let mut paths: BTreeMap<&str, Vec<&'static Route>> = BTreeMap::new();
        for route in routes {
            let same = paths.entry(route.path).or_default();
            if same.iter().any(|other| other.method == route.method) {
                return Err(RouteCollision(format!("{} {}", route.method, route.path)));
            }
            same.push(route);
        }
        let mut router = Router::new();
        for (path, routes) in paths {
            router
                .insert(path, routes)
                .map_err(|error| RouteCollision(format!("{path} ({error})")))?;
        }
        Ok(Self { router })
    }

    pub(crate) fn find(&self, method: &Method, path: &str) -> Match {
        let Ok(found) = self.router.at(path) else {
            return Match::Nothing;
        };
        let params = found
            .params
            .iter()
            .map(|(name, value)| Some((name.to_owned(), decode(value.as_bytes(), Plus::Plus)?)));
        // A part that is not text names nothing.
        let Some(params) = params.collect::<Option<_>>() else {
            return Match::Nothing;
        };
        let wanted = if method == Method::HEAD {
            &Method::GET
        } else {
            method
        };
        match found.value.iter().find(|route| route.method == *wanted) {
            Some(route) => Match::Route(route, params),
            None => Match::Method {
                allow: allow(found.value),
                access: most_open(found.value),
            },
        }
    }
}

fn allow(routes: &[&Route]) -> String {
    let mut methods: Vec<&str> = routes.iter().map(|route| route.method.as_str()).collect();
    if methods.contains(&"GET") {
        methods.push("HEAD");
    }
    methods.sort_unstable();
    methods.join(", ")
}

fn most_open(routes: &[&Route]) -> Access {
    let rank = |access: &Access| match access {
        Access::Open => (0, None),
        Access::Setup => (1, None),
        Access::SignIn => (2, None),
        Access::SignedIn => (3, None),
        Access::AtLeast(role) => (4, Some(*role)),
        Access::Only(role) => (5, Some(*role)),
    };
    routes
        .iter()
        .map(|route| route.access)
        .min_by_key(rank)
        .unwrap_or(Access::SignedIn)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reply::Reply;
    use crate::route::{Body, Handler};
    use cell_model::account::Role;

    const HANDLER: Handler = |_| Box::pin(async { Ok(Reply::no_content()) });

    const fn row(method: Method, path: &'static str, access: Access) -> Route {
        Route {
            method,
            path,
            access,
            dangerous: false,
            scope: None,
            body: Body::None,
            limit: Route::LIMIT,
            handler: HANDLER,
        }
    }

    static ROUTES: [Route; 3] = [
        row(Method::GET, "/peers/{name}", Access::AtLeast(Role::Helper)),
        row(Method::PUT, "/peers/{name}", Access::AtLeast(Role::Admin)),
        row(Method::POST, "/peers", Access::AtLeast(Role::Admin)),
    ];

    #[test]
    fn parts_of_the_path_are_decoded_once() {
        let table = Table::new(&ROUTES).unwrap();
        let Match::Route(route, params) = table.find(&Method::HEAD, "/peers/a+%2Fb%2520") else {
            panic!("not found");
        };
        assert_eq!(route.method, Method::GET);
        assert_eq!(params, [("name".to_owned(), "a+/b%20".to_owned())]);
    }

    #[test]
    fn known_path_tells_its_methods_to_whom_it_is_most_open() {
        let table = Table::new(&ROUTES).unwrap();
        let Match::Method { allow, access } = table.find(&Method::OPTIONS, "/peers/a") else {
            panic!("found");
        };
        assert_eq!(allow, "GET, HEAD, PUT");
        assert_eq!(access, Access::AtLeast(Role::Helper));
    }

    #[test]
    fn other_spellings_of_a_path_are_other_paths() {
        let table = Table::new(&ROUTES).unwrap();
        for path in [
            "",
            "/",
            "/peers/",
            "//peers",
            "/peers/a/",
            "/peers/%ff",
            "/Peers",
            "/./peers",
            "*",
        ] {
            assert!(
                matches!(table.find(&Method::POST, path), Match::Nothing),
                "{path}"
            );
        }
    }

    #[test]
    fn same_route_twice_is_a_collision() {
        static TWICE: [Route; 2] = [
            row(Method::GET, "/a", Access::Open),
            row(Method::GET, "/a", Access::SignedIn),
        ];
        static OVERLAP: [Route; 2] = [
            row(Method::GET, "/a/{b}", Access::Open),
            row(Method::GET, "/a/{c}", Access::Open),
        ];
        assert!(Table::new(&TWICE).is_err());
        assert!(Table::new(&OVERLAP).is_err());
    }
}
