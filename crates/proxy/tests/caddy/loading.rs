//! What is loaded, what is not, and what that does to requests.

use std::process::Stdio;

use cell_model::secret::Secret;
use cell_proxy::{ProxyError, ProxyStatus};
use cell_testkit::wait_for;

use crate::host::{self, Host, PATIENCE};
use crate::{MIB, joined, talk};

#[test]
fn what_is_loaded_is_told_and_a_refused_config_changes_nothing() {
    let mut host = Host::start();
    let _accounts = host.accounts();
    let url = "https://calendar.home.example/";
    assert_eq!(host.observe().unwrap(), ProxyStatus::Empty);
    assert_eq!(host.curl(&[url]).exit, 7, "nothing listens");
    let error = host.verify(&host.spec).unwrap_err();
    assert!(matches!(error, ProxyError::NotInEffect { .. }), "{error}");

    host.apply(&host.spec).unwrap();
    host.verify(&host.spec).unwrap();
    assert_eq!(host.curl(&[url]).status, 200);

    // A key that is none.
    let none = Secret::new(b"none".to_vec());
    let key = std::mem::replace(&mut host.certificates.key_der, none);
    let error = host.apply(&host.spec).unwrap_err();
    assert!(
        matches!(error, ProxyError::Refused { status: 400, .. }),
        "{error}"
    );
    host.certificates.key_der = key;
    host.verify(&host.spec).unwrap();
    assert_eq!(host.curl(&[url]).status, 200);

    host.kill();
    let error = host.observe().unwrap_err();
    assert!(matches!(error, ProxyError::Connect(_)), "{error}");
    host.start_again();
    assert_eq!(host.observe().unwrap(), ProxyStatus::Empty);
    host.apply(&host.spec).unwrap();
    assert_eq!(host.curl(&[url]).status, 200);

    let mut less = host.spec.clone();
    less.hosts.remove(0);
    host.apply(&less).unwrap();
    host.verify(&less).unwrap();
    assert_eq!(host.curl(&[url]).exit, 35, "it is nobody's name any more");
    assert_eq!(host.curl(&["https://wiki.home.example/"]).status, 200);
    less.hosts.clear();
    less.admin = None;
    host.apply(&less).unwrap();
    assert_eq!(host.observe().unwrap(), ProxyStatus::Empty);
    let closed = wait_for(PATIENCE, || (host.curl(&[url]).exit == 7).then_some(()));
    assert!(closed.is_some());
    assert!(!host.listens_on_udp(443));
}

#[test]
fn another_config_ends_no_request_that_is_under_way() {
    let (host, _accounts) = Host::serving();
    let mut idle = host.connect("wiki.home.example");
    let ask = |connection: &mut host::Connection| {
        connection.send("HEAD / HTTP/1.1\r\nHost: wiki.home.example\r\n\r\n");
        connection.status()
    };
    assert!(ask(&mut idle).is_some());
    // What is loaded already is not loaded again, and so not even an idle connection ends.
    host.apply(&host.spec).unwrap();
    assert_eq!(ask(&mut idle).as_deref(), Some("HTTP/1.1 200 OK"));

    let mut talking = host.connect("calendar.home.example");
    talk(&mut talking, "calendar.home.example");
    let pieces = |version| {
        let url = "https://wiki.home.example/pieces/30";
        let mut command = host.curl_command(&[version, "--no-buffer", url]);
        command.stdout(Stdio::piped()).spawn().unwrap()
    };
    host.wiki.asked();
    let streams = ["--http1.1", "--http2"].map(pieces);
    let mut asked = 0;
    let begun = wait_for(PATIENCE, || {
        asked += host.wiki.asked().len();
        (asked == 2).then_some(())
    });
    assert!(begun.is_some());
    let file = host.file(4 * MIB);
    let slowly = ["--limit-rate", "2M", "--upload-file", &file];
    let mut upload = host
        .curl_command(&joined(&slowly, &["https://calendar.home.example/"]))
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let begun = wait_for(PATIENCE, || (host.calendar.received() > 0).then_some(()));
    assert!(begun.is_some());

    let mut spec = host.spec.clone();
    spec.hosts.remove(1);
    host.apply(&spec).unwrap();
    assert_eq!(host.curl(&["https://wiki.home.example/"]).exit, 35);
    talking.send("still here\n");
    assert_eq!(talking.line().as_deref(), Some("still here"));
    for stream in streams {
        let output = stream.wait_with_output().unwrap();
        assert!(output.status.success());
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert_eq!(text.lines().count(), 30, "{text}");
    }
    assert!(upload.wait().unwrap().success());
    assert_eq!(host.calendar.asked().pop().unwrap().body, 4 * MIB);
}
