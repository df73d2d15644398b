#!/usr/bin/env bash
# Installs the Debian packages of the groups named, only those that are missing.
# usage: integration/deps.sh build|test|bench|conformance|kubernetes|vagrant|vm...
set -euo pipefail

build=(gcc libc6-dev libseccomp-dev pkg-config)
test=(busybox-static chromium containerd containernetworking-plugins docker-registry docker.io iproute2 mmdebstrap podman runc skopeo strace)
bench=(bubblewrap crun docker-registry hyperfine podman runc skopeo strace umoci)
conformance=(attr bats busybox-static gawk gcc iproute2 jq mmdebstrap procps)
kubernetes=(etcd-server openssl)
vagrant=(vagrant)
vm=(apparmor busybox-static e2fsprogs lz4 mmdebstrap qemu-system-x86 xz-utils zstd)

wanted=()
for group in "$@"; do
	case $group in
	build) wanted+=("${build[@]}") ;;
	test) wanted+=("${test[@]}") ;;
	bench) wanted+=("${bench[@]}") ;;
	conformance) wanted+=("${conformance[@]}") ;;
	kubernetes) wanted+=("${kubernetes[@]}") ;;
	vagrant) wanted+=("${vagrant[@]}") ;;
	vm) wanted+=("${vm[@]}") ;;
	*) echo "deps.sh: no group $group; there are build, test, bench, conformance, kubernetes, vagrant and vm" >&2 && exit 2 ;;
	esac
done

if ! command -v go >/dev/null; then
	echo "Go is not installed: see https://go.dev/doc/install ($(sed -n 's/^go /Go /p' go.mod) or later)" >&2
	exit 1
fi
if ! command -v dpkg-query >/dev/null; then
	echo "deps.sh: not a Debian system; install what corresponds to: ${wanted[*]}" >&2
	exit 0
fi

missing=()
for package in "${wanted[@]}"; do
	# ${Status}, because a removed package whose files of configuration remain is still listed.
	dpkg-query -W -f '${Status}\n' "$package" 2>/dev/null | grep -q '^install ok installed$' || missing+=("$package")
done
[ ${#missing[@]} -gt 0 ] || exit 0

if [ "$(id -u)" != 0 ]; then
	echo "missing packages; as root: apt-get install --no-install-recommends ${missing[*]}" >&2
	exit 1
fi
export DEBIAN_FRONTEND=noninteractive
# Tests start the daemons that they need, each with a place of its own; none is
# to be started for this machine.
if [ ! -e /usr/sbin/policy-rc.d ]; then
	trap 'rm -f /usr/sbin/policy-rc.d' EXIT
	printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d
	chmod 755 /usr/sbin/policy-rc.d
fi
install=(apt-get install -y -qq --no-install-recommends "${missing[@]}")
echo "installing ${missing[*]}"
# Package lists may be absent (a fresh image) or older than the mirror.
"${install[@]}" >/dev/null 2>&1 || { apt-get update -qq && "${install[@]}" >/dev/null; }
