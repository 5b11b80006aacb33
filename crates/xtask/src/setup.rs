//! The programs that `run` and `test` need: found, or installed with apt after saying what for.
//!
//! With everything there, nothing is asked and nothing runs.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::cargo;
use crate::error::XtaskError;

/// What the programs are for; each includes those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Need {
    /// Make an image and boot it.
    Image,
    /// Run the daemon in namespaces.
    Run,
    Test,
}

#[derive(Debug)]
struct Tool {
    program: &'static str,
    package: &'static str,
    reason: &'static str,
    need: Need,
}

const fn tool(
    need: Need,
    program: &'static str,
    package: &'static str,
    reason: &'static str,
) -> Tool {
    Tool {
        program,
        package,
        reason,
        need,
    }
}

/// Names of Debian 12 and later.
const TOOLS: &[Tool] = &[
    tool(
        Need::Image,
        "cc",
        "build-essential",
        "links Rust programs and builds ring",
    ),
    tool(Need::Run, "ip", "iproute2", "makes namespaces and links"),
    tool(
        Need::Run,
        "nft",
        "nftables",
        "loads the daemon's packet filter",
    ),
    tool(
        Need::Run,
        "wg",
        "wireguard-tools",
        "configures WireGuard clients",
    ),
    tool(
        Need::Run,
        "busybox",
        "busybox",
        "asks for addresses by DHCP; in tests, grants them too",
    ),
    tool(Need::Run, "curl", "curl", "the HTTPS client"),
    tool(Need::Image, "openssl", "openssl", "reads certificates"),
    tool(
        Need::Test,
        "wireguard-go",
        "wireguard-go",
        "a WireGuard client that is not ours",
    ),
    tool(Need::Test, "dig", "bind9-dnsutils", "the DNS client"),
    tool(
        Need::Test,
        "pip3",
        "python3-pip",
        "fetches the packages of Python that services are made of",
    ),
    // A module and not a program: an absolute path is looked for as it is.
    tool(
        Need::Test,
        "/usr/lib/python3/dist-packages/zeroconf/__init__.py",
        "python3-zeroconf",
        "finds the box by name as others do",
    ),
    tool(
        Need::Test,
        "vdirsyncer",
        "vdirsyncer",
        "keeps calendars and contacts as others do",
    ),
    tool(
        Need::Test,
        "/usr/lib/python3/dist-packages/caldav/__init__.py",
        "python3-caldav",
        "keeps a calendar as other programs do",
    ),
    tool(Need::Test, "rclone", "rclone", "keeps files as others do"),
    tool(
        Need::Test,
        "/usr/lib/python3/dist-packages/dkim/__init__.py",
        "python3-dkim",
        "checks signatures of mail as others do",
    ),
    tool(
        Need::Test,
        "/usr/lib/python3/dist-packages/dnslib/__init__.py",
        "python3-dnslib",
        "answers for names of an internet in tests",
    ),
    tool(Need::Test, "swaks", "swaks", "sends mail as others do"),
    tool(
        Need::Test,
        "microsocks",
        "microsocks",
        "the SOCKS5 proxy that devices leave by",
    ),
    tool(
        Need::Test,
        "tinyproxy",
        "tinyproxy-bin",
        "the HTTP proxy that devices leave by",
    ),
    // What swaks needs for TLS. Its module lies where the machine's architecture and the version of Perl say.
    tool(
        Need::Test,
        "/usr/share/doc/libnet-ssleay-perl/copyright",
        "libnet-ssleay-perl",
        "lets swaks speak TLS",
    ),
    tool(
        Need::Test,
        "litmus",
        "litmus",
        "asks for files in every way that WebDAV knows",
    ),
    tool(
        Need::Test,
        "minisign",
        "minisign",
        "checks the downloads' signature as others do",
    ),
    tool(
        Need::Test,
        "ssh",
        "openssh-client",
        "signs in to the box as a helper would",
    ),
    tool(
        Need::Test,
        "ping",
        "iputils-ping",
        "the simplest proof of a path",
    ),
    tool(
        Need::Test,
        "docker-registry",
        "docker-registry",
        "the registry that images of services come from",
    ),
    tool(
        Need::Test,
        "tcpdump",
        "tcpdump",
        "sees what leaves an interface",
    ),
    tool(
        Need::Test,
        "chromium",
        "chromium",
        "the browser for the pages",
    ),
    tool(Need::Test, "node", "nodejs", "drives the browser"),
    tool(
        Need::Test,
        "grub-emu",
        "grub-emu",
        "runs the loader's script in GRUB itself",
    ),
    tool(
        Need::Test,
        "grub-script-check",
        "grub-common",
        "reads the loader's script for errors",
    ),
    tool(
        Need::Test,
        "sfdisk",
        "fdisk",
        "lays out the disks that the loader's script is run on",
    ),
    tool(
        Need::Test,
        "mformat",
        "mtools",
        "makes the file systems that the loader's script is run on",
    ),
    tool(
        Need::Test,
        "xz",
        "xz-utils",
        "unpacks a download as a person would",
    ),
    tool(
        Need::Test,
        "npm",
        "npm",
        "fetches playwright-core, which node drives the browser with, and axe-core, which finds barriers in pages",
    ),
];

