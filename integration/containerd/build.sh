#!/usr/bin/env bash
# Builds containerd, ctr and runc's shim through Go modules, once: they are kept
# apart from the repository, because that takes minutes.
# usage: integration/containerd/build.sh DIR
set -euo pipefail

version=2.4.2
mkdir -p "$1"
exec 9>"$1/.lock"
flock 9
export GOBIN=$1 CGO_ENABLED=0 GOFLAGS="-trimpath -buildvcs=false"
cd /
for program in ctr containerd containerd-shim-runc-v2; do
	[ ! -x "$1/$program" ] || continue
	tags="no_btrfs no_devmapper no_zfs netgo osusergo"
	# As containerd's own Makefile builds it.
	[ "$program" != containerd-shim-runc-v2 ] || tags+=" no_grpc"
	nice -n 5 go install -tags "$tags" -ldflags "-s -w -X github.com/containerd/containerd/v2/version.Version=$version" \
		"github.com/containerd/containerd/v2/cmd/$program@v$version"
done
