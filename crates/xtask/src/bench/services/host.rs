//! A set-up cell with podman and the services that come with the box.

use std::collections::BTreeMap;
use std::fs::DirEntry;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use cell_control::change::{Change, ServiceForm, ServiceUpdate};
use cell_model::name::ServiceId;
use cell_model::secret::Secret;
use cell_testkit::world::{HOME_GATEWAY, OUTSIDE_DNS};
use cell_testkit::{ContainerOptions, Namespace, Podman, World, wait_for};
use data_encoding::BASE64;

use super::super::cell::{Cell, DOMAIN, OWNER};
use super::super::error::BenchError;
use super::super::process;
use super::MIB;
use crate::cargo::{self, Profile};
use crate::error::XtaskError;
use crate::{image, service_image};

/// The container of the proxy.
pub(super) const PROXY: &str = "cell.proxy.caddy";
/// How long a service may take before the bench gives up.
const PATIENCE: Duration = Duration::from_secs(120);
/// Bytes of a large file: enough for the start of curl to be nothing, and far more than what is kept on the way.
const LARGE: usize = 128 * 1024 * 1024;
const LARGE_PATH: &str = "/u/anna/large.bin";
/// Between two requests that ask whether it is there.
const PAUSE: Duration = Duration::from_millis(20);

/// A service that is measured.
pub(super) struct Kind {
    pub(super) id: &'static str,
    pub(super) container: &'static str,
    /// Where it listens in its container.
    pub(super) port: u16,
    /// What it is given, and gives back.
    pub(super) path: &'static str,
    content_type: &'static str,
    content: &'static str,
    pub(super) figures: Figures,
}

/// What its figures are called.
pub(super) struct Figures {
    pub(super) start: &'static str,
    pub(super) way: &'static str,
    pub(super) rate: &'static str,
    pub(super) memory: &'static str,
}

pub(super) const CALENDAR: Kind = Kind {
    id: "calendar",
    container: "cell.calendar.radicale",
    port: 5232,
    path: "/anna/calendar/one.ics",
    content_type: "text/calendar",
    content: "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//x//x//EN\r\nBEGIN:VEVENT\r\nUID:one\r\n\
              DTSTAMP:20260101T000000Z\r\nDTSTART:20260102T090000Z\r\nSUMMARY:Dentist\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n",
    figures: Figures {
        start: "services.start_calendar",
        way: "services.way_calendar",
        rate: "services.rate_calendar",
        memory: "services.memory_calendar",
    },
};

pub(super) const FILES: Kind = Kind {
    id: "files",
    container: "cell.files.copyparty",
    port: 3923,
    path: "/u/anna/note.txt",
    content_type: "text/plain",
    content: "milk and bread",
    figures: Figures {
        start: "services.start_files",
        way: "services.way_files",
        rate: "services.rate_files",
        memory: "services.memory_files",
    },
};

impl Kind {
    /// Its host.
    pub(super) fn at(&self) -> String {
        format!("https://{}.{DOMAIN}", self.id)
    }

    /// What it was given.
    pub(super) fn url(&self) -> String {
        self.at() + self.path
    }

    /// The owner's own place there, with a slash at its end: it is there with the service.
    fn place(&self) -> String {
        match self.path.rsplit_once('/') {
            Some((folder, _)) => format!("{}{folder}/", self.at()),
            None => self.at(),
        }
    }

    fn service(&self) -> ServiceId {
        self.id.parse().expect("a constant of the bench")
    }
}

/// What boxes are made of.
pub(in crate::bench) struct Parts {
    packages: PathBuf,
    services: PathBuf,
    binary: PathBuf,
}

impl Parts {
    pub(in crate::bench) fn make() -> Result<Self, XtaskError> {
        Ok(Self {
            packages: image::packages()?,
            services: service_image::for_this_machine()?,
            binary: cargo::build_celld(Profile::Release)?,
        })
    }
}

/// The box; dropped, all of it is gone.
pub(in crate::bench) struct Host {
    // Stopped before the podman that it uses.
    cell: Cell,
    podman: Podman,
    password: Secret<String>,
}