/// What `cargo xtask buildroot` needs, by Debian's names: Buildroot's own list, and what its check of packages imports.
const BUILDROOT_TOOLS: &[Tool] = &[
    tool(
        Need::Test,
        "g++",
        "build-essential",
        "builds Buildroot's compiler",
    ),
    tool(Need::Test, "git", "git", "fetches the pinned Buildroot"),
    tool(Need::Test, "bc", "bc", "Buildroot needs it"),
    tool(
        Need::Test,
        "bison",
        "bison",
        "the kernel's kconfig is made with it",
    ),
    tool(Need::Test, "cpio", "cpio", "Buildroot needs it"),
    tool(Need::Test, "file", "file", "Buildroot needs it"),
    tool(
        Need::Test,
        "flake8",
        "flake8",
        "Buildroot's check of packages",
    ),
    tool(
        Need::Test,
        "flex",
        "flex",
        "the kernel's kconfig is made with it",
    ),
    tool(Need::Test, "perl", "perl", "Buildroot needs it"),
    tool(Need::Test, "python3", "python3", "Buildroot needs it"),
    tool(Need::Test, "rsync", "rsync", "Buildroot needs it"),
    tool(
        Need::Test,
        "shellcheck",
        "shellcheck",
        "Buildroot's check of packages",
    ),
    tool(Need::Test, "unzip", "unzip", "Buildroot needs it"),
    tool(Need::Test, "wget", "wget", "downloads for Buildroot"),
    // A module and not a program: an absolute path is looked for as it is.
    tool(
        Need::Test,
        "/usr/lib/python3/dist-packages/magic/__init__.py",
        "python3-magic",
        "Buildroot's check of packages",
    ),
];

/// What `cargo xtask fuzz` needs.
const FUZZ_TOOLS: &[Tool] = &[tool(
    Need::Test,
    "g++",
    "build-essential",
    "builds libFuzzer, and links Rust programs",
)];

/// What `cargo xtask bench services` needs beside what runs the daemon.
const SERVICE_BENCH_TOOLS: &[Tool] = &[tool(
    Need::Test,
    "wrk",
    "wrk",
    "asks a service as often as it answers",
)];

/// What `cargo xtask bench mail` needs beside what runs the daemon.
const MAIL_BENCH_TOOLS: &[Tool] = &[tool(
    Need::Test,
    "unshare",
    "util-linux",
    "keeps the peer's mounts and processes together",
)];

/// What a bench of ways out needs besides.
const EXITS_BENCH_TOOLS: &[Tool] = &[
    tool(
        Need::Test,
        "redsocks",
        "redsocks",
        "carries connections to a proxy as others do",
    ),
    tool(
        Need::Test,
        "sshuttle",
        "sshuttle",
        "carries connections over SSH as others do",
    ),
    tool(
        Need::Test,
        "sshd",
        "openssh-server",
        "the server that sshuttle leaves by",
    ),
    tool(
        Need::Test,
        "ssh-keygen",
        "openssh-client",
        "the client that sshuttle starts",
    ),
    tool(
        Need::Test,
        "setpriv",
        "util-linux",
        "starts a role of the daemon without rights",
    ),
];

/// What browser tests need of npm, pinned: the rules for accessible pages are part of what a test says. From 1.62 on
/// playwright-core wants a later Node.js than Debian 12 has.
const NPM_PACKAGES: &[(&str, &str)] = &[("axe-core", "4.14.1"), ("playwright-core", "1.61.1")];

/// Makes sure that everything for `need` is there.
pub(crate) fn ensure(need: Need) -> Result<(), XtaskError> {
    ensure_tools(TOOLS, need)?;
    if need == Need::Test {
        fetch_npm_packages()
    } else {
        Ok(())
    }
}

/// Makes sure that everything for `cargo xtask buildroot` is there.
pub(crate) fn ensure_buildroot() -> Result<(), XtaskError> {
    ensure_tools(BUILDROOT_TOOLS, Need::Test)
}

/// Makes sure that everything for `cargo xtask fuzz` is there.
pub(crate) fn ensure_fuzz() -> Result<(), XtaskError> {
    ensure_tools(FUZZ_TOOLS, Need::Test)
}

/// Makes sure that everything for `cargo xtask bench services` is there.
pub(crate) fn ensure_service_bench() -> Result<(), XtaskError> {
    ensure_tools(TOOLS, Need::Run)?;
    ensure_tools(SERVICE_BENCH_TOOLS, Need::Test)
}

