# The menu: `make help`. CI calls the same targets that people do. Tools are pinned: those in Go by the `tool` lines of go.mod
# and by tools/golangci.mod, buf and the TypeScript generator by tools/node, the Python ones by tools/python. They are built
# once into bin/ (not committed); what Debian lacks is installed where that is allowed, else named in one line.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
MAKEFLAGS += --no-builtin-rules --no-print-directory
.DELETE_ON_ERROR:
.SUFFIXES:
.DEFAULT_GOAL := help

MODULE  := github.com/portcullis-pdp/portcullis
VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo unreleased)
# Arguments for `make run` and `make bench`, as in: make run ARGS='--listen 127.0.0.1:7071 --console 127.0.0.1:7081'
ARGS     ?=
FUZZTIME ?= 60s

SCHEMA   := gen/schema/input.json
BASELINE := proto/baseline.binpb
# What policies may call: the CLI checks and tests with the same list as the server.
CAPABILITIES := bundles/capabilities.json
# What is shipped; the other folders of bundles/ are for trying things.
BUNDLES := default basic filtered airgapped
STAMPS  := bin/stamps

# Tests that run the real binary find it here.
export PORTCULLIS_BIN := $(CURDIR)/bin/portcullis

##@ Use

.PHONY: help
help: ## print this menu
	@awk 'BEGIN {FS = ":.*## "} \
		/^##@ / {printf "\n%s\n", substr($$0, 5)} \
		/^[a-z0-9-]+:.*## / {printf "  make %-16s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

.PHONY: run
run: build bin/grpcurl ## serve the policies of this folder on 127.0.0.1:7070 in development mode, the console on 7080
	bin/portcullis serve --dev --console 127.0.0.1:7080 --bundle policies $(ARGS)

.PHONY: build
build: ## build bin/portcullis
	@CGO_ENABLED=0 go build -trimpath -ldflags "-s -w -X main.version=$(VERSION)" -o bin/portcullis ./cmd/portcullis

.PHONY: bundles
bundles: build ## make the shipped bundles in dist/: policies/ and an overlay of bundles/ each
	@for bundle in $(BUNDLES); do bin/portcullis bundle build --output "dist/$$bundle.tar.gz" policies "bundles/$$bundle"; done

##@ Check

.PHONY: test
test: ## every check: lint, generated code, policies, clients, end to end, Go with the race detector
	@# One after another, and Go last, whatever -j says: its summary closes the output.
	@$(MAKE) check-generated
	@$(MAKE) lint
	@$(MAKE) policies
	@$(MAKE) clients
	@$(MAKE) e2e
	@$(MAKE) test-go

.PHONY: test-go
test-go: bin/gotestsum $(STAMPS)/cc $(STAMPS)/redis ## the Go tests, with the race detector
	bin/gotestsum --format pkgname --format-hide-empty-pkg -- -race -timeout 60m $$(go list ./... | grep -vE '/(test/e2e|clients/go)(/|$$)')

.PHONY: e2e
e2e: build bin/gotestsum bin/grpcurl bin/opa ## the whole story against the real binary, the Go client's tests among it
	@tools/need.sh curl curl --version
	@# Never from the cache: Go can't know that the binary changed.
	bin/gotestsum --format pkgname --format-hide-empty-pkg -- -count=1 -timeout 20m ./test/e2e/... ./clients/go/...

NOT_COVERED := 'concat("\n", [line | some file, f in input.files; some gap in f.not_covered; line := sprintf("%v:%v: not covered", [file, gap.start.row])])'

.PHONY: policies
policies: check-policies ## check the policies' types and format, test them, demand that every line is covered
	@bin/opa test --fail-on-empty --capabilities $(CAPABILITIES) policies
	@bin/opa test --coverage --threshold 100 --capabilities $(CAPABILITIES) policies >bin/coverage.json || { \
		bin/opa test --coverage --capabilities $(CAPABILITIES) policies | bin/opa eval --format raw --stdin-input $(NOT_COVERED); exit 1; }
	@echo "policies: checked, tested, every line covered"

.PHONY: check-policies
check-policies: bin/opa
	@bin/opa check --strict --schema $(SCHEMA) --capabilities $(CAPABILITIES) policies
	@bin/opa fmt --fail --list policies bundles tools/genschema/testdata

