//! What is dangerous, asked for by somebody whose password was proven long ago.

use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use super::*;

fn core() -> Arc<FakeControl> {
    let control = Arc::new(FakeControl::new(Stage::Ready));
    control.forget_proofs();
    control
}

/// A body that counts what is asked of it.
struct Pieces {
    left: usize,
    taken: Arc<AtomicUsize>,
}

impl http_body::Body for Pieces {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<http_body::Frame<Bytes>, Self::Error>>> {
        if self.left == 0 {
            return Poll::Ready(None);
        }
        self.left -= 1;
        self.taken.fetch_add(1, Ordering::Relaxed);
        let piece = Bytes::from(vec![0; 1 << 20]);
        Poll::Ready(Some(Ok(http_body::Frame::data(piece))))
    }
}

/// Thirty pieces of a mebibyte, and how many of them were taken.
async fn upload(control: &Arc<FakeControl>, ask: Ask) -> (Answered, usize) {
    let taken = Arc::default();
    let body = Pieces {
        left: 30,
        taken: Arc::clone(&taken),
    };
    let length = (30 << 20).to_string();
    let answered = send_to(control, ask.with("content-length", &length), body).await;
    (answered, taken.load(Ordering::Relaxed))
}

#[tokio::test]
async fn upload_is_refused_before_its_body_is_read() {
    let ask = Ask::new("POST", "/api/danger")
        .signed_in_as(Role::Admin)
        .with("content-type", "application/octet-stream");
    let (answered, taken) = upload(&core(), ask.clone().with_token()).await;
    assert_eq!(
        (answered.status, answered.code().as_str(), taken),
        (403, "reauthentication_required", 0)
    );
    let fresh = Arc::new(FakeControl::new(Stage::Ready));
    let (answered, taken) = upload(&fresh, ask.with_token()).await;
    assert_eq!((answered.status, taken), (200, 30));
}

#[tokio::test]
async fn role_comes_before_the_proof_and_all_else_after_it() {
    let control = core();
    let code = async |ask: Ask| {
        let answered = send_to(&control, ask, Full::new(Bytes::from_static(b"x"))).await;
        assert!(answered.calls.is_empty());
        (answered.status, answered.code())
    };
    let ask = Ask::new("POST", "/api/danger?q=%zz").with("origin", "https://evil.example");
    let is = |status: u16, code: &str| (status, code.to_owned());
    assert_eq!(code(ask.clone()).await, is(401, "sign_in_required"));
    let helper = ask.clone().signed_in_as(Role::Helper);
    assert_eq!(code(helper).await, is(403, "wrong_role"));
    let admin = ask.signed_in_as(Role::Admin);
    assert_eq!(code(admin).await, is(403, "reauthentication_required"));
    // Nothing else asks for a proof.
    let elsewhere = post_peer().signed_in_as(Role::Admin).json("{}");
    let answered = send_to(&control, elsewhere, Full::new(Bytes::from_static(b"{}"))).await;
    assert_eq!(answered.status, 200);
}

#[tokio::test]
async fn browser_is_led_to_the_password_and_told_where_it_was() {
    let control = core();
    let ask = |method, uri: &str| Ask::new(method, uri).signed_in_as(Role::Admin);
    for (method, uri, back) in [
        (
            "GET",
            "/danger?a=b&c=%2F",
            "next=/danger%3Fa%3Db%26c%3D%252F",
        ),
        ("HEAD", "/danger", "next=/danger"),
        ("POST", "/danger?a=b", "form=/danger"),
    ] {
        let answered = send_to(&control, ask(method, uri), Full::new(Bytes::new())).await;
        assert_eq!(answered.status, 303, "{method} {uri}");
        assert_eq!(answered.location(), format!("/reauthenticate?{back}"));
        assert!(answered.calls.is_empty());
    }
    // Whoever may not do it anyway is not asked.
    let helper = Ask::new("GET", "/danger").signed_in_as(Role::Helper);
    let answered = send_to(&control, helper, Full::new(Bytes::new())).await;
    assert_eq!(answered.status, 403);
}

#[tokio::test]
async fn browser_sends_its_file_to_the_end_before_it_is_led_on() {
    let ask = Ask::new("POST", "/danger").signed_in_as(Role::Admin);
    let form = ask.with("content-type", "multipart/form-data; boundary=edge");
    let (answered, taken) = upload(&core(), form.clone()).await;
    assert_eq!((answered.status, taken), (303, 30));
    let (answered, taken) = upload(&core(), form.with("expect", "100-continue")).await;
    assert_eq!((answered.status, taken), (303, 0), "it waits to be told");
}
