//! `cargo xtask flash`: an image onto an SD card or USB stick, and read back to see that it is there.
//!
//! Refuses what cannot be meant: a disk that is mounted, swapped to or part of something, a disk of this system, one that
//! is not removable (unless said so), one that is too small. The name of the device has to be typed.

mod device;
mod error;
mod write;

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use cell_model::seed::Seed;
use cell_os::fat;
use device::{Device, Host};
pub(crate) use error::FlashError;

use crate::cargo;
use crate::error::XtaskError;
use crate::image;

#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// The whole device, for example /dev/sdb; without it the devices that could be meant are listed
    #[arg(long, value_name = "DEVICE")]
    device: Option<PathBuf>,
    /// The image; without it that of BOARD is made
    #[arg(long, value_name = "FILE")]
    image: Option<PathBuf>,
    /// For which board
    #[arg(long, value_name = "BOARD", default_value = image::DEFAULT_BOARD)]
    board: String,
    /// Settings that the box takes at its first start
    #[arg(long, value_name = "FILE")]
    seed: Option<PathBuf>,
    /// The device's name once more, instead of typing it
    #[arg(long, value_name = "NAME")]
    confirm: Option<String>,
    /// Also a device that is built in
    #[arg(long)]
    not_removable: bool,
}

pub(crate) fn perform(options: &Options) -> Result<ExitCode, XtaskError> {
    if let Some(seed) = &options.seed {
        check_seed(seed)?;
    }
    let host = Host::real();
    let Some(path) = &options.device else {
        list(&host)?;
        return Ok(ExitCode::FAILURE);
    };
    let device = host.device(path)?;
    let image = match &options.image {
        Some(image) => image.clone(),
        None => image::current(&options.board)?,
    };
    let size = size_of(&image)?;
    device.check(size, options.not_removable)?;
    confirm(&device, options.confirm.as_deref(), &mut io::stdin().lock())?;
    match &options.seed {
        None => flash(&image, &device.path, size)?,
        Some(seed) => {
            // Before anything is written, and read back with all the rest.
            let folder = tempfile::tempdir_in(cargo::cache_dir()).map_err(FlashError::Copy)?;
            let seeded = folder.path().join("seeded.img");
            fat::with_seed(&image, seed, &seeded, &image::toolbox()?)?;
            flash(&seeded, &device.path, size)?;
            println!("\nseeded from {}", seed.display());
        }
    }
    println!("\ndone: take it out, put it into the box, switch the box on");
    Ok(ExitCode::SUCCESS)
}

/// Bytes of an image; anything else is refused, such as one that is still packed.
fn size_of(image: &Path) -> Result<u64, FlashError> {
    let failed = |source| FlashError::Image {
        path: image.to_owned(),
        source,
    };
    let file = File::open(image).map_err(failed)?;
    let mut header = [0; 8];
    // The second block of a disk begins so (UEFI Specification 2.10, section 5.3.2).
    match file.read_exact_at(&mut header, 512) {
        Ok(()) if header == *b"EFI PART" => Ok(file.metadata().map_err(failed)?.len()),
        Err(error) if error.kind() != io::ErrorKind::UnexpectedEof => Err(failed(error)),
        _ => Err(FlashError::NoImage(image.to_owned())),
    }
}

/// Which devices could be meant.
fn list(host: &Host) -> Result<(), FlashError> {
    println!("which device? `--device` wants one of:");
    let mut any = false;
    for device in host.devices()? {
        if device.check(0, false).is_ok() {
            println!("  {device}");
            any = true;
        }
    }
    if !any {
        println!("  (no removable device is there and free)");
    }
    Ok(())
}

/// The name has to be said once more: everything on the device is lost.
fn confirm(
    device: &Device,
    said: Option<&str>,
    input: &mut impl BufRead,
) -> Result<(), FlashError> {
    let typed = match said {
        Some(said) => said.to_owned(),
        None => {
            println!("everything on this device will be lost:\n  {device}");
            print!("type its name ({}) to go on: ", device.name);
            let _ = io::stdout().flush();
            let mut line = String::new();
            input.read_line(&mut line).map_err(FlashError::Terminal)?;
            line.trim().to_owned()
        }
    };
    if typed == device.name {
        return Ok(());
    }
    Err(FlashError::NotConfirmed {
        name: device.name.clone(),
        typed,
    })
}

