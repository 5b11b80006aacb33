use serde_json::json;

use super::super::checkout;
use super::*;
use crate::cargo;

/// The checkout that `BUILDROOT_DIR` names; says so when there is none.
fn checkout_or_skip(test: &str) -> Option<PathBuf> {
    let pin = checkout::pin(&cargo::root()).unwrap();
    let found = checkout::named(&pin).unwrap();
    if found.is_none() {
        println!("{test}: skipped: {} is not set", checkout::VARIABLE);
    }
    found
}

#[test]
fn our_own_files_fit_together() {
    assert_eq!(tree(&cargo::root()).unwrap(), [""; 0]);
}

#[test]
fn buildroot_keeps_every_asked_option() {
    if let Some(checkout) = checkout_or_skip("buildroot_keeps_every_asked_option") {
        assert_eq!(options(&cargo::root(), &checkout).unwrap(), [""; 0]);
    }
}

#[test]
fn an_option_that_buildroot_lacks_is_found() {
    let Some(checkout) = checkout_or_skip("an_option_that_buildroot_lacks_is_found") else {
        return;
    };
    let root = cargo::root();
    let mut board = board::find(&root, "x86_64-uefi").unwrap();
    let more = "BR2_PACKAGE_NO_SUCH=y\n# BR2_PACKAGE_LIBMNL is not set\n";
    board.asked.extend(fragment::parse("more", more).unwrap());
    let out = tempfile::tempdir().unwrap();
    let make = Make {
        checkout: &checkout,
        root: &root,
        out: out.path(),
    };
    assert_eq!(
        make.configure(&board).unwrap(),
        [
            "asked `BR2_PACKAGE_NO_SUCH=y`, got nothing",
            // nftables needs it.
            "asked `# BR2_PACKAGE_LIBMNL is not set`, got y"
        ]
    );
}

#[test]
fn buildroots_own_check_of_packages_is_clean() {
    if let Some(checkout) = checkout_or_skip("buildroots_own_check_of_packages_is_clean") {
        assert_eq!(packages(&cargo::root(), &checkout).unwrap(), [""; 0]);
    }
}

#[test]
fn buildroot_lists_celld_with_its_licences_and_every_download_with_a_hash() {
    let name = "buildroot_lists_celld_with_its_licences_and_every_download_with_a_hash";
    if let Some(checkout) = checkout_or_skip(name) {
        assert_eq!(info(&cargo::root(), &checkout).unwrap(), [""; 0]);
    }
}

#[test]
fn busybox_has_every_asked_applet() {
    if let Some(checkout) = checkout_or_skip("busybox_has_every_asked_applet") {
        assert_eq!(busybox(&cargo::root(), &checkout).unwrap(), [""; 0]);
    }
}

#[test]
fn the_kernel_keeps_every_asked_option() {
    match super::super::kernel_source() {
        Some(source) => assert_eq!(kernel(&cargo::root(), &source).unwrap(), [""; 0]),
        None => println!("the_kernel_keeps_every_asked_option: skipped: LINUX_DIR is not set"),
    }
}

#[test]
fn what_is_wrong_with_the_package_is_said() {
    let root = cargo::root();
    let good = json!({PACKAGE: {
        "version": env!("CARGO_PKG_VERSION"),
        "licenses": "Apache-2.0 or MIT , vendored dependencies licenses probably not listed",
        "license_files": ["LICENSE-APACHE", "LICENSE-MIT"],
    }});
    assert_eq!(judge_package(&good, &root), [""; 0]);
    let bad = json!({PACKAGE: {
        "version": "9", "licenses": "unknown", "license_files": ["LICENSE-MIT", "NONE", "LICENSE-APACHE"],
    }});
    assert_eq!(judge_package(&bad, &root).len(), 4);
    assert_eq!(judge_package(&json!({}), &root).len(), 3);
}

#[test]
fn a_download_without_hash_is_found_but_for_our_own_source() {
    let info = json!({
        "celld": {"downloads": [1], "hashes": []},
        "linux": {"downloads": [1], "hashes": []},
        "toolchain": {"downloads": []},
        "zlib": {"downloads": [1], "hashes": [1]},
        "virtual": {},
    });
    assert_eq!(
        downloads_without_hash(&info),
        ["linux is downloaded without a hash"]
    );
}