/// Makes sure that everything for `cargo xtask bench mail` is there.
pub(crate) fn ensure_mail_bench() -> Result<(), XtaskError> {
    ensure_tools(TOOLS, Need::Run)?;
    ensure_tools(MAIL_BENCH_TOOLS, Need::Test)
}

/// Makes sure that everything for `cargo xtask bench exits` is there.
pub(crate) fn ensure_exits_bench() -> Result<(), XtaskError> {
    ensure_tools(TOOLS, Need::Test)?;
    ensure_tools(EXITS_BENCH_TOOLS, Need::Test)
}

fn ensure_tools(tools: &'static [Tool], need: Need) -> Result<(), XtaskError> {
    let path = cargo::search_path();
    let folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    let missing = missing(tools, need, &folders);
    if missing.is_empty() {
        return Ok(());
    }
    install(&missing)
}

/// Where the packages of npm are.
pub(crate) fn node_modules() -> PathBuf {
    npm_dir().join("node_modules")
}

fn missing(tools: &'static [Tool], need: Need, folders: &[PathBuf]) -> Vec<&'static Tool> {
    let is_there = |program: &str| folders.iter().any(|folder| folder.join(program).is_file());
    tools
        .iter()
        .filter(|tool| tool.need <= need && !is_there(tool.program))
        .collect()
}

fn install(tools: &[&Tool]) -> Result<(), XtaskError> {
    println!("missing programs:");
    for tool in tools {
        println!(
            "  {:<14} from {:<16} {}",
            tool.program, tool.package, tool.reason
        );
    }
    let packages: Vec<&str> = tools.iter().map(|tool| tool.package).collect();
    let is_root = rustix::process::geteuid().is_root();
    if !is_root || !Path::new("/usr/bin/apt-get").exists() {
        return Err(XtaskError::Missing {
            packages: packages.join(" "),
        });
    }
    println!("installing with apt-get; this happens once");
    cargo::succeed(apt_get().args(["update", "--quiet"]))?;
    cargo::succeed(
        apt_get()
            .args(["install", "--yes", "--quiet", "--no-install-recommends"])
            .args(&packages),
    )
}

fn apt_get() -> Command {
    let mut command = Command::new("apt-get");
    command
        .env("DEBIAN_FRONTEND", "noninteractive")
        .stdin(Stdio::null());
    command
}

fn npm_dir() -> PathBuf {
    cargo::cache_dir().join("npm")
}

fn fetch_npm_packages() -> Result<(), XtaskError> {
    let there = |(name, version): &(&str, &str)| {
        let manifest = node_modules().join(name).join("package.json");
        std::fs::read_to_string(&manifest).is_ok_and(|text| has_version(&text, version))
    };
    if NPM_PACKAGES.iter().all(there) {
        return Ok(());
    }
    let packages: Vec<String> = NPM_PACKAGES
        .iter()
        .map(|(name, version)| format!("{name}@{version}"))
        .collect();
    println!(
        "fetching {} into {}",
        packages.join(", "),
        npm_dir().display()
    );
    std::fs::create_dir_all(npm_dir()).map_err(|source| XtaskError::Read {
        path: npm_dir(),
        source,
    })?;
    let mut npm = Command::new("npm");
    npm.args([
        "install",
        "--no-audit",
        "--no-fund",
        "--ignore-scripts",
        "--prefix",
    ])
    .arg(npm_dir())
    .args(packages);
    cargo::succeed(npm.stdin(Stdio::null()))
}

fn has_version(manifest: &str, version: &str) -> bool {
    let manifest: serde_json::Value = serde_json::from_str(manifest).unwrap_or_default();
    manifest["version"] == version
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_missing_and_needed_is_named() {
        let folder = tempfile::tempdir().unwrap();
        // Modules are looked for on this very machine.
        let program = |tool: &&Tool| !Path::new(tool.program).is_absolute();
        for tool in TOOLS
            .iter()
            .filter(program)
            .filter(|tool| !["nft", "dig"].contains(&tool.program))
        {
            std::fs::write(folder.path().join(tool.program), "").unwrap();
        }
        let folders = [folder.path().to_owned()];
        let packages = |need| {
            missing(TOOLS, need, &folders)
                .into_iter()
                .filter(program)
                .map(|tool| tool.package)
                .collect::<Vec<_>>()
        };
        assert_eq!(packages(Need::Run), ["nftables"]);
        assert_eq!(packages(Need::Test), ["nftables", "bind9-dnsutils"]);
    }

    #[test]
    fn another_version_is_fetched_anew() {
        assert!(has_version(
            r#"{"name":"axe-core","version":"1.2.3"}"#,
            "1.2.3"
        ));
        assert!(!has_version(r#"{"version":"1.2.4"}"#, "1.2.3"));
        assert!(!has_version("", "1.2.3"));
    }
}