.PHONY: clients
clients: clients-python clients-typescript ## the Python and TypeScript clients' tests (Go's are in e2e)

.PHONY: clients-python
clients-python: build $(STAMPS)/client-python
	.venv/bin/python -m pytest -q clients/python

.PHONY: clients-typescript
clients-typescript: build clients/typescript/node_modules/.package-lock.json
	cd clients/typescript && npm test --silent

.PHONY: lint
lint: lint-proto lint-go check-policies ## everything that needs no test run: contract, Go, policies, rules of the house
	@tools/house.sh
	@tools/fuzz.sh check
	@echo "lint: clean"

.PHONY: lint-proto
lint-proto: bin/buf
	@bin/buf lint
	@bin/buf breaking --against $(BASELINE)
	@bin/buf format --diff --exit-code

.PHONY: lint-go
lint-go: bin/golangci-lint
	@bin/golangci-lint run ./...

.PHONY: bench
bench: build $(STAMPS)/redis ## decisions a second against a bare gRPC echo, the packages' own benchmarks, scanning against regexp and gitleaks
	bin/portcullis bench $(ARGS)
	go test -run '^$$' -bench . -benchmem ./...
	@# Its go.mod follows that of the program, whatever has become of it.
	cd tools/bench && go run -mod=mod . -root ../..

# Where the public corpora lie; see docs/scanning.md.
CORPORA ?= ../shared/corpora

.PHONY: eval
eval: ## what the patterns and the injection signal find, and what they find where nothing is
	@go run ./tools/eval -corpora $(CORPORA) $(ARGS)

.PHONY: train
train: ## train the injection signal on the corpora: pdp/scan/signal/model.bin
	@go run ./tools/eval -corpora $(CORPORA) -train pdp/scan/signal/model.bin

# A test named TestProve… runs a short form of its claim in every `make test`, and the whole of it where PORTCULLIS_PROVE=1.
.PHONY: prove
prove: build bin/gotestsum $(STAMPS)/cc $(STAMPS)/redis ## the long proofs, for hours: TestProve… at full length
	PORTCULLIS_PROVE=1 bin/gotestsum --format testname -- -race -count=1 -run '^TestProve' -timeout 6h ./...

.PHONY: fuzz
fuzz: ## run every fuzz target for FUZZTIME (60s)
	@tools/fuzz.sh run $(FUZZTIME)

##@ Change

.PHONY: fmt
fmt: bin/golangci-lint bin/buf bin/opa ## format Go, the contract and the policies
	@bin/golangci-lint fmt ./...
	@bin/buf format --write
	@bin/opa fmt --write policies bundles tools/genschema/testdata

GENERATORS := bin/buf bin/protoc-gen-go bin/protoc-gen-go-grpc $(STAMPS)/node $(STAMPS)/venv

.PHONY: generate
generate: $(GENERATORS) ## make gen/ from the contract: Go, TypeScript, Python, JSON schemas
	@tools/generate.sh bin/generated
	@for language in go es python; do \
		diff -qr "bin/generated/gen/$$language" "gen/$$language" >/dev/null 2>&1 && continue; \
		echo "gen/$$language: changed"; rm -rf "gen/$$language"; mv "bin/generated/gen/$$language" "gen/$$language"; \
	done
	@go run ./tools/genschema -out gen/schema
	@rm -rf bin/generated

.PHONY: check-generated
check-generated: $(GENERATORS) bin/vendorproto ## fail if gen/ or the vendored proto is not what `make generate` makes
	@tools/generate.sh bin/check
	@go run ./tools/genschema -out bin/check/gen/schema
	@$(call vendored,bin/check/proto)
	@diff -r --exclude __pycache__ gen bin/check/gen || { echo "gen/ is not current: run make generate" >&2; exit 1; }
	@diff -r proto/buf bin/check/proto/buf || { echo "proto/buf is not current: run make vendor-proto" >&2; exit 1; }
	@rm -rf bin/check
	@echo "gen: current"

# Prints buf/validate/validate.proto into a folder.
vendored = mkdir -p $(1)/buf/validate && bin/vendorproto >$(1)/buf/validate/validate.proto && bin/buf format --write $(1)