impl Host {
    pub(in crate::bench) fn set_up(parts: &Parts) -> Result<Self, XtaskError> {
        let world = World::new()?;
        let settings = cargo::root().join("rootfs-overlay/etc/containers");
        let podman = Podman::start(&world.cell, &parts.packages, &settings);
        let podman = podman.map_err(BenchError::Podman)?;
        let containers = ContainerOptions {
            podman: podman.socket(),
            volumes: podman.volumes(),
            logs: podman.run_folder(),
            packages: parts.services.clone(),
        };
        // The box asks its provider for names, and as everything at home, the laptop asks the box.
        world.cell.set_resolvers(&[OUTSIDE_DNS.into()])?;
        world.laptop.set_resolvers(&[HOME_GATEWAY.into()])?;
        let cell = Cell::set_up_in(world, parts.binary.clone(), Some(containers))?;
        let password = cell.app_password(None)?;
        Ok(Self {
            cell,
            podman,
            password,
        })
    }

    pub(in crate::bench) fn world(&self) -> &World {
        &self.cell.world
    }

    pub(super) fn laptop(&self) -> &Namespace {
        &self.cell.world.laptop
    }

    pub(super) fn cell(&self) -> &Namespace {
        &self.cell.world.cell
    }

    /// An app password of the owner's for this service or for all.
    pub(super) fn app_password(
        &self,
        service: Option<&'static str>,
    ) -> Result<Secret<String>, BenchError> {
        let id = service.map(|id| id.parse().expect("a constant of the bench"));
        self.cell.app_password(id.map(|id: ServiceId| [id].into()))
    }

    /// Installs a service. Answers how long it took from being asked for to its first answer.
    pub(super) fn install(&self, kind: &Kind) -> Result<Duration, BenchError> {
        let start = Instant::now();
        let form = ServiceForm {
            id: kind.service(),
            answers: BTreeMap::new(),
        };
        self.cell
            .submit("install a service", Change::InstallService(form))?;
        self.until_answer(kind)?;
        Ok(start.elapsed())
    }

    /// Installs a service, and has it reached from outside.
    pub(in crate::bench) fn install_published(&self, id: &str) -> Result<(), BenchError> {
        let id: ServiceId = id.parse().expect("a constant of the bench");
        let form = ServiceForm {
            id: id.clone(),
            answers: BTreeMap::new(),
        };
        let cell = &self.cell;
        cell.submit("install a service", Change::InstallService(form))?;
        let update = ServiceUpdate {
            published: Some(true),
            ..ServiceUpdate::default()
        };
        cell.submit("publish a service", Change::ChangeService { id, update })?;
        Ok(())
    }

    /// Waits for the volume whose name begins so. Answers its folder.
    pub(in crate::bench) fn volume(&self, name: &str) -> Result<PathBuf, BenchError> {
        let find = || {
            let volumes = std::fs::read_dir(self.podman.volumes()).ok()?;
            let begins = |volume: &DirEntry| volume.file_name().to_string_lossy().starts_with(name);
            volumes.flatten().find(begins).map(|volume| volume.path())
        };
        let volume = wait_for(PATIENCE, find);
        let volume = volume.ok_or_else(|| BenchError::NoVolume(name.to_owned()))?;
        Ok(volume.join("_data"))
    }

    /// Stops a service, and starts it again. Answers how long the start took.
    pub(super) fn start_anew(&self, kind: &Kind) -> Result<Duration, BenchError> {
        self.enable(kind, false)?;
        let begun = Instant::now();
        let names = ["ps", "--all", "--format", "{{.Names}}"];
        while self.podman.ask(&names)?.contains(kind.container) {
            if begun.elapsed() > PATIENCE {
                return Err(silent(kind, "it goes on"));
            }
            std::thread::sleep(PAUSE);
        }
        let start = Instant::now();
        self.enable(kind, true)?;
        self.until_answer(kind)?;
        Ok(start.elapsed())
    }

    /// Gives a service what it is to give back.
    pub(super) fn put(&self, kind: &Kind) -> Result<(), BenchError> {
        let mut curl = self.curl(&kind.url());
        curl.args(["--request", "PUT", "--data-binary", kind.content])
            .args(["--header", &format!("Content-Type: {}", kind.content_type)]);
        let said = said(&mut curl)?;
        match said.as_str() {
            "200" | "201" | "204" => Ok(()),
            _ => Err(silent(kind, &said)),
        }
    }

    /// Gives the files a large one.
    pub(super) fn put_large(&self) -> Result<(), BenchError> {
        let folder = tempfile::tempdir().map_err(BenchError::Folder)?;
        let path = folder.path().join("large");
        std::fs::write(&path, vec![b'x'; LARGE]).map_err(BenchError::Folder)?;
        let mut curl = self.curl(&(FILES.at() + LARGE_PATH));
        let said = said(curl.arg("--upload-file").arg(path))?;
        match said.as_str() {
            "200" | "201" | "204" => Ok(()),
            _ => Err(silent(&FILES, &said)),
        }
    }