/// Writes, then reads back past all caches.
fn flash(image: &Path, device: &Path, size: u64) -> Result<(), FlashError> {
    let open = |exclusive: bool| {
        let mut options = OpenOptions::new();
        options.read(true).write(true);
        if exclusive {
            // On a block device: fails if anybody has it mounted (open(2)).
            options.custom_flags(rustix::fs::OFlags::EXCL.bits().cast_signed());
        }
        options.open(device).map_err(|source| FlashError::Open {
            path: device.to_owned(),
            source,
        })
    };
    let target = open(true)?;
    write::write(image, &target, size, progress("writing"))?;
    write::verify(image, &target, size, progress("reading back"))
}

/// As the box will read it: nobody shall find out at the box that it is written wrongly.
fn check_seed(path: &Path) -> Result<(), FlashError> {
    let content = std::fs::read(path).map_err(|source| FlashError::ReadSeed {
        path: path.to_owned(),
        source,
    })?;
    match Seed::parse(&content) {
        Ok(_) => Ok(()),
        Err(findings) => Err(FlashError::Seed {
            path: path.to_owned(),
            findings,
        }),
    }
}

/// Shows how far it has come, a line that is overwritten.
fn progress(what: &'static str) -> impl FnMut(u64, u64) {
    let mut shown = u64::MAX;
    move |done, all| {
        let percent = (done * 100).checked_div(all).unwrap_or(100);
        if percent != shown {
            shown = percent;
            print!("\r{what}: {percent:3} % of {} MiB", all >> 20);
            let _ = io::stdout().flush();
            if percent == 100 {
                println!();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn device() -> Device {
        Device {
            name: "sdb".to_owned(),
            path: "/dev/sdb".into(),
            size: 8 << 30,
            model: "Stick".to_owned(),
            is_removable: true,
            uses: Vec::new(),
        }
    }

    #[test]
    fn wrong_seed_is_refused_with_every_place_before_anything_is_written() {
        let folder = tempfile::tempdir().unwrap();
        let seed = folder.path().join("cell.toml");
        std::fs::write(&seed, "hostname = \"a b\"\n[wifi]\n").unwrap();
        let refused = check_seed(&seed).unwrap_err().to_string();
        assert!(refused.contains("line 1, column 12"), "{refused}");
        assert!(refused.contains("line 2, column 2: Wi-Fi"), "{refused}");
        std::fs::write(&seed, "hostname = \"hut\"\n").unwrap();
        assert!(check_seed(&seed).is_ok());
        assert!(check_seed(folder.path()).is_err());
        // Before the device is even looked at.
        let options = Options {
            device: Some("/dev/nothing".into()),
            image: None,
            board: String::new(),
            seed: Some(folder.path().join("absent")),
            confirm: None,
            not_removable: false,
        };
        let refused = perform(&options).unwrap_err();
        let reason = std::error::Error::source(&refused).unwrap().to_string();
        assert!(reason.contains("cannot read the seed"), "{reason}");
    }

    #[test]
    fn packed_image_is_refused_before_anything_is_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("cell.img.xz");
        for content in [b"\xfd7zXZ\0".to_vec(), vec![0; 4096]] {
            std::fs::write(&path, content).unwrap();
            let refused = size_of(&path).unwrap_err().to_string();
            assert!(refused.contains("unpack it first"), "{refused}");
        }
        let mut disk = vec![0; 4096];
        disk[512..520].copy_from_slice(b"EFI PART");
        std::fs::write(&path, disk).unwrap();
        assert_eq!(size_of(&path).unwrap(), 4096);
        assert!(size_of(&folder.path().join("absent")).is_err());
    }

    #[test]
    fn only_the_devices_own_name_confirms() {
        let device = device();
        for (said, typed, good) in [
            (Some("sdb"), "", true),
            (Some("sda"), "", false),
            (None, "sdb\n", true),
            (None, "yes\n", false),
            (None, "", false),
        ] {
            let outcome = confirm(&device, said, &mut typed.as_bytes());
            assert_eq!(outcome.is_ok(), good, "{said:?} {typed:?}");
        }
    }
}
