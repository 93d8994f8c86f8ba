#!/usr/bin/env bash
# For the checks: installs the tools they need where it can, else says what to install. Nothing outside target and the
# two node_modules is touched, but for Debian packages, and those only as root.

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

need_rust() {
    command -v cargo >/dev/null || missing "cargo is missing: install Rust 1.95 or later (https://rustup.rs)"
    local component
    for component in rustfmt clippy; do
        cargo "${component/rustfmt/fmt}" --version >/dev/null 2>&1 && continue
        command -v rustup >/dev/null || missing "cargo ${component/rustfmt/fmt} is missing"
        rustup component add "$component"
    done
    need "a C compiler" "command -v cc >/dev/null" gcc libc6-dev
}

need_python() {
    need "Python 3 with venv" "python3 -c 'import venv, ensurepip' 2>/dev/null" python3 python3-venv
}

need_node() {
    need "node 18 or later" \
        "node -e 'process.exit(+process.versions.node.split(\".\")[0] < 18 ? 1 : 0)' 2>/dev/null" nodejs
    need "npm" "command -v npm >/dev/null" npm
}

# node_packages FOLDER: what its lock names, when it is not there yet. No package may run anything on installation.
node_packages() {
    local lock=$1/package-lock.json
    if cmp -s "$lock" "$1/node_modules/.guichet-lock"; then return; fi
    (cd "$1" && npm ci --silent --ignore-scripts --no-audit --no-fund) || missing "npm ci in $1 failed"
    cp "$lock" "$1/node_modules/.guichet-lock"
}

# The tools of tests/python/requirements.txt, every file by its hash.
python_packages() {
    local lock=tests/python/requirements.txt
    if cmp -s "$lock" target/venv/.guichet-lock; then return; fi
    rm -rf target/venv
    python3 -m venv target/venv || missing "python3 -m venv failed"
    target/venv/bin/pip install --quiet --disable-pip-version-check --require-hashes -r "$lock" ||
        missing "pip could not install what $lock names"
    cp "$lock" target/venv/.guichet-lock
}
