#!/usr/bin/env bash
# Builds what is not of this repository and drives containerd: critest, the tests
# of containerd's Go client, and the runc that is linked, all through Go modules,
# once, with the least priority.
# usage: integration/containerd/suites.sh CACHE
set -euo pipefail

critest=1.36.0
containerd=2.4.2
runc=v1.5.2
mkdir -p "$1"
exec 9>"$1/.suites"
flock 9

# source MODULE VERSION DIR: a copy of a module, that can be built in.
source() {
	mkdir -p "$3"
	[ ! -e "$3/src" ] || return 0
	local from
	from=$(cd / && go mod download -json "$1@$2" | sed -n 's/^\t"Dir": "\(.*\)",$/\1/p')
	rm -rf "$3/src.part"
	cp -r "$from" "$3/src.part"
	chmod -R u+w "$3/src.part"
	mv "$3/src.part" "$3/src"
}

# tests PACKAGE FILE TAGS: a program of a package's tests.
tests() {
	nice -n 19 env CGO_ENABLED=0 GOFLAGS=-mod=mod go test -c -trimpath -tags "$3" -ldflags '-s -w' -o "$2.part" "$1" >&2
	mv "$2.part" "$2"
}

dir=$1/critest-$critest
if [ ! -x "$dir/critest" ]; then
	source sigs.k8s.io/cri-tools v$critest "$dir"
	(cd "$dir/src" && tests ./cmd/critest ../critest '')
fi

dir=$1/containerd-client-$containerd
if [ ! -x "$dir/client.test" ]; then
	source github.com/containerd/containerd/v2 v$containerd "$dir"
	# The list of images is read before the flag that names another one.
	sed -i 's/initImages(\*imageListFile)/initImages(os.Getenv("TEST_IMAGE_LIST"))/; s/^var imageListFile = .*//; s/^\t"flag"$//' "$dir/src/integration/images/image_list.go"
	(cd "$dir/src" && tests ./integration/client ../client.test 'no_btrfs no_devmapper no_zfs netgo osusergo')
fi

dir=$1/runc-$runc
if [ ! -x "$dir/runc" ]; then
	mkdir -p "$dir"
	(cd / && nice -n 19 env GOBIN="$dir" CGO_ENABLED=1 GOFLAGS='-trimpath -buildvcs=false' go install -tags seccomp "github.com/opencontainers/runc@$runc" >&2)
fi
