# run: the sandbox, with nothing to configure. test: every check there is.
.PHONY: run test check lines prove fuzz bench release release-sandbox reproducible sbom handbook openapi openapi-released docs fmt clean
.DEFAULT_GOAL := run
SHELL := /bin/bash

# Needs Rust and a C compiler. Swagger UI is then on http://127.0.0.1:8080/docs
run:
	@cargo run --quiet --locked --package guichet-sandbox

# Installs what it needs where it can, names each step, stops at the first failure.
test:
	@tests/run.sh

# What a change in the code should pass before anything else: format, lints, unit tests.
check:
	cargo fmt --all --check
	cargo clippy --quiet --locked --workspace --all-targets --features faults -- -D warnings
	cargo test --quiet --locked --workspace --lib --bins --features faults

# Lines of each crate, adapter and simulated platform, with tests and without.
lines:
	@python3 release/lines.py

# Nothing lost, nothing twice: 3,000 kills, 200,000 simulated histories, 500 power cuts. KILLS, HISTORIES, CUTS, SEED.
# Then 10,000 and more generated requests, each answered as the OpenAPI document says.
prove:
	@tests/prove.sh
	@tests/contract/prove.sh

# Every parser of foreign bytes for FUZZ seconds. TARGETS="token money" for some of them.
FUZZ ?= 60
fuzz:
	@FUZZ=$(FUZZ) tests/fuzz.sh

# The same source and compilers give the same bytes, wherever they are: no path and no time gets into the program.
CARGO_FOLDER := $(or $(CARGO_HOME),$(HOME)/.cargo)
TARGET_FOLDER := $(abspath $(or $(CARGO_TARGET_DIR),target))
release release-sandbox bench: export SOURCE_DATE_EPOCH := 0
release release-sandbox bench: export RUSTFLAGS := --remap-path-prefix=$(CARGO_FOLDER)=/cargo --remap-path-prefix=$(CURDIR)=/guichet \
	--remap-path-prefix=$(TARGET_FOLDER)=/guichet/target $(RUSTFLAGS)
release release-sandbox bench: export CFLAGS := -ffile-prefix-map=$(CARGO_FOLDER)=/cargo -ffile-prefix-map=$(CURDIR)=/guichet \
	-ffile-prefix-map=$(TARGET_FOLDER)=/guichet/target $(CFLAGS)
release:
	cargo build --release --locked

# The same for guichet-sandbox, which holds the simulated platforms too.
release-sandbox:
	cargo build --release --locked --package guichet-sandbox

# What the released program is made of, as CycloneDX: target/guichet.cdx.json.
sbom:
	@release/sbom.sh

# Builds the committed source twice, in two places, and compares. Takes as long as two clean builds.
reproducible:
	@tests/reproducible.sh

# The budgets of docs/performance.md, as ratios in one run. Takes about five minutes on a quiet machine; nginx is
# compared when it is installed. `make bench BENCH="--rounds 1 reads"` measures a part, `BENCH=build` a clean build.
BENCH ?=
bench: release
	cargo build --release --locked --example budgets
	"$${CARGO_TARGET_DIR:-target}/release/examples/budgets" \
		--binary "$${CARGO_TARGET_DIR:-target}/release/guichet" $(BENCH)

# A failing program leaves the committed document alone.
openapi:
	@mkdir -p target openapi
	cargo run --quiet --locked -- openapi > target/openapi.json
	mv target/openapi.json openapi/openapi.json

# The document that callers rely on from now on. What it breaks belongs into CHANGELOG.md.
openapi-released: openapi
	cp openapi/openapi.json openapi/released.json

# The documentation as a site: target/handbook/README.html.
handbook:
	@. tests/lib/tools.sh && need_python && python_packages && docs/book/build.sh

# Tables of statuses, error codes and capabilities, from the code.
docs:
	cargo run --quiet --locked -- tables docs

fmt:
	cargo fmt --all

clean:
	cargo clean
	rm -rf tests/browser/node_modules tests/contract/node_modules guichet-data
