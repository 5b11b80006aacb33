#!/bin/sh
# Turns Buildroot's target tree into the root that the assembler takes: the overlay's start scripts and accounts only,
# none of the programs that packages brought along unasked, plain modes.
#
# post-build.sh TARGET_DIR BOARD, run by Buildroot after rootfs-overlay was copied.
set -eu

target=$1
overlay=$BR2_EXTERNAL_CELL_PATH/../rootfs-overlay

# One list says what starts: the overlay's.
for script in "$target"/etc/init.d/*; do
	[ -e "$overlay/etc/init.d/${script##*/}" ] || rm -f "$script"
done

# Root and the one for everybody else; the roles of celld are numbers without names.
for file in passwd group shadow; do
	[ -e "$overlay/etc/$file" ] ||
		sed -i -E '/^(root|nobody|nogroup):/!d' "$target/etc/$file"
done
if ! grep -q '^root:[*!]' "$target/etc/shadow"; then
	echo "post-build: root can sign in with a password" >&2
	exit 1
fi

# shadow and gnupg are there for libraries that podman links, passt for podman without root. None is ever run.
for program in \
	chage chfn chsh expiry faillog gpasswd login newgidmap newgrp newuidmap \
	passwd sg su \
	chgpasswd chpasswd groupadd groupdel groupmems groupmod grpck grpconv \
	grpunconv logoutd newusers pwck pwconv pwunconv useradd userdel usermod \
	vigr vipw \
	gpg gpg-agent gpg-connect-agent gpgconf gpgparsemail gpgsm gpgtar gpgv \
	dirmngr kbxutil \
	passt pasta qrap; do
	rm -f "$target/usr/bin/$program" "$target/usr/sbin/$program"
done
rm -f "$target/usr/bin/passt.avx2" "$target/usr/bin/pasta.avx2" \
	"$target/usr/libexec/podman/pasta"
rm -rf "$target/usr/share/gnupg" "$target/usr/share/bash-completion"

# Where partitions are mounted: an overlay kept in git has no empty folders.
mkdir -p "$target/state" "$target/data"

# The assembler makes everything root's own; these are the modes Buildroot would set in its own images.
chmod 1777 "$target/tmp"
chmod 0700 "$target/root"
chmod 0600 "$target/etc/shadow"
find "$target" -xdev -type f -perm /6000 -exec chmod a-s {} +