    /// Fetches it; MiB a second.
    pub(super) fn large(&self) -> Result<f64, BenchError> {
        let start = Instant::now();
        let said = said(&mut self.curl(&(FILES.at() + LARGE_PATH)))?;
        match said.as_str() {
            "200" => Ok(LARGE as f64 / MIB / start.elapsed().as_secs_f64()),
            _ => Err(silent(&FILES, &said)),
        }
    }

    /// The address of a service's container.
    pub(super) fn address(&self, kind: &Kind) -> Result<String, BenchError> {
        let format = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}";
        Ok(self
            .podman
            .ask(&["inspect", "--format", format, kind.container])?)
    }

    /// The processes of a container.
    pub(in crate::bench) fn processes_of(&self, container: &str) -> Result<Vec<i32>, BenchError> {
        let monitor = self.all_of_podman().into_iter().find(|&process| {
            let words = process::words(process);
            is_monitor(&words) && words.iter().any(|word| word == container)
        });
        let monitor = monitor.ok_or_else(|| BenchError::NoContainer(container.to_owned()))?;
        Ok(process::descendants(monitor).split_off(1))
    }

    /// Podman's own processes: its API, and one that watches over each container.
    pub(super) fn podman(&self) -> Result<Vec<i32>, BenchError> {
        let mut own = self.all_of_podman();
        own.retain(|&process| {
            let words = process::words(process);
            is_monitor(&words) || words.first().is_some_and(|word| word == "podman")
        });
        match own.is_empty() {
            true => Err(BenchError::NoContainer("podman".to_owned())),
            false => Ok(own),
        }
    }

    /// The daemon and its roles.
    pub(in crate::bench) fn daemon(&self) -> Result<Vec<i32>, XtaskError> {
        let core = self.cell.celld.process_id().unwrap_or_default();
        Ok(process::descendants(core.cast_signed()))
    }

    fn all_of_podman(&self) -> Vec<i32> {
        process::descendants(self.podman.process_id().cast_signed())
    }

    fn enable(&self, kind: &Kind, enabled: bool) -> Result<(), BenchError> {
        let update = ServiceUpdate {
            enabled: Some(enabled),
            ..ServiceUpdate::default()
        };
        let id = kind.service();
        let change = Change::ChangeService { id, update };
        self.cell.submit("stop or start a service", change)?;
        Ok(())
    }

    fn until_answer(&self, kind: &Kind) -> Result<(), BenchError> {
        let start = Instant::now();
        loop {
            let mut curl = self.curl(&kind.place());
            curl.args(["--request", "PROPFIND", "--header", "Depth: 0"]);
            let said = said(&mut curl)?;
            if said == "207" {
                return Ok(());
            }
            if start.elapsed() > PATIENCE {
                return Err(silent(kind, &said));
            }
            std::thread::sleep(PAUSE);
        }
    }

    /// A request of the owner's that says its status.
    fn curl(&self, url: &str) -> Command {
        let (name, value) = authorization(&self.password);
        let mut curl = self.laptop().command("curl");
        curl.args(["--silent", "--show-error", "--noproxy", "*"])
            .args(["--max-time", "60", "--output", "/dev/null"])
            .args(["--write-out", "%{http_code}", "--cacert"])
            .arg(self.cell.celld.ca_pem())
            .args(["--header", &format!("{name}: {value}"), url]);
        curl
    }
}

/// The header that carries the owner's name and an app password. Boxes of the bench are gone when it ends, so that it
/// does no harm on a command line.
pub(super) fn authorization(password: &Secret<String>) -> (String, String) {
    let pair = format!("{OWNER}:{}", password.expose());
    let value = format!("Basic {}", BASE64.encode(pair.as_bytes()));
    ("Authorization".to_owned(), value)
}

fn silent(kind: &Kind, said: &str) -> BenchError {
    BenchError::NoAnswer {
        host: kind.id,
        limit: PATIENCE,
        said: said.to_owned(),
    }
}

fn is_monitor(words: &[String]) -> bool {
    let program = words.first().map(String::as_str).unwrap_or_default();
    program.rsplit('/').next() == Some("conmon")
}

fn said(curl: &mut Command) -> Result<String, BenchError> {
    let output = curl.output().map_err(BenchError::Curl)?;
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