.PHONY: vendor-proto
vendor-proto: bin/vendorproto bin/buf ## print validate.proto anew, after protovalidate's version changed
	@rm -rf bin/vendored
	@$(call vendored,bin/vendored)
	@cp bin/vendored/buf/validate/validate.proto proto/buf/validate/validate.proto
	@rm -rf bin/vendored

.PHONY: baseline
baseline: bin/buf ## accept the contract as it is: what `make lint` compares with
	bin/buf build --exclude-source-info --output $(BASELINE)

##@ House

GO_TOOLS := bin/opa bin/grpcurl bin/gotestsum bin/protoc-gen-go bin/protoc-gen-go-grpc

.PHONY: tools
tools: $(GO_TOOLS) bin/golangci-lint bin/buf $(STAMPS)/venv $(STAMPS)/cc $(STAMPS)/redis ## build all tools into bin/

.PHONY: clean
clean: ## remove what make made; a development server's data stays
	rm -rf bin dist .venv tools/node/node_modules clients/typescript/node_modules clients/typescript/dist

# The `tool` lines of go.mod pin these. Touched, because go build leaves an unchanged binary as old as it was.
bin/opa: TOOL := github.com/open-policy-agent/opa
bin/grpcurl: TOOL := github.com/fullstorydev/grpcurl/cmd/grpcurl
bin/gotestsum: TOOL := gotest.tools/gotestsum
bin/protoc-gen-go: TOOL := google.golang.org/protobuf/cmd/protoc-gen-go
bin/protoc-gen-go-grpc: TOOL := google.golang.org/grpc/cmd/protoc-gen-go-grpc
$(GO_TOOLS): go.mod go.sum
	@echo "building $@"
	@go build -o $@ $(TOOL)
	@touch $@

bin/vendorproto: go.mod tools/vendorproto/main.go
	@go build -o $@ ./tools/vendorproto
	@touch $@

# A module file of its own: it needs versions that the program can't live with. The first build takes minutes.
bin/golangci-lint: tools/golangci.mod tools/golangci.sum
	@echo "building $@, once"
	@go build -modfile tools/golangci.mod -o $@ github.com/golangci/golangci-lint/v2/cmd/golangci-lint
	@touch $@

# npm carries buf's own binary for Linux. Elsewhere it is built from source, at the same version.
BUF_VERSION := 1.75.0
bin/buf: $(STAMPS)/node
	@binary=$$(ls tools/node/node_modules/@bufbuild/buf-*/bin/buf 2>/dev/null || true); \
	if [ -n "$$binary" ]; then cp "$$binary" $@; \
	else echo "building $@, once"; GOBIN="$(CURDIR)/bin" go install github.com/bufbuild/buf/cmd/buf@v$(BUF_VERSION); fi
	@touch $@

$(STAMPS)/node: tools/node/package-lock.json
	@tools/need.sh npm npm --version
	@cd tools/node && npm ci --silent
	@mkdir -p $(@D) && touch $@

$(STAMPS)/venv: tools/python/requirements.txt
	@tools/need.sh python3-venv python3 -c 'import ensurepip, venv'
	@python3 -m venv .venv
	@.venv/bin/pip install --quiet --disable-pip-version-check --require-hashes --requirement $<
	@mkdir -p $(@D) && touch $@

$(STAMPS)/client-python: $(STAMPS)/venv clients/python/pyproject.toml
	@.venv/bin/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable clients/python
	@touch $@

clients/typescript/node_modules/.package-lock.json: clients/typescript/package-lock.json
	@tools/need.sh npm npm --version
	@cd clients/typescript && npm ci --no-audit --no-fund --loglevel=error
	@touch $@

# The race detector is the one thing that needs a C compiler.
$(STAMPS)/cc:
	@tools/need.sh gcc gcc --version
	@tools/need.sh libc6-dev test -e /usr/include/stdlib.h
	@mkdir -p $(@D) && touch $@

# The ledger's tests start servers of their own, and fail without this: a fake of Redis would prove nothing. Its package has
# Sentinel, too (redis-server --sentinel). Running Portcullis needs none of it.
$(STAMPS)/redis:
	@tools/need.sh redis-server redis-server --version
	@mkdir -p $(@D) && touch $@
