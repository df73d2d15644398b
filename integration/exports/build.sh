#!/usr/bin/env bash
# Builds the programs that read exports, each through Go modules and once, with
# little priority: helm, kustomize, and Kyverno's own command, which is some three
# thousand packages.
#
#     ~/.cache/safe-run/exports/NAME-VERSION
#
# usage: integration/exports/build.sh [NAME...]     (helm kustomize kyverno)
# Prints the directory. A program that cannot be built is told of and left out.
set -euo pipefail

[ $# -gt 0 ] || set -- helm kustomize kyverno
cache=${XDG_CACHE_HOME:-$HOME/.cache}/safe-run/exports
mkdir -p "$cache"

declare -A module=([helm]=helm.sh/helm/v3 [kustomize]=sigs.k8s.io/kustomize/kustomize/v5 [kyverno]=github.com/kyverno/kyverno)
declare -A version=([helm]=v3.22.0 [kustomize]=v5.8.1 [kyverno]=v1.19.1)
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

for name in "$@"; do
	if [ ! -x "$cache/$name-${version[$name]}" ] && ! (build "$name") >&2; then
		echo "build.sh: $name ${version[$name]} cannot be built (see above)" >&2
		continue
	fi
	ln -sfn "$name-${version[$name]}" "$cache/$name"
done
echo "$cache"
