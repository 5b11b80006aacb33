//! The provider that brings mail on.

use std::net::Ipv4Addr;

use cell_mail_check::{Leaves, ProviderSpec, Report};
use cell_model::mail::FindingState::{Failed, Ok, Unknown};

use crate::world::{Authority, Manner, Names, Server, assert_found, command, report};

const PROVIDER: &str = "smtp.example.net";

struct Provider {
    names: Names,
    authority: Authority,
}

impl Provider {
    async fn new() -> Self {
        let names = Names::start().await;
        names.a(PROVIDER, Ipv4Addr::LOCALHOST);
        Self {
            names,
            authority: Authority::new(),
        }
    }

    fn manner(&self, implicit: bool) -> Manner {
        Manner {
            greeting: "220 smtp.example.net ESMTP".to_owned(),
            offers: ("STARTTLS", "AUTH PLAIN LOGIN"),
            tls: Some(self.authority.acceptor(PROVIDER, 20)),
            implicit,
        }
    }

    async fn look(&self, server: &Server, implicit_tls: bool) -> Report {
        let mut command = command(&self.names);
        command.leaves = Leaves::Relay(ProviderSpec {
            host: PROVIDER.parse().unwrap(),
            port: server.address.port(),
            implicit_tls,
            signs_in: true,
            authorities: Some(self.authority.pem()),
        });
        report(&command).await
    }
}

#[tokio::test]
async fn provider_proves_who_it_is_and_offers_to_sign_in() {
    let provider = Provider::new().await;
    for implicit in [true, false] {
        let server = Server::start(provider.manner(implicit)).await;
        let report = provider.look(&server, implicit).await;
        assert_found(&report, "relay", Ok, "lets the box sign in");
        let hello = "EHLO mail.example.org";
        let told: &[&str] = match implicit {
            true => &[hello, "QUIT"],
            false => &[hello, "STARTTLS", hello, "QUIT"],
        };
        assert_eq!(server.said().await, told);
    }
}

#[tokio::test]
async fn provider_that_is_not_what_it_should_be_is_said_to_be() {
    let provider = Provider::new().await;
    let manner = || provider.manner(false);
    let cases = [
        (
            Manner {
                offers: ("SIZE 1", "AUTH PLAIN"),
                ..manner()
            },
            "offers no encryption",
        ),
        (
            Manner {
                offers: ("STARTTLS", "SIZE 1"),
                ..manner()
            },
            "lets nobody sign in",
        ),
        (
            Manner {
                tls: Some(provider.authority.acceptor("other.example.net", 20)),
                ..manner()
            },
            "is called something else",
        ),
        (
            Manner {
                tls: Some(Authority::new().acceptor(PROVIDER, 20)),
                ..manner()
            },
            "Nobody vouches for",
        ),
        (
            Manner {
                tls: Some(provider.authority.acceptor(PROVIDER, -2)),
                ..manner()
            },
            "is over",
        ),
        (
            Manner {
                greeting: "421 closed for today".to_owned(),
                ..manner()
            },
            "421 closed for today",
        ),
        (
            Manner {
                greeting: "HTTP/1.1 400 Bad Request".to_owned(),
                ..manner()
            },
            "does not speak SMTP",
        ),
    ];
    for (manner, words) in cases {
        let server = Server::start(manner).await;
        let report = provider.look(&server, false).await;
        assert_found(&report, "relay", Failed, words);
    }
}

#[tokio::test]
async fn provider_that_is_nowhere_or_at_home_is_no_provider() {
    let provider = Provider::new().await;
    let server = Server::start(provider.manner(false)).await;
    provider.names.clear(PROVIDER);
    let report = provider.look(&server, false).await;
    assert_found(&report, "relay", Failed, "has no address");
    provider.names.a(PROVIDER, [192, 168, 1, 9]);
    let report = provider.look(&server, false).await;
    assert_found(&report, "relay", Failed, "of a home network");
    provider.names.fail_at(PROVIDER);
    let report = provider.look(&server, false).await;
    assert_found(&report, "relay", Unknown, "No name server answered");
}
