#!/usr/bin/env bash
# Every check, in order; stops at the first that fails. Run it as `make test`.
# One feature set and the dev profile everywhere, so that the dependencies are built once.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

SCHEMATHESIS=4.32.5
STANDARD_WEBHOOKS=1.1.0
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

missing() {
    echo "$1" >&2
    exit 1
}

# need WHAT TEST PACKAGE...: installs Debian packages when the test fails, and tests again.
need() {
    local what=$1 test=$2
    shift 2
    if eval "$test"; then return; fi
    if [[ $(id -u) != 0 ]]; then missing "$what is missing and only root can install it: apt-get install $*"; fi
    command -v apt-get >/dev/null || missing "$what is missing and there is no apt-get here: install $* by hand"
    echo "installing $*"
    DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "$@" >target/apt.log 2>&1 || {
        apt-get update >target/apt.log 2>&1 &&
            DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "$@" >>target/apt.log 2>&1
    } || { tail -n 20 target/apt.log >&2; missing "$what is missing and apt-get could not install $*"; }
    eval "$test" || missing "$what is still missing after apt-get installed $*"
}

tools() {
    mkdir -p target
    command -v cargo >/dev/null || missing "cargo is missing: install Rust 1.95 or later (https://rustup.rs)"
    local component
    for component in rustfmt clippy; do
        cargo "${component/rustfmt/fmt}" --version >/dev/null 2>&1 && continue
        command -v rustup >/dev/null || missing "cargo ${component/rustfmt/fmt} is missing"
        rustup component add "$component"
    done
    need "a C compiler" "command -v cc >/dev/null" gcc libc6-dev
    need "curl" "command -v curl >/dev/null" curl ca-certificates
    need "Python 3 with venv" "python3 -c 'import venv, ensurepip' 2>/dev/null" python3 python3-venv
    need "node 18 or later" \
        "node -e 'process.exit(+process.versions.node.split(\".\")[0] < 18 ? 1 : 0)' 2>/dev/null" nodejs
    need "npm" "command -v npm >/dev/null" npm
    need "promtool" "command -v promtool >/dev/null" prometheus
    need "Chromium" \
        "[[ -n \${CHROMIUM:-} ]] || command -v chromium chromium-browser google-chrome >/dev/null" \
        chromium fonts-dejavu-core
    local lock=tests/browser/package-lock.json
    if ! cmp -s "$lock" tests/browser/node_modules/.guichet-lock; then
        (cd tests/browser && npm ci --ignore-scripts --no-audit --no-fund) ||
            missing "npm ci in tests/browser failed"
        cp "$lock" tests/browser/node_modules/.guichet-lock
    fi
    if [[ "$(target/venv/bin/schemathesis --version 2>/dev/null)" != *"$SCHEMATHESIS"* ]]; then
        rm -rf target/venv
        python3 -m venv target/venv || missing "python3 -m venv failed"
        target/venv/bin/pip install --quiet --disable-pip-version-check "schemathesis==$SCHEMATHESIS" ||
            missing "pip could not install schemathesis $SCHEMATHESIS"
    fi
    # By the interpreter: the name of `pip` is another place's when a target directory was copied.
    local webhooks="import importlib.metadata as m; print(m.version('standardwebhooks'))"
    if [[ "$(target/venv/bin/python -c "$webhooks" 2>/dev/null)" != "$STANDARD_WEBHOOKS" ]]; then
        target/venv/bin/python -m pip install --quiet --disable-pip-version-check \
            "standardwebhooks==$STANDARD_WEBHOOKS" ||
            missing "pip could not install standardwebhooks $STANDARD_WEBHOOKS"
    fi
}

formatted() {
    cargo fmt --check
    # A package of its own: cargo does not find it from here.
    rustfmt --check --edition 2024 fuzz/fuzz_targets/*.rs
}

documentation() {
    RUSTDOCFLAGS="-D warnings" cargo doc --locked --no-deps --features faults
}

step "tools: Chromium, promtool, node packages, schemathesis, standardwebhooks" tools
step "cargo fmt" formatted
step "cargo clippy" cargo clippy --locked --all-targets --features faults -- -D warnings
step "cargo test: units, store, API, conformance, OpenAPI document, crashes" cargo test --locked --features faults
step "cargo doc" documentation
step "ops: alert rules and dashboard" tests/ops.sh
step "browser: Swagger UI and a payment" tests/browser/run.sh
step "webhooks: verified by the library for Python, through failures and restarts" tests/webhooks/run.sh
step "contract: schemathesis, 1,000 cases or more" tests/contract/run.sh

printf '\nAll %s steps passed in %ss:\n' "${#done_steps[@]}" "$SECONDS"
printf '%s\n' "${done_steps[@]}"
