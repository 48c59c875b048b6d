# `make` lists the targets. Everything but `race` and `bench` builds without cgo.
export CGO_ENABLED ?= 0

GO       ?= go
FUZZTIME ?= 10s
TEST     ?= ./...
# Flags for go test, such as -short or -v.
TESTFLAGS ?=

# cross checks that everything builds and that the tests type-check for these; for the LINKED ones test programs are
# linked as well.
PLATFORMS ?= windows/amd64 darwin/arm64 darwin/amd64 freebsd/amd64 linux/arm linux/arm64 linux/riscv64 linux/386
LINKED    ?= windows/amd64 linux/arm

# The packages whose tests make test-qemu runs on other processors, and those processors as Go and QEMU call them.
QEMU_TEST ?= . ./engine ./cursor ./hooks ./stmtcache ./ext/... ./frames ./hrana ./internal/... ./wal ./replicator
QEMU_ARCH ?= arm:arm arm64:aarch64

# modernc.org/sqlite is C translated to Go: checkptr refuses the pointer arithmetic of C.
RACEFLAGS = -race -gcflags=all=-d=checkptr=0

.DEFAULT_GOAL := help
.PHONY: help build test integration integration-race race torture fuzz lint cross test-qemu bench ci clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "%-16s %s\n", $$1, $$2 }' Makefile

build: ## build the command line as bin/floe, a static binary
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags "-s -w" -o bin/floe ./cmd/floe

test: ## run all tests, with a real libSQL server
	tools/setup.sh server shell
	$(GO) test -timeout 20m $(TESTFLAGS) $(TEST)

integration: ## run the programs in integration/ over a file, a server and a replica
	tools/setup.sh server
	cd integration && $(GO) vet ./... && $(GO) test -timeout 20m $(TESTFLAGS) ./...

integration-race: ## run the programs in integration/ under the race detector
	tools/setup.sh server cc
	cd integration && CGO_ENABLED=1 $(GO) test $(RACEFLAGS) -short -timeout 20m $(TESTFLAGS) ./...

race: ## run all tests in their short form under the race detector
	tools/setup.sh server shell cc
	CGO_ENABLED=1 $(GO) test $(RACEFLAGS) -short -timeout 20m $(TESTFLAGS) $(TEST)

torture: ## run the long tests: crashes, faults, damaged databases, a soak
	tools/setup.sh server shell
	FLOE_TORTURE=1 $(GO) test -run Torture -timeout 60m $(TESTFLAGS) $(TEST)

fuzz: ## run each fuzz target for FUZZTIME
	tools/fuzz.sh $(FUZZTIME)

lint: ## check format, go vet and staticcheck
	tools/setup.sh lint
	tools/lint.sh

cross: ## check that everything builds for all platforms
	LINKED="$(LINKED)" tools/cross.sh $(PLATFORMS)

test-qemu: ## run the core tests on other processors under QEMU
	tools/setup.sh server qemu
	TESTFLAGS="$(TESTFLAGS)" QEMU_ARCH="$(QEMU_ARCH)" tools/test-qemu.sh $(QEMU_TEST)

bench: ## run the benchmarks against the peers: see bench/README.md
	tools/setup.sh server cc
	cd bench && CGO_ENABLED=1 $(GO) run ./cmd/enginebench -out results
	cd bench && CGO_ENABLED=1 $(GO) run ./cmd/remotebench -out results
	cd bench && CGO_ENABLED=1 $(GO) run ./cmd/syncbench -out results

ci: ## run what continuous integration runs
	.ci/run

clean: ## delete what the targets above built, but not .tools
	rm -rf bin dist
