#!/bin/sh
# Makes a Debian 12 ready for `make test test-vm`: run as root by vagrant, and by
# hand anywhere. What else is needed the Makefile installs.
set -eu
export DEBIAN_FRONTEND=noninteractive

# Go from bookworm-backports, on the mirror that the system already uses. It is
# only the seed: it fetches the toolchain that go.mod names.
if ! command -v go >/dev/null; then
	mirror=$(cat /etc/apt/sources.list /etc/apt/sources.list.d/* 2>/dev/null |
		sed -nE -e 's/^URIs:[[:space:]]+([^[:space:]]+).*/\1/p' -e 's/^deb[[:space:]]+(\[[^]]*\][[:space:]]+)?([^[:space:]]+).*/\2/p' |
		grep -v security | head -n 1)
	[ -n "$mirror" ] || { echo "provision.sh: no Debian mirror in /etc/apt" >&2; exit 1; }
	echo "deb $mirror bookworm-backports main" >/etc/apt/sources.list.d/safe-run-backports.list
	apt-get update -qq
	apt-get install -y -qq --no-install-recommends -t bookworm-backports golang-go
fi
apt-get install -y -qq --no-install-recommends ca-certificates git make

# The directory that vagrant shares belongs to somebody else.
git config --system --get-all safe.directory 2>/dev/null | grep -qx /vagrant ||
	git config --system --add safe.directory /vagrant
