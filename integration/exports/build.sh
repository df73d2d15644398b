#!/usr/bin/env bash
# Gets the programs that read exports, each once: helm and kustomize are built
# through Go modules with little priority, and so is, when it is named, Kyverno's own
# command, which is some three thousand packages; quadlet is that of Debian 13's podman, because bookworm's has none;
# nomad is testdata/nomad with the types of Nomad's API, because its own module is not
# to be had.
#
#     ~/.cache/safe-run/exports/NAME-VERSION
#
# usage: integration/exports/build.sh [NAME...]     (helm kustomize quadlet nomad kyverno)
# Prints the directory. A program that cannot be had is told of and left out.
set -euo pipefail

[ $# -gt 0 ] || set -- helm kustomize quadlet nomad
here=$(cd "$(dirname "$0")" && pwd)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/safe-run/exports
mkdir -p "$cache"

declare -A module=([helm]=helm.sh/helm/v3 [kustomize]=sigs.k8s.io/kustomize/kustomize/v5 [kyverno]=github.com/kyverno/kyverno)
declare -A version=([helm]=v3.22.0 [kustomize]=v5.8.1 [kyverno]=v1.19.1 [quadlet]=trixie [nomad]=v0.0.0-20260907080526-08ef8f3d26da)
declare -A package=([helm]=cmd/helm [kustomize]=. [kyverno]=cmd/cli/kubectl-kyverno)

build() {
	local name=$1 of=${module[$1]} at=${version[$1]} src=$cache/src/$1
	local mod dir
	mkdir -p "$src"
	cd "$src"
	# A module that replaces others cannot be installed by its name: its own
	# requirements and replacements are those of a module around it.
	mod=$(go mod download -json "$of@$at")
	dir=$(sed -n 's/^\t"Dir": "\(.*\)",$/\1/p' <<<"$mod")
	sed "s,^module .*,module safe-run.dev/$name," "$dir/go.mod" >go.mod
	cp "$dir/go.sum" go.sum
	chmod u+w go.mod go.sum
	go mod edit -require "$of@$at"
	local what=$of
	[ "${package[$name]}" = . ] || what=$of/${package[$name]}
	nice -n 10 env GOFLAGS=-mod=mod CGO_ENABLED=0 go build -p 2 -trimpath -ldflags '-s -w' -o "$cache/.$name" "$what" && mv "$cache/.$name" "$cache/$name-$at"
}

# unpack takes Debian's generator out of the package; nothing is installed.
unpack() {
	local name=$1 suite=${version[$1]} apt=$cache/src/$1 mirror
	# The mirror that this machine uses, whatever the form of its list.
	mirror=$(sed -nE -e 's/^URIs:[[:space:]]+([^[:space:]]+).*/\1/p' -e 's/^deb[[:space:]]+(\[[^]]*\][[:space:]]+)?([^[:space:]]+).*/\2/p' \
		/etc/apt/sources.list /etc/apt/sources.list.d/*.list /etc/apt/sources.list.d/*.sources 2>/dev/null | grep -v security | head -n 1)
	mkdir -p "$apt"/{state/lists/partial,cache/archives/partial,deb,tree}
	echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror $suite main" >"$apt/list"
	local options=(-qq -o Dir::Etc::SourceList="$apt/list" -o Dir::Etc::SourceParts=/dev/null -o Dir::State::Lists="$apt/state/lists"
		-o Dir::Cache="$apt/cache" -o APT::Sandbox::User=root -o Acquire::Languages=none)
	apt-get "${options[@]}" update
	(cd "$apt/deb" && apt-get "${options[@]}" download podman)
	dpkg-deb -x "$apt"/deb/podman_*.deb "$apt/tree" && cp "$apt/tree/usr/libexec/podman/quadlet" "$cache/.$name" && mv "$cache/.$name" "$cache/$name-$suite"
	rm -rf "$apt"
}

# own builds a program of ours that is no part of this module, for what it needs.
own() {
	local name=$1 src=$cache/src/$1
	rm -rf "$src" && mkdir -p "$src" && cp "$here/testdata/$name/main.go.txt" "$src/main.go" && cd "$src"
	go mod init "safe-run.dev/$name"
	go get github.com/hashicorp/hcl/v2@v2.25.0 "github.com/hashicorp/nomad/api@${version[$name]}"
	nice -n 10 env GOFLAGS=-mod=mod CGO_ENABLED=0 go build -p 2 -trimpath -ldflags '-s -w' -o "$cache/.$name" . && mv "$cache/.$name" "$cache/$name-${version[$name]}"
}

for name in "$@"; do
	case $name in
	quadlet) get=unpack ;;
	nomad) get=own ;;
	*) get=build ;;
	esac
	# A function that is asked whether it succeeded goes on when a part of it fails:
	# what counts is its last command, which needs all others.
	if [ ! -x "$cache/$name-${version[$name]}" ] && ! { ($get "$name") >&2 && [ -x "$cache/$name-${version[$name]}" ]; }; then
		echo "build.sh: $name ${version[$name]} cannot be had (see above)" >&2
		continue
	fi
	ln -sfn "$name-${version[$name]}" "$cache/$name"
done
echo "$cache"
