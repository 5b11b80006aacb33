//! A registry of images (Debian's docker-registry) over TLS, in a namespace.

use std::fs;
use std::io::Write;
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

use crate::https::{Issued, issue};
use crate::namespace::Namespace;
use crate::oci::ImageArchive;
use crate::wait_for;

/// How long it may take to answer.
const PATIENCE: Duration = Duration::from_secs(30);
/// What its manifests say they are.
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

/// A registry; ends when dropped, and what it has with it.
#[derive(Debug)]
pub struct OciRegistry {
    /// The certificate of its authority, as PEM.
    pub authority: String,
    namespace: Namespace,
    address: SocketAddr,
    name: String,
    folder: TempDir,
    process: Option<Child>,
}

impl OciRegistry {
    /// Starts one at `address` of `namespace`, under the name.
    ///
    /// # Panics
    /// It does not start.
    #[must_use]
    pub fn start_in(namespace: &Namespace, address: SocketAddr, name: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder can be made");
        let Issued {
            authority,
            certificate,
            key,
        } = issue(name, address.ip());
        let path = |file: &str| folder.path().join(file);
        let write = |file: &str, text: &str| {
            fs::write(path(file), text).expect("a file can be written");
        };
        write("authority.pem", &authority);
        write("certificate.pem", &certificate);
        write("key.pem", &key);
        let at = folder.path().display();
        write(
            "config.yml",
            &format!(
                "version: 0.1\nlog:\n  level: warn\nstorage:\n  filesystem:\n    rootdirectory: {at}/images\nhttp:\n  \
                 addr: {address}\n  tls:\n    certificate: {at}/certificate.pem\n    key: {at}/key.pem\n"
            ),
        );
        let mut registry = Self {
            authority,
            namespace: namespace.clone(),
            address,
            name: name.to_owned(),
            folder,
            process: None,
        };
        registry.resume();
        registry
    }

    /// Ends the process; what it has stays.
    pub fn stop(&mut self) {
        if let Some(mut process) = self.process.take() {
            let _ = process.kill();
            let _ = process.wait();
        }
    }

    /// Starts it again, and waits until it answers.
    ///
    /// # Panics
    /// It does not.
    pub fn resume(&mut self) {
        let mut command = self.namespace.command("docker-registry");
        let process = command
            .arg("serve")
            .arg(self.folder.path().join("config.yml"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        self.process = Some(process.expect("docker-registry is installed"));
        let answers = wait_for(PATIENCE, || {
            self.curl("/v2/")
                .output()
                .ok()?
                .status
                .success()
                .then_some(())
        });
        answers.expect("the registry answers");
    }

    /// Puts an image into a repository.
    ///
    /// # Panics
    /// The registry does not take it.
    pub fn push(&self, repository: &str, image: &ImageArchive) {
        let blobs = image.blobs();
        let manifest = blobs.get(&image.digest).expect("an image has a manifest");
        let parsed: Value = serde_json::from_slice(manifest).expect("a manifest is JSON");
        for (digest, bytes) in blobs.iter().filter(|(digest, _)| **digest != image.digest) {
            assert!(parsed.to_string().contains(digest.as_str()), "{digest}");
            let begin = format!("/v2/{repository}/blobs/uploads/");
            let head = self.send(&begin, &["--request", "POST", "--head"], &[]);
            let place = head
                .lines()
                .find_map(|line| {
                    line.to_ascii_lowercase()
                        .starts_with("location: ")
                        .then(|| &line[10..])
                })
                .expect("an upload has a place");
            let place = place.split_once(&format!(":{}", self.address.port()));
            let (_, place) = place.expect("it is on this host");
            let place = format!("{place}&digest={digest}");
            let kind = "Content-Type: application/octet-stream";
            self.send(&place, &["--request", "PUT", "--header", kind], bytes);
        }
        let kind = format!("Content-Type: {MANIFEST}");
        let place = format!("/v2/{repository}/manifests/{}", image.digest);
        self.send(&place, &["--request", "PUT", "--header", &kind], manifest);
    }

    fn send(&self, path: &str, arguments: &[&str], body: &[u8]) -> String {
        let mut curl = self.curl(path);
        curl.args(arguments).stdin(Stdio::piped());
        if !body.is_empty() {
            curl.args(["--data-binary", "@-"]);
        }
        let mut process = curl
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("curl is installed");
        let mut stdin = process.stdin.take().expect("it was asked for");
        stdin.write_all(body).expect("curl reads");
        drop(stdin);
        let output = process.wait_with_output().expect("curl ends");
        let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        assert!(output.status.success(), "{path}: {text} {output:?}");
        text
    }

    fn curl(&self, path: &str) -> Command {
        let port = self.address.port();
        let mut curl = self.namespace.command("curl");
        curl.args(["--silent", "--show-error", "--fail", "--max-time", "20"])
            .arg("--cacert")
            .arg(self.folder.path().join("authority.pem"))
            .arg("--resolve")
            .arg(format!("{}:{port}:{}", self.name, self.address.ip()))
            .arg(format!("https://{}:{port}{path}", self.name));
        curl
    }
}

impl Drop for OciRegistry {
    fn drop(&mut self) {
        self.stop();
    }
}
