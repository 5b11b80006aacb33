use std::sync::Arc;

use cell_signed::SigningKey;
use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use uuid::Uuid;

use super::*;
use crate::{Ask, Credentials, Offer, Progress};
use cell_model::Timestamp;
use cell_model::config::Claims;
use cell_model::secret::Secret;
use jiff::SignedDuration;

fn identity() -> (Secret<Vec<u8>>, SignerKey) {
    let document = SigningKey::generate().unwrap();
    let key = SigningKey::from_pkcs8(document.expose()).unwrap();
    (document, key.public().into())
}

/// A box that has this certificate and answers everybody so; where it is.
async fn listens(credentials: Credentials, answer: &'static str) -> SocketAddr {
    let chain = credentials.chain_der.into_iter().map(CertificateDer::from);
    let key = PrivateKeyDer::try_from(credentials.key_der.expose().clone()).unwrap();
    let config =
        ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(chain.collect(), key)
            .unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = TlsAcceptor::from(Arc::new(config.clone()));
            let Ok(mut stream) = acceptor.accept(stream).await else {
                continue;
            };
            let mut head = [0; 4096];
            let _ = stream.read(&mut head).await;
            let _ = stream.write_all(answer.as_bytes()).await;
            let _ = stream.shutdown().await;
        }
    });
    address
}

fn offer(identity: &SignerKey) -> Offer {
    let claims: Claims = serde_json::from_value(serde_json::json!({
        "name": "beta", "identity": identity, "wireguard_key": "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",
        "endpoints": [], "domain": "beta.cell", "vpn": { "subnet": "10.2.0.0/24", "subnet6": "fd00:2::/64" },
    }))
    .unwrap();
    Offer {
        id: Uuid::nil(),
        expires_at: Timestamp::MAX,
        claims,
        secret: Secret::new([7; 32]),
    }
}

async fn calls(identity: &SignerKey, endpoints: &[SocketAddr]) -> Reply {
    let message = Message::Ask(Ask::new(&offer(identity), identity.clone()));
    call(Command {
        endpoints: endpoints
            .iter()
            .map(|address| address.to_string().parse().unwrap())
            .collect(),
        port: 1,
        name_servers: Vec::new(),
        source: None,
        identity: identity.clone(),
        message,
    })
    .await
}

const LINKED: &str = "HTTP/1.1 200 OK\r\n\r\n{\"progress\":\"linked\"}";

#[tokio::test]
async fn cell_is_known_by_its_identity_and_somebody_in_between_is_passed_by() {
    let ((document, beta), (mallory, _)) = (identity(), identity());
    let now = Timestamp::now();
    let credentials = |document, skew| Credentials::issue(document, now + skew).unwrap();
    let day = SignedDuration::from_hours(24);
    let foreign = listens(credentials(&mallory, SignedDuration::ZERO), LINKED).await;
    let found = calls(&beta, &[foreign]).await;
    assert!(
        matches!(&found, Reply::Unreached(why) if why.contains("another cell")),
        "{found:?}"
    );
    // Wherever else it is, and whatever its clock says.
    for skew in [-day, SignedDuration::ZERO, day] {
        let own = listens(credentials(&document, skew), LINKED).await;
        let found = calls(&beta, &[foreign, own]).await;
        assert!(
            matches!(
                found,
                Reply::Answered {
                    answer: Answer::Progress(Progress::Linked),
                    ..
                }
            ),
            "{found:?}"
        );
    }
}

#[tokio::test]
async fn refusal_is_passed_on_and_garbage_is_not() {
    let (document, beta) = identity();
    let answers = async |answer| {
        let credentials = Credentials::issue(&document, Timestamp::now()).unwrap();
        calls(&beta, &[listens(credentials, answer).await]).await
    };
    let refusal = answers(
        "HTTP/1.1 409 Conflict\r\n\r\n{\"status\":409,\"code\":\"subnet\",\"title\":\"Taken!!\"}",
    )
    .await;
    assert!(
        matches!(&refusal, Reply::Refused(problem) if problem.code == "subnet"),
        "{refusal:?}"
    );
    for garbage in [
        "HTTP/1.1 200 OK\r\n\r\n{}",
        "HTTP/1.1 409 Conflict\r\n\r\n{}",
        "hello\r\n\r\n",
        "",
    ] {
        let found = answers(garbage).await;
        assert!(matches!(found, Reply::Unreached(_)), "{garbage}: {found:?}");
    }
}

#[tokio::test]
async fn nobody_there_is_told() {
    let (_, beta) = identity();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    assert!(matches!(
        calls(&beta, &[address]).await,
        Reply::Unreached(_)
    ));
    assert!(matches!(calls(&beta, &[]).await, Reply::Unreached(_)));
}
