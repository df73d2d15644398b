#!/usr/bin/env bash
# Checks the Vagrantfile without a box: vagrant reads it, and what it runs in the
# box is run in a fresh Debian 12, twice, as after `vagrant provision`.
set -euo pipefail
cd "$(dirname "$0")/../.."

home=$(mktemp -d)
trap 'rm -rf "$home"' EXIT
VAGRANT_HOME=$home VAGRANT_CHECKPOINT_DISABLE=1 vagrant validate --ignore-provider

[ "${1:-}" = --provision ] || exit 0
# mmdebstrap runs its hooks with the root as $1, and removes the root.
mmdebstrap --quiet --variant=minbase --format=null \
	--customize-hook='copy-in integration/vm/provision.sh /tmp' \
	--customize-hook='chroot "$1" /tmp/provision.sh && chroot "$1" /tmp/provision.sh' \
	--customize-hook='chroot "$1" sh -c "go version && make --version | head -n 1 && git --version"' \
	bookworm /dev/null
echo 'what the Vagrantfile runs works in a fresh Debian 12, twice'
