#!/usr/bin/env bash
# Puts Debian's cloud kernels, the stable one's before last and the last one's,
# into the cache where `safe-run verify --vm` finds them by their releases:
#
#     ~/.cache/safe-run/kernels/RELEASE/{vmlinuz,modules/,config}
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

for suite in "$@"; do
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
	find "$apt/whole/modules" -name "*.ko.xz" -exec unxz {} +
	rm -rf "${cache:?}/$release"
	mv -T "$apt/whole" "$cache/$release"
	echo "$release" >"$cache/.$suite"
	echo "$suite: $release"
done
