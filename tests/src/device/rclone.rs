//! rclone: files on the box, as folders are.

use std::io::Write;
use std::process::Stdio;

use super::{Device, Said, run};

/// A computer with a remote called `box`.
#[derive(Debug)]
pub struct Rclone {
    /// Where it runs.
    pub device: Device,
}

impl Rclone {
    /// What it says to these arguments.
    #[must_use]
    pub fn ask(&self, arguments: &[&str]) -> Said {
        let typed = &self.device.typed;
        let mut rclone = self.device.program("rclone");
        rclone
            .arg("--ca-cert")
            .arg(&self.device.authority)
            // Without tries of its own what goes wrong is seen.
            .args(["--config", "", "--retries", "1", "--low-level-retries", "1"])
            .args(arguments)
            .env("RCLONE_CONFIG_BOX_TYPE", "webdav")
            .env("RCLONE_CONFIG_BOX_VENDOR", "other")
            .env("RCLONE_CONFIG_BOX_URL", &typed.address)
            .env("RCLONE_CONFIG_BOX_USER", &typed.username)
            .env("RCLONE_CONFIG_BOX_PASS", self.obscured(&typed.password));
        run(&mut rclone)
    }

    /// What it says to these arguments; anything but success ends the test.
    ///
    /// # Panics
    /// It did not end well.
    #[track_caller]
    #[expect(clippy::must_use_candidate, reason = "what it does is what counts")]
    pub fn does(&self, arguments: &[&str]) -> String {
        self.ask(arguments).well()
    }

    /// A password as rclone keeps it.
    fn obscured(&self, password: &str) -> String {
        let mut rclone = self.device.program("rclone");
        rclone.args(["obscure", "-"]).stdin(Stdio::piped());
        let mut child = rclone.stdout(Stdio::piped()).spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all(password.as_bytes()).unwrap();
        drop(stdin);
        let output = child.wait_with_output().unwrap();
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }
}
