#!/usr/bin/env bash
# Puts Debian's cloud kernels, the stable one's before last and the last one's,
# into the cache where `safe-run verify --vm` finds them by their releases:
#
#     ~/.cache/safe-run/kernels/RELEASE/{vmlinuz,vmlinux,modules/,config}
#
# usage: integration/vm/kernels.sh [SUITE...]     (bookworm trixie)
# Nothing is installed. What is there already is left alone.
set -euo pipefail

[ $# -gt 0 ] || set -- bookworm trixie
cache=${XDG_CACHE_HOME:-$HOME/.cache}/safe-run/kernels
mkdir -p "$cache"
work=$(mktemp -d "$cache/.making.XXXXXX")
trap 'rm -rf "$work"' EXIT

# The mirror that this machine uses, whatever the form of its list.
mirror=$({ cat /etc/apt/sources.list /etc/apt/sources.list.d/*.list /etc/apt/sources.list.d/*.sources 2>/dev/null || true; } |
	sed -nE -e 's/^URIs:[[:space:]]+([^[:space:]]+).*/\1/p' -e 's/^deb[[:space:]]+(\[[^]]*\][[:space:]]+)?([^[:space:]]+).*/\2/p' |
	grep -v security | head -n 1 || true)
[ -n "$mirror" ] || { echo "kernels.sh: no Debian mirror in /etc/apt" >&2 && exit 1; }

# unpack writes the program inside a kernel that unpacks itself, where qemu can
# start that (PVH, Documentation/arch/x86/boot.rst): unpacking takes an emulated
# processor seconds. The header says where what is packed begins, and its length,
# of which the last four bytes are the length unpacked.
unpack() {
	local from=$1/vmlinuz
	grep -q '^CONFIG_PVH=y' "$1/config" || return 0
	number() { od -An -t"u$2" -j"$1" -N"$2" "$from" | tr -d ' '; }
	tail -c +$((($(number 497 1) + 1) * 512 + $(number 584 4) + 1)) "$from" | head -c $(($(number 588 4) - 4)) >"$1/packed" || true
	case $(od -An -tx1 -N4 "$1/packed" | tr -d ' ') in
	28b52ffd) zstd -q -dc "$1/packed" ;;
	02214c18) lz4 -q -dc "$1/packed" ;;
	fd377a58) unxz -c "$1/packed" ;;
	1f8b*) gunzip -qc "$1/packed" ;;
	esac >"$1/unpacked" || true
	# What is no program is not taken; the kernel can still unpack itself.
	[ "$(head -c 4 "$1/unpacked" | tr -d '\0')" != $'\177ELF' ] || mv "$1/unpacked" "$1/vmlinux"
	rm -f "$1/packed" "$1/unpacked"
}

for suite in "$@"; do
	release=$(cat "$cache/.$suite" 2>/dev/null || true)
	if [ -n "$release" ] && [ -d "$cache/$release" ] && [ ! -e "$cache/$release/vmlinux" ]; then
		unpack "$cache/$release"
	fi
	if [ -e "$cache/.$suite" ] && [ -d "$cache/$(cat "$cache/.$suite")" ]; then
		echo "$suite: $(cat "$cache/.$suite")"
		continue
	fi
	apt=$work/$suite
	mkdir -p "$apt"/{state/lists/partial,cache/archives/partial,deb,tree}
	echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror $suite main" >"$apt/list"
	options=(-qq -o Dir::Etc::SourceList="$apt/list" -o Dir::Etc::SourceParts=/dev/null -o Dir::State::Lists="$apt/state/lists"
		-o Dir::Cache="$apt/cache" -o APT::Sandbox::User=root -o Acquire::Languages=none)
	apt-get "${options[@]}" update
	package=$(apt-cache "${options[@]}" depends linux-image-cloud-amd64 | sed -n 's/^ *Depends: //p' | head -n 1)
	(cd "$apt/deb" && apt-get "${options[@]}" download "$package")
	dpkg-deb -x "$apt"/deb/*.deb "$apt/tree"
	release=$(basename "$(echo "$apt"/tree/boot/vmlinuz-*)")
	release=${release#vmlinuz-}
	mkdir "$apt/whole"
	mv "$apt/tree/boot/vmlinuz-$release" "$apt/whole/vmlinuz"
	mv "$apt/tree/boot/config-$release" "$apt/whole/config"
	modules=$(find "$apt/tree" -type d -path "*lib/modules/$release" | head -n 1)
	mv "$modules" "$apt/whole/modules"
	unpack "$apt/whole"
	find "$apt/whole/modules" -name "*.ko.xz" -exec unxz {} +
	rm -rf "${cache:?}/$release"
	mv -T "$apt/whole" "$cache/$release"
	echo "$release" >"$cache/.$suite"
	echo "$suite: $release"
done
