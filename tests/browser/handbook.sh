#!/usr/bin/env bash
# The handbook in Chromium. Needs target/handbook (docs/book/build.sh), Chromium, and `npm ci` done here.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

mkdir -p target/browser
HANDBOOK=$(realpath target/handbook) PICTURES=$(realpath target/browser) node tests/browser/handbook.mjs
