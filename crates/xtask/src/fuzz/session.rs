//! One target at work.

use std::fs;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use cell_fuzz::{CHOICE, Target};
use sha2::{Digest, Sha256};

use super::outcome::{Outcome, summary};
use super::report::Report;
use crate::cargo;
use crate::error::XtaskError;
use crate::signals::StopRequest;

/// How often is said how far it has come.
const PROGRESS: Duration = Duration::from_secs(60);
/// An input that takes longer is a finding.
const SLOWEST: Duration = Duration::from_secs(10);
/// Megabytes. The targets need 50; libFuzzer's own tables grow with the corpus.
const MEMORY: u32 = 512;
/// Lines of what it said last that a finding is shown with.
const LAST_LINES: usize = 40;

/// A target, and where it is kept what it found: `corpus` and `findings`, for the next time, and a `log`.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) target: &'static Target,
    pub(super) program: PathBuf,
    pub(super) folder: PathBuf,
}

impl Session {
    /// Tries inputs for so long, or until one breaks a promise.
    pub(super) fn run(&self, time: Duration, stop: &StopRequest) -> Result<Outcome, XtaskError> {
        let [corpus, findings, seeds] =
            ["corpus", "findings", "seeds"].map(|name| self.folder.join(name));
        // What an input writes goes to memory where the machine has a folder there; a crash leaves it behind.
        let scratch = scratch().map_err(|source| self.unusable(source))?;
        self.write_seeds(&seeds)
            .and_then(|()| fs::create_dir_all(&corpus))
            .and_then(|()| fs::create_dir_all(&findings))
            .map_err(|source| self.unusable(source))?;
        let mut command = self.command();
        command
            .arg(format!("-max_total_time={}", time.as_secs()))
            .arg(format!("-max_len={}", self.target.longest))
            .arg(format!("-artifact_prefix={}/", findings.display()))
            .args(["-print_final_stats=1", "-reload=0", "-use_value_profile=1"])
            .args([&corpus, &seeds])
            .env("TMPDIR", scratch.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        let begin = Instant::now();
        let child = command.spawn().map_err(|source| XtaskError::Start {
            program: cargo::shown(&command),
            source,
        })?;
        let ended = self.watch(child, stop);
        let (report, status) = ended.map_err(|source| self.unusable(source))?;
        let outcome = Outcome {
            name: self.target.name,
            report,
            time: begin.elapsed(),
            status,
        };
        if !outcome.is_clean() {
            self.show_end();
        }
        println!("{outcome}");
        Ok(outcome)
    }

    /// Waits for its end, which comes at once when the person asks for it.
    fn watch(&self, mut child: Child, stop: &StopRequest) -> io::Result<(Report, ExitStatus)> {
        let said = child.stderr.take();
        std::thread::scope(|scope| {
            let reader = scope.spawn(|| said.map(|said| self.follow(said)).transpose());
            let status = loop {
                if stop.is_made() {
                    // It may have ended by itself.
                    let _ = child.kill();
                }
                match child.try_wait() {
                    Ok(None) => std::thread::sleep(Duration::from_millis(200)),
                    Ok(Some(status)) => break Ok(status),
                    Err(source) => break Err(source),
                }
            };
            let report = reader.join().unwrap_or_else(|panic| resume_unwind(panic));
            Ok((report?.unwrap_or_default(), status?))
        })
    }

    /// Runs the target on one file, with all that it says.
    pub(super) fn repeat(&self, input: &Path) -> Result<(), XtaskError> {
        // The program runs in the workspace's root, and the person may be elsewhere.
        let input = input.canonicalize().map_err(|source| XtaskError::Read {
            path: input.to_owned(),
            source,
        })?;
        cargo::succeed(self.command().arg(input))
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command
            .arg(format!("-rss_limit_mb={MEMORY}"))
            .arg(format!("-timeout={}", SLOWEST.as_secs()))
            .env(CHOICE, self.target.name)
            .env("RUST_BACKTRACE", "1");
        command
    }

    /// Named by their content, as libFuzzer does.
    fn write_seeds(&self, folder: &Path) -> io::Result<()> {
        match fs::remove_dir_all(folder) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => fs::create_dir_all(folder)?,
        }
        for seed in (self.target.seeds)() {
            let name = data_encoding::HEXLOWER.encode(&Sha256::digest(&seed)[..8]);
            fs::write(folder.join(name), seed)?;
        }
        Ok(())
    }

    /// Reads what the program says to its end, and repeats now and then how far it has come.
    fn follow(&self, said: impl Read) -> io::Result<Report> {
        let mut log = fs::File::create(self.log())?;
        let mut report = Report::default();
        let begin = Instant::now();
        let mut next = PROGRESS;
        for line in BufReader::new(said).split(b'\n') {
            let line = line?;
            log.write_all(&line)?;
            log.write_all(b"\n")?;
            report.read(&String::from_utf8_lossy(&line));
            if begin.elapsed() >= next {
                println!("{}", summary(self.target.name, &report, begin.elapsed()));
                next = begin.elapsed() + PROGRESS;
            }
        }
        Ok(report)
    }

    fn show_end(&self) {
        let log = fs::read(self.log()).unwrap_or_default();
        let log = String::from_utf8_lossy(&log);
        // How far it has come is in the summary.
        let words = log.lines().filter(|line| !line.starts_with('#'));
        let lines: Vec<&str> = words.collect();
        for line in &lines[lines.len().saturating_sub(LAST_LINES)..] {
            println!("  {line}");
        }
    }

    fn log(&self) -> PathBuf {
        self.folder.join("log")
    }

    fn unusable(&self, source: io::Error) -> XtaskError {
        XtaskError::Fuzz {
            folder: self.folder.clone(),
            source,
        }
    }
}

fn scratch() -> io::Result<tempfile::TempDir> {
    let memory = Path::new("/dev/shm");
    match memory.is_dir() {
        true => tempfile::tempdir_in(memory),
        false => tempfile::tempdir(),
    }
}
