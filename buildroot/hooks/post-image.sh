#!/bin/sh
# Hands target tree and kernel to the assembler, which makes slots, verity, disk image and update bundle of them, as it
# does for the other base.
#
# post-image.sh IMAGES_DIR BOARD, run by Buildroot at the end. CELL_OS is the assembler's program; `cargo xtask image`
# sets it.
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

# The assembler's toolbox is laid out like a Debian tree. Buildroot's host programs find their own libraries; GRUB's
# modules stay in its build folder, in one of its own for each platform.
toolbox=$BUILD_DIR/cell-toolbox
rm -rf "$toolbox"
mkdir -p "$toolbox/usr/lib/grub" "$toolbox/usr/lib64"
ln -s "$HOST_DIR/bin" "$HOST_DIR/sbin" "$toolbox/usr"
for linker in /lib64/ld-linux-x86-64.so.2 /lib/ld-linux-aarch64.so.1; do
	[ ! -e "$linker" ] || ln -s "$linker" "$toolbox/usr$linker"
done
for build in "$BUILD_DIR"/grub2-*/build-*-efi; do
	ln -s "$build/grub-core" "$toolbox/usr/lib/grub/${build##*/build-}"
done

exec "$CELL_OS" assemble --board "$board" --root "$root" --kernel "$kernel" \
	--toolbox "$toolbox" --boards "$BR2_EXTERNAL_CELL_PATH/../board" \
	--out "$images"
