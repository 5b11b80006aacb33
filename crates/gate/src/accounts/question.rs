//! Reading what the proxy asks.

use std::net::IpAddr;

use cell_control::app_password::ServiceSignIn;
use cell_control::caller::{Caller, Credential, now_since_boot};
use cell_model::name::ServiceId;
use cell_model::secret::Secret;
use data_encoding::BASE64;
use http::header::{AUTHORIZATION, HeaderName};
use http::{HeaderMap, Request};

use crate::form::Form;

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// Why a question cannot be read. Says nothing of what was typed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum QuestionError {
    #[error("it does not name one service")]
    Service,
    #[error("it does not name one person")]
    Person,
    #[error("it does not say where the client is")]
    Source,
    #[error("it has more than one Authorization")]
    Several,
    #[error("its Authorization is not Basic as RFC 7617 has it")]
    Basic,
}

/// Who asks to use what.
#[derive(Debug)]
pub(super) struct Question {
    pub(super) caller: Caller,
    pub(super) sign_in: ServiceSignIn,
}

impl Question {
    /// Reads a question; `None` when the client has shown no name and password yet, or in another way.
    /// On a socket of one service, it is about that one whatever it says.
    pub(super) fn read<B>(
        request: &Request<B>,
        only: Option<&ServiceId>,
    ) -> Result<Option<Self>, QuestionError> {
        let service = match only {
            Some(service) => service.clone(),
            None => service(request.uri().query().unwrap_or_default())?,
        };
        let address = source(request.headers())?;
        let Some(basic) = basic(request.headers())? else {
            return Ok(None);
        };
        let (username, password) = basic.expose().split_once(':').ok_or(QuestionError::Basic)?;
        Ok(Some(Self {
            caller: Caller {
                credential: Credential::Nobody,
                address: Some(address),
                connected_at: now_since_boot(),
            },
            sign_in: ServiceSignIn {
                service,
                username: username.to_owned(),
                password: Secret::new(password.to_owned()),
            },
        }))
    }
}

/// Whom a question for a person is about.
pub(super) fn person(query: &str) -> Result<String, QuestionError> {
    let form = Form::parse(query.as_bytes()).ok_or(QuestionError::Person)?;
    match form.pairs() {
        [(name, value)] if name == "name" => Ok(value.clone()),
        _ => Err(QuestionError::Person),
    }
}

fn service(query: &str) -> Result<ServiceId, QuestionError> {
    let form = Form::parse(query.as_bytes()).ok_or(QuestionError::Service)?;
    match form.pairs() {
        [(name, value)] if name == "service" => value.parse().map_err(|_| QuestionError::Service),
        _ => Err(QuestionError::Service),
    }
}

/// The last address: the one that the proxy itself has seen. Those before it are what the client says.
fn source(headers: &HeaderMap) -> Result<IpAddr, QuestionError> {
    let last = headers.get_all(FORWARDED_FOR).iter().next_back();
    let last = last.and_then(|value| value.to_str().ok()?.rsplit(',').next());
    last.and_then(|text| text.trim().parse().ok())
        .ok_or(QuestionError::Source)
}

