#!/bin/bash
# Builds a kube-apiserver through Go modules, once: k8s.io/kubernetes names its
# staging modules by path, so they are replaced by their published versions. Prints
# the directory of the programs. Runs with little priority: it is some two
# thousand packages.
set -euo pipefail
command -v etcd >/dev/null && command -v openssl >/dev/null || apt-get install -y -qq --no-install-recommends etcd-server openssl >&2
kubernetes=v1.37.0
staging=v0.37.0
cache=${XDG_CACHE_HOME:-$HOME/.cache}/safe-run/kubernetes/$kubernetes
bin=$cache/bin
if [ ! -x "$bin/kube-apiserver" ]; then
    mkdir -p "$cache/src" "$bin"
    cd "$cache/src"
    mod=$(go mod download -json "k8s.io/kubernetes@$kubernetes" | sed -n 's/^\t"GoMod": "\(.*\)",$/\1/p')
    sed -e 's,^module .*,module safe-run.dev/kube-apiserver,' -e "s,=> ./staging/src/\(.*\),=> \1 $staging," "$mod" > go.mod
    cat > main.go <<'GO'
// Command kube-apiserver is Kubernetes's own.
package main

import (
	"os"

	"k8s.io/component-base/cli"
	"k8s.io/kubernetes/cmd/kube-apiserver/app"
)

func main() { os.Exit(cli.Run(app.NewAPIServerCommand())) }
GO
    go mod edit -require "k8s.io/kubernetes@$kubernetes"
    nice -n 10 env GOFLAGS=-mod=mod go mod tidy >&2
    [ "${1-}" = download ] && exit
    nice -n 10 env GOFLAGS=-mod=mod CGO_ENABLED=0 go build -p 2 -trimpath -ldflags '-s -w' -o "$bin/kube-apiserver.part" . >&2
    mv "$bin/kube-apiserver.part" "$bin/kube-apiserver"
fi
# The types of Kyverno's policies, for the API server to hold exports against.
kyverno=v1.19.1
if [ ! -d "$bin/crds/$kyverno" ]; then
    dir=$(go mod download -json "github.com/kyverno/kyverno@$kyverno" | sed -n 's/^\t"Dir": "\(.*\)",$/\1/p')
    mkdir -p "$bin/crds/.new"
    cp "$dir"/config/crds/kyverno/kyverno.io_clusterpolicies.yaml "$dir"/config/crds/policies.kyverno.io/policies.kyverno.io_imagevalidatingpolicies.yaml "$bin/crds/.new"
    mv -T "$bin/crds/.new" "$bin/crds/$kyverno"
fi
echo "$bin"
