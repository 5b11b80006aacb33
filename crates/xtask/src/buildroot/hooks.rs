//! The hooks in `buildroot/hooks/`, run as Buildroot runs them on trees like its own.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use super::error::output;
use crate::cargo;

/// A target tree with what Buildroot's skeleton and packages put there, beside a workspace with our real hooks.
struct Tree {
    folder: TempDir,
}

impl Tree {
    fn new() -> Self {
        let tree = Self {
            folder: tempfile::tempdir().unwrap(),
        };
        let accounts = "root:x:0:0:root:/root:/bin/sh\ndaemon:x:1:1::/:/bin/false\nnobody:x:65534:65534::/:/bin/false\n";
        tree.write("target/etc/passwd", accounts);
        tree.write(
            "target/etc/group",
            "root:x:0:\nwww-data:x:33:\nnogroup:x:65534:\n",
        );
        tree.write("target/etc/shadow", "root:*:::::::\ndaemon:*:::::::\n");
        tree.write("target/etc/init.d/rcS", "overlay");
        tree.write("target/etc/init.d/S50dropbear", "package");
        tree.write("target/usr/bin/su", "");
        tree.write("target/usr/bin/celld", "");
        tree.write("target/tmp/.keep", "");
        tree.write("target/root/.keep", "");
        tree.write("target/THIS_IS_NOT_YOUR_ROOT_FILESYSTEM", "");
        tree.write("cell/rootfs-overlay/etc/init.d/rcS", "overlay");
        tree.write("cell/buildroot/external.desc", "");
        tree.write("images/bzImage", "kernel");
        tree.write("host/bin/.keep", "");
        tree.write("build/grub2-2.12/build-x86_64-efi/grub-core/fat.mod", "");
        tree
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        fs::create_dir_all(self.path(name).parent().unwrap()).unwrap();
        fs::write(self.path(name), text).unwrap();
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    fn mode(&self, name: &str) -> u32 {
        self.path(name).metadata().unwrap().permissions().mode() & 0o7777
    }

    fn hook(&self, name: &str, first: &str) -> Command {
        let mut hook = Command::new(hooks().join(name));
        hook.args([self.path(first), "x86_64-uefi".into()])
            .env("TARGET_DIR", self.path("target"))
            .env("BUILD_DIR", self.path("build"))
            .env("HOST_DIR", self.path("host"))
            .env("BR2_EXTERNAL_CELL_PATH", self.path("cell/buildroot"))
            .env_remove("CELL_OS");
        hook
    }
}

fn hooks() -> PathBuf {
    cargo::root().join("buildroot/hooks")
}

#[test]
fn only_what_the_overlay_starts_is_started() {
    let tree = Tree::new();
    output(&mut tree.hook("post-build.sh", "target")).unwrap();
    assert!(tree.path("target/etc/init.d/rcS").exists());
    assert!(!tree.path("target/etc/init.d/S50dropbear").exists());
}

#[test]
fn nobody_but_root_has_an_account_and_nobody_can_become_another() {
    let tree = Tree::new();
    let helper = tree.path("target/usr/bin/celld");
    fs::set_permissions(helper, fs::Permissions::from_mode(0o4755)).unwrap();
    output(&mut tree.hook("post-build.sh", "target")).unwrap();
    let names = |file| {
        let text = tree.read(file);
        let names = text
            .lines()
            .map(|line| line.split(':').next().unwrap().to_owned());
        names.collect::<Vec<_>>()
    };
    assert_eq!(names("target/etc/passwd"), ["root", "nobody"]);
    assert_eq!(names("target/etc/group"), ["root", "nogroup"]);
    assert_eq!(names("target/etc/shadow"), ["root"]);
    assert!(!tree.path("target/usr/bin/su").exists());
    assert_eq!(tree.mode("target/usr/bin/celld"), 0o755);
}

#[test]
fn accounts_of_the_overlay_are_left_as_they_are() {
    let tree = Tree::new();
    tree.write("cell/rootfs-overlay/etc/passwd", "");
    let before = tree.read("target/etc/passwd");
    output(&mut tree.hook("post-build.sh", "target")).unwrap();
    assert_eq!(tree.read("target/etc/passwd"), before);
}

#[test]
fn a_root_that_can_sign_in_stops_the_build() {
    let tree = Tree::new();
    tree.write("target/etc/shadow", "root::::::::\n");
    let error = output(&mut tree.hook("post-build.sh", "target")).unwrap_err();
    assert!(error.to_string().contains("root can sign in"), "{error}");
}

#[test]
fn modes_and_mount_points_are_those_of_a_root() {
    let tree = Tree::new();
    // Buildroot calls its hooks again on the same tree when something is built anew.
    for _ in 0..2 {
        output(&mut tree.hook("post-build.sh", "target")).unwrap();
    }
    assert_eq!(tree.mode("target/tmp"), 0o1777);
    assert_eq!(tree.mode("target/root"), 0o700);
    assert_eq!(tree.mode("target/etc/shadow"), 0o600);
    assert!(tree.path("target/state").is_dir() && tree.path("target/data").is_dir());
}

#[test]
fn the_assembler_gets_root_kernel_boards_and_a_toolbox() {
    let tree = Tree::new();
    tree.write("cell-os", "#!/bin/sh\necho \"$@\"\nls \"$5\"\n");
    fs::set_permissions(tree.path("cell-os"), fs::Permissions::from_mode(0o755)).unwrap();
    let mut hook = tree.hook("post-image.sh", "images");
    let said = output(hook.env("CELL_OS", tree.path("cell-os"))).unwrap();
    let (root, images) = (tree.path("build/cell-root"), tree.path("images"));
    let expected = format!(
        "assemble --board x86_64-uefi --root {} --kernel {} --toolbox {} --boards {} --out {}\netc\nroot\ntmp\nusr\n",
        root.display(),
        images.join("bzImage").display(),
        tree.path("build/cell-toolbox").display(),
        tree.path("cell/buildroot/../board").display(),
        images.display(),
    );
    assert_eq!(said, expected);
}

#[test]
fn the_toolbox_runs_buildroots_programs_and_holds_grubs_modules() {
    let tree = Tree::new();
    tree.write("cell-os", "#!/bin/sh\n");
    fs::set_permissions(tree.path("cell-os"), fs::Permissions::from_mode(0o755)).unwrap();
    fs::copy("/bin/true", tree.path("host/bin/mkfs.fat")).unwrap();
    let mut hook = tree.hook("post-image.sh", "images");
    output(hook.env("CELL_OS", tree.path("cell-os"))).unwrap();
    let toolbox = cell_os::toolbox::Toolbox::new(tree.path("build/cell-toolbox"));
    cell_os::toolbox::run(&mut toolbox.command("mkfs.fat").unwrap()).unwrap();
    assert!(toolbox.path("usr/lib/grub/x86_64-efi/fat.mod").is_file());
}

#[test]
fn without_an_assembler_the_hook_says_what_to_run() {
    let tree = Tree::new();
    let error = output(&mut tree.hook("post-image.sh", "images")).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("cargo xtask image --base buildroot"),
        "{error}"
    );
}

#[test]
fn hooks_are_short() {
    for hook in fs::read_dir(hooks()).unwrap() {
        let path: PathBuf = hook.unwrap().path();
        let lines = lines(&path);
        assert!(lines <= 70, "{} has {lines} lines", path.display());
    }
}

fn lines(path: &Path) -> usize {
    fs::read_to_string(path).unwrap().lines().count()
}
