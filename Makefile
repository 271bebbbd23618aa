# Every command that people and CI run. `make` alone lists them.

.DEFAULT_GOAL := help
.PHONY: help dev build test lint fuzz bench image-tree

PROFILE ?= dev
SECONDS ?= 60
DESTDIR ?= target/image

# The documentation is for who works on the code: private items are in it, and may be linked to.
DOC_LINTS := -D warnings -A rustdoc::private_intra_doc_links

help: ## list the commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

dev: ## run a whole TenantsDB on this machine until Ctrl-C: PostgreSQL, MariaDB, MongoDB, Redis, control, proxy
	@scripts/dev.sh

build: ## build everything, tests and benches included
	cargo build --locked --workspace --all-targets

# Tests that need Oracle's MySQL write what did not run, where it cannot be had, into this file.
NOT_RUN := $(or $(CARGO_TARGET_DIR),target)/not-run

test: ## install what the tests need, build, run every test
	@rm -f $(NOT_RUN)
	scripts/install.sh test
	cargo build --locked --workspace --all-targets
	cargo test --locked --workspace --no-fail-fast; status=$$?; \
		if [ -s $(NOT_RUN) ]; then cat $(NOT_RUN); fi; exit $$status

lint: ## formatting, clippy and documentation; warnings are errors
	cargo fmt --all --check
	cargo clippy --locked --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS="$(DOC_LINTS)" cargo doc --locked --workspace --no-deps --document-private-items

fuzz: ## run every fuzz target; SECONDS=60 for each
	scripts/install.sh fuzz
	scripts/fuzz.sh $(SECONDS)

bench: ## run the benches
	cargo bench --locked -p tenantsdb-codecs -p tenantsdb-bench

image-tree: ## build the programs and lay them out as in the image; PROFILE=release DESTDIR=…
	scripts/image-tree.sh $(PROFILE) $(DESTDIR)
