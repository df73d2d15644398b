# Thin on purpose: each target is one or two commands that can be typed by hand.
# On Debian 12 as root, with Go, everything else is installed when it is missing.

export PATH := $(PATH):/usr/local/go/bin
SHELL       := /bin/bash
.SHELLFLAGS := -euo pipefail -c

TAGS     := netgo osusergo seccomp containers_image_openpgp exclude_graphdriver_btrfs
LDFLAGS  := -s -w
STATIC   := $(LDFLAGS) -extldflags "-static"
FUZZTIME ?= 2s
BIN      ?= bin
PREFIX   ?= /usr/local
DESTDIR  ?=
# What safe-run calls itself; empty: what Go knows of the source. Go has to be told,
# and C, which answers --version before Go has started.
VERSION  ?=
STATED    = $(if $(VERSION),-X github.com/safe-run/safe-run/cmd/safe-run/cli.stated=$(VERSION))
STATED_C  = $(if $(VERSION),CGO_CPPFLAGS='-DSAFE_RUN_VERSION="$(VERSION)"')

# Where the race detector can run: not where a test re-executes itself as a
# static program, or is a container.
RACE := ./profiles ./spec ./sandbox/state ./sandbox/rootfs ./cmd/safe-run/cli

# One run of tests goes on when another has failed. What came of them is for the
# report to say, which runs what failed once more, if it is not more than two.
ENDED  := echo "go test ended with $$?"
REPORT := go run ./integration/report -again 2 -- go test -count=1 -tags '$(TAGS)' -timeout 20m

# All that test-vm does, or the "part" of it that continuous integration has time for.
MACHINES ?= 1

.PHONY: build deps demo test test-root test-vm test-vm-debian test-containerd test-vagrant vm-kernels lint fuzz race bench bench-shim bench-docs soak conformance install generate clean

