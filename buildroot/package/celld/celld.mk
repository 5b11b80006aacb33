################################################################################
#
# celld
#
################################################################################

# This repository, so that an image always holds what lies beside its recipe.
CELLD_VERSION = 0.1.0
CELLD_SITE = $(realpath $(BR2_EXTERNAL_CELL_PATH)/..)
CELLD_SITE_METHOD = local
CELLD_LICENSE = Apache-2.0 or MIT
CELLD_LICENSE_FILES = LICENSE-APACHE LICENSE-MIT

# A developer's own build output is gigabytes.
CELLD_OVERRIDE_SRCDIR_RSYNC_EXCLUSIONS = --exclude=/target

# Package and program of each; the image has no other of the workspace.
CELLD_PROGRAMS = cell-firmware:celld cell-cellctl:cellctl cell-console:cell-console

# A local source is not downloaded, so it is not vendored by the
# infrastructure either. Cargo.lock holds a checksum for every crate. A source
# that brings its crates along, as `cargo xtask` makes it, needs no network.
define CELLD_VENDOR
	cd $(@D) && { grep -q vendored-sources .cargo/config.toml || { \
		$(HOST_MAKE_ENV) $(HOST_PKG_CARGO_ENV) \
		cargo vendor --locked VENDOR > .vendor.toml && \
		cat .vendor.toml >> .cargo/config.toml; }; }
endef
CELLD_PRE_CONFIGURE_HOOKS += CELLD_VENDOR

# Buildroot presets the profile for all Rust packages; the workspace's own
# choices are smaller and faster, and are what was tested. The output folder is
# named because a developer may have another in the environment.
CELLD_CARGO_ENV = \
	CARGO_TARGET_DIR=$(@D)/target \
	CARGO_PROFILE_RELEASE_LTO=thin \
	CARGO_PROFILE_RELEASE_CODEGEN_UNITS=4 \
	CARGO_PROFILE_RELEASE_OPT_LEVEL=3

CELLD_CARGO_BUILD_OPTS = \
	$(foreach p,$(CELLD_PROGRAMS),--package $(firstword $(subst :, ,$(p))))

CELLD_BUILT = target/$(RUSTC_TARGET_NAME)/$(if $(BR2_ENABLE_DEBUG),debug,release)

# `cargo install` would build each program anew, and cannot install from a
# workspace without a root package.
define CELLD_INSTALL_TARGET_CMDS
	$(foreach p,$(CELLD_PROGRAMS),\
		$(INSTALL) -D -m 0755 $(@D)/$(CELLD_BUILT)/$(lastword $(subst :, ,$(p))) \
			$(TARGET_DIR)/usr/bin/$(lastword $(subst :, ,$(p)))
	)
endef

$(eval $(cargo-package))
