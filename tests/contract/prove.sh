#!/usr/bin/env bash
# The long form of the contract check, part of `make prove`: 10,000 generated requests or more.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
# shellcheck source=tests/lib/tools.sh
. tests/lib/tools.sh

need_python
python_packages
cargo build --locked --workspace --features faults
MIN_CASES=${MIN_CASES:-10000} MAX_EXAMPLES=${MAX_EXAMPLES:-320} tests/contract/run.sh
