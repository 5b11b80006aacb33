//! What is put on a web page for people: packed and virtual forms of the image, their checksums, and a signature of these.
//!
//! The signature is minisign's, so that whoever downloads needs nothing of ours: `minisign -V -m cell-BOARD.SHA256SUMS -p cell.pub`.
//! Without `CELL_SIGNING_KEY` a development key is taken, made once a machine, outside the tree.

use std::fs;
use std::io::Cursor;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use cell_os::OsError;
use cell_os::downloads::Form;
use cell_os::toolbox::Toolbox;
use minisign::{KeyPair, PublicKey, SecretKey, SecretKeyBox};

use crate::cargo;
use crate::error::XtaskError;

/// The secret key to sign with, as `minisign -G -W` makes it.
const KEY: &str = "CELL_SIGNING_KEY";
const SUMS: &str = "SHA256SUMS";
const PUBLIC: &str = "cell.pub";

/// Makes all forms of `disk` in `out`, then their checksums and signature.
pub(super) fn make(
    disk: &Path,
    board: &str,
    out: &Path,
    toolbox: &Toolbox,
) -> Result<(), XtaskError> {
    let name = format!("cell-{board}");
    let mut files = Vec::new();
    for form in Form::ALL {
        println!("  making {name}.{}", form.suffix());
        files.push(form.make(disk, &name, out, toolbox)?);
    }
    // What else is offered beside them.
    files.extend(["img", "spdx.json", "lock"].map(|suffix| out.join(format!("{name}.{suffix}"))));
    sign(&name, &files, out, &Signer::find()?)
}

/// Writes what `sha256sum --check` and `minisign -V` read.
fn sign(name: &str, files: &[PathBuf], out: &Path, key: &Signer) -> Result<(), XtaskError> {
    let list = out.join(format!("{name}.{SUMS}"));
    let mut sums = String::new();
    for file in files {
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        sums.push_str(&format!("{}  {name}\n", cell_os::digest_of(file)?));
    }
    let signature = minisign::sign(
        Some(&key.public),
        &key.secret,
        Cursor::new(&sums),
        Some(&format!("version {}", env!("CARGO_PKG_VERSION"))),
        Some("signature of the Personal Internet Cell's downloads"),
    )
    .map_err(|source| XtaskError::Sign {
        path: list.clone(),
        source,
    })?;
    let public = key.public.to_box().map_err(|source| XtaskError::Sign {
        path: out.join(PUBLIC),
        source,
    })?;
    super::write(&list, &sums)?;
    super::write(
        &out.join(format!("{name}.{SUMS}.minisig")),
        &signature.into_string(),
    )?;
    super::write(&out.join(PUBLIC), &public.into_string())
}

/// Who vouches for the downloads.
struct Signer {
    secret: SecretKey,
    public: PublicKey,
}

impl Signer {
    fn find() -> Result<Self, XtaskError> {
        match std::env::var_os(KEY) {
            Some(path) => Self::read(Path::new(&path)),
            None => Self::development(&cargo::cache_dir().join("keys")),
        }
    }

    fn read(path: &Path) -> Result<Self, XtaskError> {
        let text = fs::read_to_string(path).map_err(|source| XtaskError::Read {
            path: path.to_owned(),
            source,
        })?;
        let unusable = |source| XtaskError::Sign {
            path: path.to_owned(),
            source,
        };
        let secret = SecretKeyBox::from_string(&text)
            .and_then(SecretKeyBox::into_unencrypted_secret_key)
            .map_err(unusable)?;
        let public = PublicKey::from_secret_key(&secret).map_err(unusable)?;
        Ok(Self { secret, public })
    }

    /// The key of this machine's own builds; nobody else has a reason to trust it.
    fn development(folder: &Path) -> Result<Self, XtaskError> {
        let path = folder.join("downloads.key");
        if path.exists() {
            return Self::read(&path);
        }
        println!("  making a development key, {}", path.display());
        let unusable = |source| XtaskError::Sign {
            path: path.clone(),
            source,
        };
        let pair = KeyPair::generate_unencrypted_keypair().map_err(unusable)?;
        let text = pair.sk.to_box(None).map_err(unusable)?.into_string();
        let written = fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)
            .and_then(|()| {
                let mut options = fs::OpenOptions::new();
                let file = options.write(true).create_new(true).mode(0o600).open(&path);
                std::io::Write::write_all(&mut file?, text.as_bytes())
            });
        written.map_err(|source| {
            XtaskError::Image(OsError::Write {
                path: path.clone(),
                source,
            })
        })?;
        Self::read(&path)
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn downloads_are_vouched_for_by_what_others_can_check() {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path();
        let file = out.join("cell-board.img.xz");
        fs::write(&file, "the system").unwrap();
        let key = Signer::development(&out.join("keys")).unwrap();
        sign("cell-board", std::slice::from_ref(&file), out, &key).unwrap();
        let again = Signer::development(&out.join("keys")).unwrap();
        assert_eq!(again.public, key.public, "the key is made once");

        let check = |program: &str, arguments: &[&str]| {
            let mut command = Command::new(program);
            let output = command.args(arguments).current_dir(out).output().unwrap();
            output.status.success()
        };
        let list = "cell-board.SHA256SUMS";
        let verify = ["-V", "-q", "-m", list, "-p", PUBLIC];
        assert!(check("minisign", &verify));
        assert!(check("sha256sum", &["--check", "--quiet", list]));
        fs::write(&file, "another system").unwrap();
        assert!(!check("sha256sum", &["--check", "--quiet", list]));
        let sums = fs::read_to_string(out.join(list)).unwrap();
        fs::write(out.join(list), sums.replace("cell", "cull")).unwrap();
        assert!(!check("minisign", &verify));
    }
}
