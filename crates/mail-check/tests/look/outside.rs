//! Servers of others, block lists, and what the box itself serves.

use std::net::Ipv4Addr;

use cell_mail_check::{Command, Leaves, ServedPort};
use cell_model::mail::FindingState::{Failed, Ok, Unknown, Warning};
use tokio::net::TcpListener;

use crate::world::{Authority, Manner, Names, Server, assert_found, command, finding, report};

const HOST: &str = "mail.example.org";

fn direct(command: &mut Command, greeted: &[&str], port: u16, lists: &[&str]) {
    command.leaves = Leaves::Direct {
        greeted: greeted.iter().map(|name| name.parse().unwrap()).collect(),
        port,
        block_lists: lists.iter().map(|name| name.parse().unwrap()).collect(),
    };
}

/// Nobody listens there.
async fn closed_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    listener.local_addr().unwrap().port()
}

#[tokio::test]
async fn servers_of_others_are_greeted_and_left() {
    let names = Names::start().await;
    let server = Server::start(Manner::plain("220 mx.big.example ESMTP")).await;
    names.mx("big.example", 10, "mx.big.example");
    names.a("mx.big.example", Ipv4Addr::LOCALHOST);
    let mut command = command(&names);
    direct(&mut command, &["big.example"], server.address.port(), &[]);
    let greeted = report(&command).await;
    assert_found(&greeted, "port_25_out", Ok, "mx.big.example");
    assert_eq!(server.said().await, ["QUIT"]);

    direct(&mut command, &["big.example"], closed_port().await, &[]);
    let closed = report(&command).await;
    assert_found(
        &closed,
        "port_25_out",
        Failed,
        "No connection to mx.big.example",
    );
    assert!(
        finding(&closed, "port_25_out")
            .action
            .contains("open port 25 outwards")
    );
    // One of several is enough.
    names.a("small.example", Ipv4Addr::LOCALHOST);
    let port = server.address.port();
    direct(&mut command, &["none.example", "small.example"], port, &[]);
    assert_found(&report(&command).await, "port_25_out", Ok, "small.example");
    // Nobody at home is greeted, whatever a domain says.
    names.a("inside.example", [192, 168, 1, 1]);
    direct(&mut command, &["none.example", "inside.example"], port, &[]);
    assert_found(
        &report(&command).await,
        "port_25_out",
        Unknown,
        "No mail server",
    );
}

#[tokio::test]
async fn server_that_wants_nothing_from_the_address_is_quoted() {
    let names = Names::start().await;
    let words = "554 5.7.1 dynamic addresses are not welcome";
    let server = Server::start(Manner::plain(words)).await;
    names.a("big.example", Ipv4Addr::LOCALHOST);
    let mut command = command(&names);
    direct(&mut command, &["big.example"], server.address.port(), &[]);
    assert_found(&report(&command).await, "port_25_out", Failed, words);
}

#[tokio::test]
async fn block_lists_are_believed_when_they_say_something() {
    let names = Names::start().await;
    let address = "7.113.0.203";
    for list in ["good", "bad", "home"] {
        names.a(&format!("2.0.0.127.{list}.example"), [127, 0, 0, 2]);
    }
    names.a(&format!("{address}.bad.example"), [127, 0, 0, 4]);
    names.a(&format!("{address}.home.example"), [127, 0, 0, 10]);
    names.a("2.0.0.127.shy.example", [127, 255, 255, 254]);
    names.a(&format!("{address}.shy.example"), [127, 255, 255, 254]);
    // As name servers do that lead to a page of advertisements.
    names.a("2.0.0.127.lying.example", [198, 51, 100, 1]);
    names.a(&format!("{address}.lying.example"), [198, 51, 100, 1]);
    let lists =
        ["good", "bad", "home", "shy", "lying", "gone"].map(|list| format!("{list}.example"));
    let mut command = command(&names);
    direct(&mut command, &[], 25, &lists.each_ref().map(String::as_str));
    let listed = report(&command).await;
    assert_found(&listed, "block_list:good.example", Ok, "is not on");
    assert_found(
        &listed,
        "block_list:bad.example",
        Failed,
        "is on the block list",
    );
    assert_found(&listed, "block_list:home.example", Failed, "one of a home");
    assert_found(
        &listed,
        "block_list:shy.example",
        Unknown,
        "does not answer",
    );
    assert_found(&listed, "block_list:lying.example", Unknown, "no answer");
    assert_found(&listed, "block_list:gone.example", Unknown, "no answer");
}

#[tokio::test]
async fn nobody_else_is_asked_when_nothing_leaves_directly() {
    let names = Names::start().await;
    let report = report(&command(&names)).await;
    let ids: Vec<&str> = report.findings.iter().map(|f| f.id.as_str()).collect();
    assert_eq!(ids, ["domain", "port_25_in"]);
}

fn served(port: u16, server: &Server, public: bool) -> ServedPort {
    ServedPort {
        port,
        address: server.address,
        public,
    }
}

#[tokio::test]
async fn way_in_is_open_as_far_as_one_can_see() {
    let names = Names::start().await;
    let good = Manner {
        offers: ("STARTTLS", ""),
        ..Manner::plain("220 MAIL.example.org ESMTP")
    };
    let server = Server::start(good).await;
    let mut command = command(&names);
    assert_found(
        &report(&command).await,
        "port_25_in",
        Failed,
        "does not take mail",
    );
    command.served = vec![served(25, &server, false)];
    let home = report(&command).await;
    assert_found(&home, "port_25_in", Failed, "lets nobody in");
    assert!(finding(&home, "port_25_in").action.contains("Publish"));
    command.served = vec![served(25, &server, true)];
    let open = report(&command).await;
    assert_found(&open, "port_25_in", Unknown, "cannot be seen from here");
    assert!(
        finding(&open, "port_25_in")
            .action
            .contains("First mend its address")
    );
    assert_found(&open, "helo", Ok, "as mail.example.org");
    assert_found(&open, "starttls", Ok, "encrypted");

    let other = Server::start(Manner::plain("220 localhost ESMTP")).await;
    command.served = vec![served(25, &other, true)];
    let wrong = report(&command).await;
    assert_found(&wrong, "helo", Failed, "greets others as localhost");
    assert_found(&wrong, "starttls", Failed, "no encryption");
}

#[tokio::test]
async fn certificate_is_that_of_the_host() {
    let names = Names::start().await;
    let (authority, stranger) = (Authority::new(), Authority::new());
    let mut command = command(&names);
    command.authority = Some(authority.pem());
    for (signed_by, host, days, state, words) in [
        (
            &authority,
            HOST,
            20,
            Ok,
            "good for 20 more days; it is from the box's own",
        ),
        (&authority, HOST, 1, Warning, "is over in less than 3 days"),
        (&authority, HOST, -2, Failed, "is over"),
        (
            &authority,
            "www.example.org",
            20,
            Failed,
            "is not for mail.example.org",
        ),
        (&stranger, HOST, 20, Failed, "that nobody knows"),
    ] {
        let manner = Manner {
            tls: Some(signed_by.acceptor(host, days)),
            implicit: true,
            ..Manner::plain("* OK")
        };
        let server = Server::start(manner).await;
        command.served = vec![served(465, &server, false), served(993, &server, false)];
        let found = report(&command).await;
        assert_found(&found, "certificate:465", state, words);
        assert_found(&found, "certificate:993", state, words);
    }
}
