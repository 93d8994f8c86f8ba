#!/usr/bin/env bash
# Every check, in order; stops at the first that fails. Run it as `make test`.
# One feature set and the dev profile everywhere, so that the dependencies are built once.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# shellcheck source=tests/lib/tools.sh
. tests/lib/tools.sh

done_steps=()
current="start"
code=0
trap 'code=$?; (( code == 0 )) || printf "\nFAILED: %s (exit code %s)\n" "$current" "$code" >&2' EXIT

step() {
    current=$1
    shift
    local begun=$SECONDS
    printf '\n=== %s\n' "$current"
    # Not inside a condition: `set -e` has to hold in the functions that are called.
    "$@"
    done_steps+=("$(printf '%5ss  %s' "$((SECONDS - begun))" "$current")")
}

tools() {
    mkdir -p target
    need_rust
    need "curl" "command -v curl >/dev/null" curl ca-certificates
    need_python
    need_node
    need "promtool" "command -v promtool >/dev/null" prometheus
    need "Chromium" \
        "[[ -n \${CHROMIUM:-} ]] || command -v chromium chromium-browser google-chrome >/dev/null" \
        chromium fonts-dejavu-core
    # All three mostly wait for the network.
    local pids=() pid
    node_packages tests/browser & pids+=($!)
    node_packages tests/contract & pids+=($!)
    python_packages & pids+=($!)
    for pid in "${pids[@]}"; do wait "$pid"; done
}

formatted() {
    cargo fmt --all --check
    # A package of its own: cargo does not find it from here.
    rustfmt --check --edition 2024 fuzz/fuzz_targets/*.rs
}

documentation() {
    RUSTDOCFLAGS="-D warnings" cargo doc --locked --workspace --no-deps --features faults
}

step "tools: Chromium, promtool, node and Python packages" tools
step "cargo fmt" formatted
step "deliberate mistakes: each patch still applies" tests/mistakes/run.sh --check
step "supply chain: licences, banned crates, sources, known faults" tests/supply.sh
step "contract: Spectral and Redocly" tests/contract/lint.sh
step "handbook: no broken link" docs/book/build.sh
step "cargo clippy" cargo clippy --locked --workspace --all-targets --features faults -- -D warnings
step "cargo test: units, store, API, conformance, OpenAPI document, crashes" cargo test --locked --workspace --features faults
# The tests above need no sandbox, so they did not build it.
step "cargo build: the programs that the checks below start" cargo build --locked --workspace --features faults
step "cargo doc" documentation
step "ops: alert rules and dashboard" tests/ops.sh
step "browser: Swagger UI and a payment" tests/browser/run.sh
step "browser: the handbook" tests/browser/handbook.sh
step "contract: generated clients in TypeScript and Python" tests/clients/run.sh
step "clients: those that others wrote, against the simulators" tests/clients/platforms.sh
step "webhooks: verified by the library for Python, through failures and restarts" tests/webhooks/run.sh
step "contract: schemathesis, 1,000 cases or more" tests/contract/run.sh
step "SBOM: what the program is made of" release/sbom.sh

printf '\nAll %s steps passed in %ss:\n' "${#done_steps[@]}" "$SECONDS"
printf '%s\n' "${done_steps[@]}"
