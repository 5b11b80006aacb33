//! Methods, sizes, decoding and headers.

use super::*;

#[tokio::test]
async fn unknown_methods_are_told_the_known_ones() {
    for method in ["OPTIONS", "FOO", "TRACE", "PROPFIND", "get"] {
        let answered = send(Ask::new(method, "/api/peers").signed_in_as(Role::Helper)).await;
        assert_eq!(
            (answered.status, answered.code().as_str()),
            (405, "method_not_allowed")
        );
        assert_eq!(answered.headers[ALLOW], "GET, HEAD, POST");
        assert!(!answered.headers.contains_key("access-control-allow-origin"));
    }
    assert_eq!(send(Ask::new("OPTIONS", "/health")).await.status, 405);
}

#[tokio::test]
async fn head_is_get_without_a_body() {
    let get = send(Ask::new("GET", "/api/peers").signed_in_as(Role::Helper)).await;
    let head = send(Ask::new("HEAD", "/api/peers").signed_in_as(Role::Helper)).await;
    assert_eq!((head.status, head.body.as_str()), (200, ""));
    assert_eq!(
        head.headers["content-length"],
        get.body.len().to_string().as_str()
    );
}

#[tokio::test]
async fn head_never_reaches_the_core_with_an_act() {
    let get = send(Ask::new("GET", "/api/acts").signed_in_as(Role::Owner)).await;
    assert_eq!((get.status, get.calls.len()), (204, 1));
    let head = send(Ask::new("HEAD", "/api/acts").signed_in_as(Role::Owner)).await;
    assert_eq!((head.status, head.calls.len()), (500, 0));
}

#[tokio::test]
async fn ten_megabytes_are_too_much_for_everyone_who_may_send() {
    let big = vec![b' '; 10 * 1024 * 1024];
    let answered = send(post_peer().json(big.clone())).await;
    assert_eq!(
        (answered.status, answered.code().as_str()),
        (413, "too_large")
    );
    let nobody = Ask::new("POST", "/api/peers").json(big.clone());
    assert_eq!(send(nobody).await.status, 401);
    let sign_in = Ask::new("POST", "/api/auth/login").json(big);
    assert_eq!(send(sign_in).await.status, 413);
}

#[tokio::test]
async fn handler_sees_decoded_parts_and_the_body() {
    let ask = Ask::new("DELETE", "/api/peers/a%20b?q=1+2")
        .signed_in_as(Role::Admin)
        .with_token();
    let seen: serde_json::Value = serde_json::from_str(&send(ask).await.body).unwrap();
    assert_eq!(
        (&seen["name"], &seen["q"], &seen["who"]),
        (&"a b".into(), &"1 2".into(), &"admin".into())
    );
}

#[tokio::test]
async fn every_answer_is_protected() {
    for ask in [
        Ask::new("GET", "/health"),
        Ask::new("GET", "/unknown"),
        Ask::new("GET", "/api/unknown"),
        Ask::new("GET", "/").without("host"),
    ] {
        let answered = send(ask).await;
        assert_eq!(answered.headers["x-content-type-options"], "nosniff");
        assert_eq!(answered.headers["cache-control"], "no-store");
        assert!(answered.headers.contains_key("content-security-policy"));
        assert!(!answered.headers.contains_key("www-authenticate"));
    }
}

fn stream(uri: &str, length: usize) -> Ask {
    let mut ask = Ask::new("POST", uri)
        .signed_in_as(Role::Admin)
        .with_token()
        .with("content-type", "application/octet-stream");
    ask.body = vec![7; length];
    ask
}

#[tokio::test]
async fn stream_is_handed_over_up_to_its_limit_and_in_its_type() {
    let answered = send(stream("/api/stream", 100_000)).await;
    assert_eq!(
        (answered.status, answered.body.as_str()),
        (200, "{\"bytes\":100000}")
    );
    let answered = send(stream("/api/stream", 0).without("content-type")).await;
    assert_eq!(answered.body, "{\"bytes\":0}");
    let answered = send(stream("/api/stream", 100_001)).await;
    assert_eq!(
        (answered.status, answered.code().as_str()),
        (413, "too_large")
    );
    let answered = send(stream("/api/stream", 1).without("content-type")).await;
    assert_eq!(answered.status, 415);
    let packed = stream("/api/stream", 1).with("content-encoding", "gzip");
    assert_eq!(send(packed).await.code(), "unsupported_encoding");
    let answered = send(stream("/api/stream?quick=1", 90_000)).await;
    assert_eq!(answered.status, 200, "answered before it was read");
    let answered = send(stream("/api/stream", 9).signed_in_as(Role::Helper)).await;
    assert_eq!(answered.status, 403);
}
