#!/bin/sh
# Hands target tree and kernel to the assembler, which makes slots, verity, disk image and update bundle of them, as it
# does for the other base.
#
# post-image.sh IMAGES_DIR BOARD, run by Buildroot at the end. CELL_OS is the assembler's program; `cargo xtask image`
# sets it. Buildroot puts its own host programs first in PATH, so the assembler uses those.
set -eu

images=$1
board=$2
: "${CELL_OS:?is the path of cell-os: run cargo xtask image --base buildroot}"

for kernel in "$images/bzImage" "$images/Image"; do
	[ ! -e "$kernel" ] || break
done

# Buildroot marks its target tree as no root file system, and uses it again in the next run: take a copy.
root=$BUILD_DIR/cell-root
rm -rf "$root"
cp -a "$TARGET_DIR" "$root"
rm -f "$root/THIS_IS_NOT_YOUR_ROOT_FILESYSTEM"

# GRUB's modules stay in its build folder, one for each platform; a board has one.
for modules in "$BUILD_DIR"/grub2-*/build-*-efi/grub-core; do
	CELL_GRUB_MODULES=$modules
	export CELL_GRUB_MODULES
done

exec "$CELL_OS" assemble --board "$board" --root "$root" \
	--kernel "$kernel" --out "$images"
