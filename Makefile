# run: the sandbox, with nothing to configure. test: every check there is.
.PHONY: run test prove fuzz bench release openapi docs fmt clean
.DEFAULT_GOAL := run

# Needs Rust and a C compiler. Swagger UI is then on http://127.0.0.1:8080/docs
run:
	@cargo run --quiet --locked -- sandbox

# Installs what it needs where it can, names each step, stops at the first failure.
test:
	@tests/run.sh

# Nothing lost, nothing twice: 3,000 kills, 200,000 simulated histories, 500 power cuts. KILLS, HISTORIES, CUTS, SEED.
prove:
	@tests/prove.sh

# Every parser of foreign bytes for FUZZ seconds. TARGETS="token money" for some of them.
FUZZ ?= 60
fuzz:
	@FUZZ=$(FUZZ) tests/fuzz.sh

release:
	cargo build --release --locked

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
	cargo run --quiet --locked --features faults -- openapi > target/openapi.json
	mv target/openapi.json openapi/openapi.json

# Tables of statuses, error codes and capabilities, from the code.
docs:
	cargo run --quiet --locked --features faults -- tables docs

fmt:
	cargo fmt

clean:
	cargo clean
	rm -rf tests/browser/node_modules guichet-data
