//! The real podman, with Debian's packages of the image, in a namespace: storage, processes and mounts of its own, all
//! gone when it is dropped.

use std::fs;
use std::io;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use cell_os::OsError;
use cell_os::toolbox::Toolbox;
use tempfile::TempDir;
use thiserror::Error;

use crate::namespace::Namespace;
use crate::wait_for;

/// How long podman may take to listen.
const PATIENCE: Duration = Duration::from_secs(60);

/// Runs as the first process of its own: when it ends, so does all that podman started. What podman writes goes to a
/// file system in memory above the packages, which stay as they are.
///
/// A user namespace can only be made by who is not in a changed root (user_namespaces(7)), so the root is pivoted.
const SCRIPT: &str = r#"
set -eu
packages=$1 settings=$2 run=$3 memory=$4 volumes=$5
mount --make-rprivate /
mount -t tmpfs none "$memory"
mkdir "$memory/upper" "$memory/work" "$memory/root" "$memory/storage"
root=$memory/root
mount -t overlay none -o "lowerdir=$packages,upperdir=$memory/upper,workdir=$memory/work" "$root"
cd "$root"
mkdir -p proc sys dev run tmp var/tmp var/lib/containers etc/containers old
for name in bin sbin lib lib64; do [ -e "$name" ] || ln -s "usr/$name" "$name"; done
cp "$settings"/* etc/containers/
echo root:x:0:0:root:/root:/bin/sh > etc/passwd
echo root:x:0: > etc/group
mount --bind etc etc
mount -o remount,bind,ro etc
mount -t proc none proc
mount -t sysfs none sys
mount -t cgroup2 none sys/fs/cgroup
mount --rbind /dev dev
# Podman counts its locks there (`libpod_lock`): those of a run that was killed would count for all that come after it.
mount -t tmpfs none dev/shm
mount --bind "$run" run
mount --bind "$memory/storage" var/lib/containers
mkdir -p var/lib/containers/storage/volumes
mount --bind "$volumes" var/lib/containers/storage/volumes
pivot_root . old
umount -l old
export PATH=/usr/bin:/usr/sbin
# Started again when it ends, as the box's init does.
while :; do
    podman system service --time=0 unix:///run/podman.sock || :
    sleep 0.2
done &
wait
"#;

/// What can go wrong with podman.
#[derive(Debug, Error)]
pub enum PodmanError {
    /// Its folders could not be made.
    #[error("cannot make podman's folders")]
    Folder(#[source] io::Error),
    /// It could not be started.
    #[error("cannot start podman")]
    Start(#[source] io::Error),
    /// It ended, or does not listen.
    #[error("podman does not listen: {0}")]
    Silent(String),
    /// Its packages have no command line.
    #[error("podman cannot be asked")]
    Absent(#[from] OsError),
}

/// A running `podman system service`.
#[derive(Debug)]
pub struct Podman {
    process: Child,
    namespace: Namespace,
    folder: TempDir,
    packages: PathBuf,
}

impl Podman {
    /// Starts podman in a namespace. `packages` is the folder with the image's packages, unpacked; `settings` is that of
    /// `/etc/containers`.
    ///
    /// # Errors
    /// [`PodmanError`]
    pub fn start(
        namespace: &Namespace,
        packages: &Path,
        settings: &Path,
    ) -> Result<Self, PodmanError> {
        let folder = tempfile::tempdir().map_err(PodmanError::Folder)?;
        for name in ["run", "memory", "volumes"] {
            fs::create_dir(folder.path().join(name)).map_err(PodmanError::Folder)?;
        }
        let said = fs::File::create(folder.path().join("said")).map_err(PodmanError::Folder)?;
        let errors = said.try_clone().map_err(PodmanError::Folder)?;
        let process = namespace
            .command("unshare")
            .args([
                "--mount",
                "--pid",
                "--ipc",
                "--uts",
                "--fork",
                "--kill-child",
            ])
            .args(["sh", "-c", SCRIPT, "podman"])
            .args([packages, settings])
            .args(["run", "memory", "volumes"].map(|name| folder.path().join(name)))
            .stdin(Stdio::null())
            .stdout(said)
            .stderr(errors)
            .spawn()
            .map_err(PodmanError::Start)?;
        let mut podman = Self {
            process,
            namespace: namespace.clone(),
            folder,
            packages: packages.to_owned(),
        };
        let listens = wait_for(PATIENCE, || {
            let ended = podman.process.try_wait().ok().flatten().is_some();
            (ended || podman.socket().exists()).then_some(!ended)
        });
        match listens {
            Some(true) => Ok(podman),
            _ => Err(PodmanError::Silent(podman.said())),
        }
    }

    /// The socket of its API.
    pub fn socket(&self) -> PathBuf {
        self.folder.path().join("run/podman.sock")
    }

    /// A folder that podman sees at `/run`.
    pub fn run_folder(&self) -> PathBuf {
        self.folder.path().join("run")
    }

    /// Where it has volumes, as everybody sees them.
    pub fn volumes(&self) -> PathBuf {
        self.folder.path().join("volumes")
    }

    /// One of the programs it comes with.
    pub fn program(&self, name: &str) -> PathBuf {
        self.packages.join("usr/bin").join(name)
    }

    /// The process that all its processes come from.
    pub fn process_id(&self) -> u32 {
        self.process.id()
    }

    /// A process of the container that has this address; others have the same in other worlds.
    pub fn process_at(&self, address: Ipv4Addr) -> Option<u32> {
        let line = format!("|-- {address}\n");
        let mut next = vec![self.process_id()];
        while let Some(id) = next.pop() {
            // What the process's network holds (proc_pid_net(5)): each address has a line, and one that it is its own.
            let trie = fs::read_to_string(format!("/proc/{id}/net/fib_trie")).unwrap_or_default();
            let mut behind = trie.split(&line).skip(1);
            if behind.any(|rest| rest.trim_start().starts_with("/32 host LOCAL")) {
                return Some(id);
            }
            let children = fs::read_to_string(format!("/proc/{id}/task/{id}/children"));
            let children = children.unwrap_or_default();
            next.extend(children.split(' ').filter_map(|id| id.parse::<u32>().ok()));
        }
        None
    }

    /// Its own command line, over the same socket.
    ///
    /// # Errors
    /// [`PodmanError::Absent`].
    pub fn command(&self, arguments: &[&str]) -> Result<Command, PodmanError> {
        // Outside, as the packages' own linker starts it.
        let podman = Toolbox::new(&self.packages).command("podman")?;
        let mut command = self.namespace.command(podman.get_program());
        command
            .args(podman.get_args())
            .arg("--url")
            .arg(format!("unix://{}", self.socket().display()))
            .args(arguments);
        Ok(command)
    }

    /// What the command line says, of output and errors alike.
    ///
    /// # Errors
    /// [`PodmanError::Absent`], [`PodmanError::Start`]. What it refuses is an answer.
    pub fn ask(&self, arguments: &[&str]) -> Result<String, PodmanError> {
        let output = self.command(arguments)?.output();
        let output = output.map_err(PodmanError::Start)?;
        let said = [output.stdout, output.stderr].concat();
        Ok(String::from_utf8_lossy(&said).trim().to_owned())
    }

    /// What it has said on its output.
    pub fn said(&self) -> String {
        let said = fs::read(self.folder.path().join("said")).unwrap_or_default();
        String::from_utf8_lossy(&said).into_owned()
    }
}

impl Drop for Podman {
    fn drop(&mut self) {
        // `unshare` takes its child along, and that takes everything in its process namespace.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