build: ## BIN/safe-run and BIN/safe-run-oci (static, with libseccomp), BIN/safe-run-image and safe-run-policy (no C), and safe-run-probe (only C)
	integration/deps.sh build
	CGO_ENABLED=1 $(STATED_C) go build -trimpath -tags '$(TAGS)' -ldflags '$(STATIC) $(STATED)' -o $(BIN)/safe-run ./cmd/safe-run
	CGO_ENABLED=1 go build -trimpath -tags '$(TAGS)' -ldflags '$(STATIC)' -o $(BIN)/safe-run-oci ./cmd/safe-run-oci
	CGO_ENABLED=1 go build -trimpath -tags '$(TAGS) no_grpc' -ldflags '$(STATIC)' -o $(BIN)/containerd-shim-saferun-v2 ./cmd/containerd-shim-saferun-v2
	CGO_ENABLED=0 go build -trimpath -tags '$(TAGS)' -ldflags '$(LDFLAGS)' -o $(BIN)/safe-run-image ./cmd/safe-run-image
	CGO_ENABLED=0 go build -trimpath -tags '$(TAGS)' -ldflags '$(LDFLAGS)' -o $(BIN)/safe-run-policy ./cmd/safe-run-policy
	$(CC) -static -O2 -Wall -Wextra -Werror -o $(BIN)/safe-run-probe cmd/safe-run-probe/*.c

deps: ## every Debian package that building and testing need
	integration/deps.sh build test

demo: build ## run a small web application locked down, look at it from inside, stop it
	go run ./integration/demo

test: deps build lint fuzz race test-go ## everything; ends with what was not checked and go test's own lines

.PHONY: test-go
test-go: ## all tests of Go's, without what make test does before them
	@# The tests that look at the whole host have it to themselves.
	{ go test -json -count=1 -tags '$(TAGS)' $$(go list ./... | grep -v '/integration$$') || $(ENDED); \
	  go test -json -count=1 -tags '$(TAGS)' -timeout 20m ./integration || $(ENDED); } | $(REPORT)

test-root: deps build ## only the tests on the real kernel
	{ go test -json -count=1 -tags '$(TAGS)' ./integration/leaks ./sandbox/... || $(ENDED); \
	  go test -json -count=1 -tags '$(TAGS)' -timeout 20m ./integration || $(ENDED); } | $(REPORT)

test-vm: build ## in emulated machines: the battery on two kernels of Debian's, and on cgroup version 2 a part of the suite and the shim under containerd
	integration/deps.sh vm test
	integration/vm/kernels.sh || echo 'NOT CHECKED: machines with kernels that are not here and could not be fetched'
	{ SAFE_RUN_TEST_VM=$(MACHINES) go test -json -count=1 -tags '$(TAGS)' -timeout 60m -p 1 ./sandbox/vm ./integration/machine || $(ENDED); } | go run ./integration/report

.PHONY: test-vm-shim
test-vm-shim: build ## of test-vm, the tests of the shim under containerd 2.4.2 and Debian's, on cgroup version 2, with AppArmor
	integration/deps.sh vm test
	integration/vm/kernels.sh || echo 'NOT CHECKED: machines with kernels that are not here and could not be fetched'
	{ SAFE_RUN_TEST_VM=1 go test -json -count=1 -tags '$(TAGS)' -timeout 60m ./integration/machine -run TestShim || $(ENDED); } | go run ./integration/report

test-vm-debian: build ## in emulated Debian 12 machines, without systemd and with it: all of the suite; takes half an hour
	integration/deps.sh vm
	go run ./integration/vm $(BIN)

test-vagrant: ## the Vagrantfile is valid, and what it runs in the box works in a fresh Debian 12
	integration/deps.sh vagrant vm
	integration/vm/vagrant.sh --provision

vm-kernels: ## Debian's kernels of bookworm and trixie, for safe-run verify --vm; nothing is installed
	integration/deps.sh vm
	integration/vm/kernels.sh

test-containerd: build ## the shim under containerd 2.4.2: 50 kills at random moments, 500 containers 16 at a time, pods
	integration/deps.sh test
	SAFE_RUN_SHIM_ROUNDS=50 go test -count=1 -tags '$(TAGS)' -timeout 30m ./integration/containerd -run TestKills
	SAFE_RUN_SHIM_ROUNDS=500 go test -count=1 -tags '$(TAGS)' -timeout 30m ./integration/containerd -run TestMany
	go test -count=1 -tags '$(TAGS)' -timeout 30m ./integration/containerd -skip 'TestKills|TestMany'

.PHONY: test-critest
test-critest: build ## critest and the tests of containerd's client, with runc's shim and with ours, side by side; takes half an hour
	integration/deps.sh test
	SAFE_RUN_SUITES="$${XDG_CACHE_HOME:-$$HOME/.cache}/safe-run" nice -n 5 go test -v -count=1 -tags '$(TAGS)' -timeout 60m ./integration/containerd -run 'TestCritest|TestClientSuite'

lint: ## formatting, vet, staticcheck, and the module files are as they should be
	integration/deps.sh build
	@test -z "$$(gofmt -l .)" || { echo 'gofmt -w these files:'; gofmt -l .; exit 1; }
	go vet -tags '$(TAGS)' ./...
	go tool staticcheck -tags '$(TAGS)' ./...
	go mod verify
	go mod tidy -diff

fuzz: ## each fuzz target for FUZZTIME
	integration/deps.sh build
	FUZZTIME=$(FUZZTIME) TAGS='$(TAGS)' integration/fuzz.sh

race: ## the race detector, where it can run
	integration/deps.sh build
	go test -race -p 1 -tags '$(TAGS)' $(RACE)

bench: build ## time and memory beside libcontainer alone, runc, crun, bwrap, docker and podman; pulling beside skopeo and podman; what a system call costs
	integration/deps.sh bench
	@# Each to its end: a promise that is broken fails all of it, and hides nothing.
	failed=0; for each in bench bench/pull bench/calls; do go run ./integration/$$each || failed=1; done; exit $$failed

bench-shim: ## a container by the shim and by runc's, in turn: time, processor time, memory
	integration/deps.sh bench test
	SAFE_RUN_SHIM_BENCH=$(or $(ROUNDS),50) go test -count=1 -v -tags '$(TAGS)' -timeout 30m ./integration/containerd -run 'TestBench$$'

bench-docs: build ## the first of them with a pause before each run and the cost curve, written to docs/performance.md, .json and .svg, also where a promise is broken; six minutes
	integration/deps.sh bench test
	go run ./integration/bench -pause 50ms -curve -docs docs

soak: build ## 1,000 detached containers at a time, 10,000 cycles of start and stop; takes a quarter of an hour
	integration/deps.sh test
	go run ./integration/soak $(BIN)

.PHONY: verify-compare
verify-compare: build ## the battery of attacks, here and under the defaults of the tools that Debian packages
	integration/deps.sh bench
	$(BIN)/safe-run verify --runtime runc,crun,podman,bwrap || true

conformance: build ## runc's own tests and the specification's validation, with runc and with safe-run-oci; takes half an hour
	integration/deps.sh conformance
	go run ./integration/conformance $(BIN)/safe-run-oci

install: build ## binaries, man pages, bash completion and the unit that starts containers at boot, under DESTDIR/PREFIX
	install -D -t '$(DESTDIR)$(PREFIX)/bin' $(BIN)/safe-run $(BIN)/safe-run-image $(BIN)/safe-run-oci $(BIN)/safe-run-policy $(BIN)/safe-run-probe $(BIN)/containerd-shim-saferun-v2
	install -d '$(DESTDIR)$(PREFIX)/share/man/man1' '$(DESTDIR)$(PREFIX)/share/bash-completion/completions'
	go run -tags '$(TAGS)' ./integration/genman '$(DESTDIR)$(PREFIX)/share/man/man1'
	$(BIN)/safe-run completion bash > '$(DESTDIR)$(PREFIX)/share/bash-completion/completions/safe-run'
	install -d '$(DESTDIR)$(PREFIX)/lib/systemd/system'
	$(BIN)/safe-run generate systemd --boot --program '$(PREFIX)/bin/safe-run' > '$(DESTDIR)$(PREFIX)/lib/systemd/system/safe-run-restart.service'

generate: ## files made from the code: the profile schema, golden plans
	go generate ./...

clean:
	rm -rf bin coverage.out

.PHONY: test-kubernetes
test-kubernetes: ## a kube-apiserver, built through Go modules and kept in ~/.cache/safe-run, takes exports and refuses weaker pods (etcd-server, openssl)
	bin=$$(integration/kubernetes/build.sh) || { echo 'NOT CHECKED: what a kube-apiserver says of exports; it could not be built (see above)'; exit 0; }; \
	SAFE_RUN_KUBERNETES="$$bin" go test -count=1 -tags '$(TAGS)' -timeout 20m -v ./integration/kubernetes

.PHONY: test-exports
test-exports: ## helm, kustomize and Nomad's types, built through Go modules and kept in ~/.cache/safe-run, and Debian's Quadlet read exports
	dir=$$(integration/exports/build.sh) || { echo 'NOT CHECKED: what other programs make of exports (see above)'; exit 0; }; \
	SAFE_RUN_EXPORTS="$$dir" go test -count=1 -tags '$(TAGS)' -timeout 20m -v ./integration/exports

.PHONY: test-vm-export
test-vm-export: build ## in an emulated Debian 12 with systemd: an exported unit holds a program as a container does
	integration/deps.sh vm
	go run ./integration/vm -only systemd -checks 'an.exported.unit' -tests '^$$' $(BIN)

ROUNDS ?= 200
.PHONY: soak-verify
soak-verify: build ## the battery ROUNDS times, in a sandbox each; the first that differs from the prediction ends it
	integration/soak-verify.sh $(BIN) $(ROUNDS)
