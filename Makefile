# Everything a developer runs. Each target installs what it needs first; `make help` lists them.
# Tools that no package manager brings live in .tools/ and are built once.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

LIVEKIT_VERSION := v1.13.5
CARGO_DENY_VERSION := 0.20.2

TOOLS := $(CURDIR)/.tools
LIVEKIT := $(TOOLS)/livekit-server-$(LIVEKIT_VERSION).stamp
VENV := $(TOOLS)/venv.stamp
CARGO_DENY := $(TOOLS)/bin/cargo-deny
NODE_MODULES := dashboard/node_modules/.package-lock.json
DIST := dashboard/dist/index.html
DIST_SOURCES := $(shell find dashboard -path dashboard/node_modules -prune -o \
	-path dashboard/dist -prune -o -path dashboard/e2e -prune -o \
	-path dashboard/test-results -prune -o -type f -print 2>/dev/null)

# command:package, as Debian names them
BUILD_NEEDS := cc:build-essential cmake:cmake pkg-config:pkg-config curl:curl python3:python3
TEST_NEEDS := chromium:chromium ffmpeg:ffmpeg opusdec:opus-tools gst-launch-1.0:gstreamer1.0-tools \
	redis-server:redis-server
BENCH_NEEDS := gst-launch-1.0:gstreamer1.0-tools
# package:file that it brings, where there is no command to look for
BENCH_FILES := gstreamer1.0-plugins-base gstreamer1.0-plugins-good
# command:where to get it, since Debian's are too old
OTHER_NEEDS := cargo:https://rustup.rs go:https://go.dev/dl \
	node:https://nodejs.org/en/download npm:https://nodejs.org/en/download

.PHONY: help
help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

.PHONY: demo
demo: tools $(DIST) ## run everything with simulated calls: open http://127.0.0.1:8080
	cargo build --package sidetone
	target/debug/sidetone demo

.PHONY: test
test: tools-test $(DIST) ## all tests: Rust, dashboard, browser
	cargo test --workspace --no-fail-fast
	cargo build --workspace --example with-postgres
	target/debug/examples/with-postgres $(TEST_CONTROL_PLANE)
	cd dashboard && npm test
	tests/e2e.sh # with the binary that the tests above were made with

# the tests of every statement, once more on PostgreSQL; built as above, so that nothing is built again
TEST_CONTROL_PLANE := cargo test --workspace --no-fail-fast --test api

.PHONY: e2e
e2e: tools-test $(DIST) ## the browser tests alone, against a demo of their own
	cargo build --package sidetone
	tests/e2e.sh

.PHONY: check
check: tools $(DIST) $(CARGO_DENY) ## formatting, lints, licences, documents, types
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- -D warnings
	$(CARGO_DENY) --workspace check bans licenses sources
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --document-private-items
	cd dashboard && npm run check

.PHONY: fmt
fmt: $(NODE_MODULES) ## format everything
	cargo fmt --all
	cd dashboard && npm run fmt

.PHONY: bench
bench: tools tools-bench $(DIST) ## what calls cost, against the yardsticks (about 20 minutes)
	cargo build --release --package loadtests --package sidetone
	target/release/loadtests recording
	target/release/loadtests acts
	target/release/loadtests control
	target/release/loadtests upstreams
	target/release/loadtests bench

.PHONY: soak
soak: tools-test $(DIST) ## hours of kills and calls: is anything lost, does anything grow?
	cargo build --release --package loadtests --package sidetone
	SIDETONE_CONTRACT_CASES=600 cargo test --workspace --test api contract
	target/release/loadtests kills
	target/release/loadtests soak

.PHONY: clean
clean: ## remove what was built; .tools/ stays
	cargo clean
	rm -rf dashboard/dist dashboard/node_modules dashboard/test-results

# --- tools ---------------------------------------------------------------------------------------

.PHONY: tools
tools: needs-build $(LIVEKIT) ## what building and the demo need

.PHONY: tools-test
tools-test: tools needs-test $(VENV)

.PHONY: tools-bench
tools-bench: needs-bench

# $(call debian,command:package ...): installs packages whose command is missing, if it may
define debian
	missing=""; \
	for need in $(1); do \
		command -v "$${need%%:*}" > /dev/null || missing="$$missing $${need#*:}"; \
	done; \
	$(install)
endef

# Debian asks it whether a package may start its service: ours are started by the tests
POLICY := /usr/sbin/policy-rc.d

# $(install): installs $$missing, or says how
define install
	if [ -z "$$missing" ]; then exit 0; fi; \
	if [ "$$(id -u)" != 0 ] || ! command -v apt-get > /dev/null; then \
		echo "Please install these Debian packages (or their like):$$missing" >&2; \
		echo "    sudo apt-get install --no-install-recommends$$missing" >&2; \
		exit 1; \
	fi; \
	export DEBIAN_FRONTEND=noninteractive; \
	if [ ! -e $(POLICY) ]; then \
		trap 'rm -f $(POLICY)' EXIT; \
		printf '#!/bin/sh\nexit 101\n' > $(POLICY); chmod +x $(POLICY); \
	fi; \
	apt-get install -qq -y --no-install-recommends $$missing || \
		{ apt-get update -qq && apt-get install -qq -y --no-install-recommends $$missing; }
endef

.PHONY: needs-build needs-test needs-bench
needs-build:
	@$(call debian,$(BUILD_NEEDS))
	@for need in $(OTHER_NEEDS); do \
		command -v "$${need%%:*}" > /dev/null || \
			{ echo "Please install $${need%%:*}: $${need#*:}" >&2; exit 1; }; \
	done
	@node -e 'const [a, b] = process.versions.node.split("."); if (100 * a + +b < 2019) throw "node 20.19 or newer is needed"'

needs-test:
	@$(call debian,$(TEST_NEEDS))
	@missing=""; python3 -c 'import ensurepip' 2> /dev/null || missing=" python3-venv"; \
	command -v initdb /usr/lib/postgresql/*/bin/initdb > /dev/null || missing="$$missing postgresql"; \
	gst-inspect-1.0 --exists opusdec && gst-inspect-1.0 --exists oggdemux || \
		missing="$$missing gstreamer1.0-plugins-base"; $(install)

needs-bench:
	@$(call debian,$(BENCH_NEEDS))
	@missing=""; gst-inspect-1.0 --exists rtpopusdepay && gst-inspect-1.0 --exists oggmux || \
		missing=" $(BENCH_FILES)"; $(install)

$(LIVEKIT):
	mkdir -p $(TOOLS)/bin
	GOBIN=$(TOOLS)/bin go install github.com/livekit/livekit-server/cmd/server@$(LIVEKIT_VERSION)
	mv $(TOOLS)/bin/server $(TOOLS)/bin/livekit-server
	touch $@

$(VENV): tests/peers/requirements.txt
	mkdir -p $(TOOLS)
	test -x $(TOOLS)/venv/bin/pip || python3 -m venv --clear $(TOOLS)/venv
	$(TOOLS)/venv/bin/pip install --quiet --requirement $<
	touch $@

$(CARGO_DENY):
	cargo install --quiet --locked --root $(TOOLS) cargo-deny@$(CARGO_DENY_VERSION)

$(NODE_MODULES): dashboard/package-lock.json
	cd dashboard && npm ci
	touch $@

$(DIST): $(NODE_MODULES) $(DIST_SOURCES)
	cd dashboard && npm run build
	touch $@