/// Name and password, joined by a colon.
fn basic(headers: &HeaderMap) -> Result<Option<Secret<String>>, QuestionError> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    if values.next().is_some() {
        return Err(QuestionError::Several);
    }
    let text = value.to_str().map_err(|_| QuestionError::Basic)?;
    let (scheme, encoded) = text.split_once(' ').unwrap_or((text, ""));
    if !scheme.eq_ignore_ascii_case("basic") {
        return Ok(None);
    }
    let decoded = BASE64
        .decode(encoded.trim().as_bytes())
        .map_err(|_| QuestionError::Basic)?;
    // Names and app passwords are ASCII: in whatever other charset a client writes, it is wrong, and no worse than that.
    let text = String::from_utf8(decoded)
        .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned());
    Ok(Some(Secret::new(text)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(query: &str, headers: &[(&str, &str)]) -> Result<Option<Question>, QuestionError> {
        let mut request = Request::get(format!("/check{query}"));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        Question::read(&request.body(()).unwrap(), None)
    }

    fn authorization(text: &str) -> String {
        format!("Basic {}", BASE64.encode(text.as_bytes()))
    }

    #[test]
    fn name_password_service_and_source_are_read() {
        let shown = authorization("anna:a:b");
        let headers = [
            ("x-forwarded-for", "198.51.100.7"),
            ("x-forwarded-for", "192.0.2.1, 2001:db8::7"),
            ("authorization", &shown),
        ];
        let question = read("?service=dav", &headers).unwrap().unwrap();
        let address = question.caller.address.unwrap();
        assert_eq!(address.to_string(), "2001:db8::7", "the last one");
        let sign_in = question.sign_in;
        assert_eq!(
            (sign_in.service.as_str(), &*sign_in.username),
            ("dav", "anna")
        );
        assert_eq!(sign_in.password.expose(), "a:b");
    }

    #[test]
    fn question_about_no_service_is_none() {
        for query in [
            "",
            "?service=",
            "?service=Dav",
            "?service=a/b",
            "?service=dav&service=dav",
            "?service=dav&x=1",
            "?service=%FF",
            "?name=dav",
        ] {
            let asked = read(query, &[("x-forwarded-for", "192.0.2.1")]);
            assert_eq!(asked.err(), Some(QuestionError::Service), "{query}");
        }
    }

    #[test]
    fn on_the_socket_of_a_service_questions_are_about_that_one() {
        let shown = authorization("anna:a");
        let request = Request::get("/check?service=dav&x=1")
            .header("x-forwarded-for", "192.0.2.1")
            .header("authorization", &shown);
        let mail = "mail".parse().unwrap();
        let question = Question::read(&request.body(()).unwrap(), Some(&mail));
        assert_eq!(question.unwrap().unwrap().sign_in.service, mail);
    }

    #[test]
    fn question_for_a_person_names_one() {
        assert_eq!(person("name=anna%40hut.cell").unwrap(), "anna@hut.cell");
        for bad in [
            "",
            "name=a&name=b",
            "service=mail",
            "name=%FF",
            "name=a&x=1",
        ] {
            assert_eq!(person(bad).err(), Some(QuestionError::Person), "{bad}");
        }
    }

    #[test]
    fn source_is_one_address() {
        let asked = read("?service=dav", &[]);
        assert_eq!(asked.err(), Some(QuestionError::Source));
        for bad in ["", "unknown", "192.0.2.1,", "192.0.2.1:80", "192.0.2.1 x"] {
            let asked = read("?service=dav", &[("x-forwarded-for", bad)]);
            assert_eq!(asked.err(), Some(QuestionError::Source), "{bad}");
        }
    }

    #[test]
    fn client_that_shows_nothing_is_to_be_asked() {
        let from = ("x-forwarded-for", "192.0.2.1");
        assert!(read("?service=dav", &[from]).unwrap().is_none());
        let bearer = ("authorization", "Bearer abc");
        assert!(read("?service=dav", &[from, bearer]).unwrap().is_none());
    }

    #[test]
    fn garbage_for_a_name_and_a_password_is_told_from_wrong_ones() {
        let from = ("x-forwarded-for", "192.0.2.1");
        for bad in [
            "Basic",
            "Basic *",
            "Basic YQ",
            "Basic YQ==",
            "Basic YTpi YTpi",
        ] {
            let asked = read("?service=dav", &[from, ("authorization", bad)]);
            assert_eq!(asked.err(), Some(QuestionError::Basic), "{bad}");
        }
        let shown = authorization("a:b");
        let twice = ("authorization", shown.as_str());
        let asked = read("?service=dav", &[from, twice, twice]);
        assert_eq!(asked.err(), Some(QuestionError::Several));
        // Latin-1.
        let latin = format!("bASIC {}", BASE64.encode(b"anna:p\xe4ss"));
        let asked = read("?service=dav", &[from, ("authorization", &latin)]);
        assert_eq!(asked.unwrap().unwrap().sign_in.username, "anna");
    }
}
