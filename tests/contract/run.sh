#!/usr/bin/env bash
# Schemathesis against a sandbox: the answers keep to openapi/openapi.json, whatever is sent. MIN_CASES (1000) is the
# least number of cases, MAX_EXAMPLES (120) how many fuzzing makes for each operation.
# Needs the built program and schemathesis in target/venv (or in the path).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
# shellcheck source=tests/lib/sandbox.sh
. tests/lib/sandbox.sh

PATH=$PWD/target/venv/bin:$PATH
command -v schemathesis >/dev/null || { echo "schemathesis is not installed in target/venv" >&2; exit 1; }
[[ -s openapi/openapi.json ]] || { echo "openapi/openapi.json is missing: make openapi" >&2; exit 1; }

schema=$PWD/openapi/openapi.json
config=$PWD/tests/contract/schemathesis.toml
out=$PWD/target/contract
rm -rf "$out"
mkdir -p "$out"

# With a key, so that the check that nobody gets in without one means something. Without the limit that a fast client
# would run into: what is checked is the contract. A webhook's name that nobody can resolve is given up soon: how long that
# takes is the machine's matter.
sandbox_start GUICHET__SANDBOX__ALLOW_REMOTE=true GUICHET__WEBHOOKS__TIMEOUT_MS=2000 \
    GUICHET__LIMITS__RATE_PER_SECOND=1000000 GUICHET__LIMITS__BURST=1000000
sandbox_key

failed=0
# It keeps notes of its own in the working directory.
(cd "$out" && schemathesis --config-file "$config" run "$schema" --url "$SANDBOX_URL" \
    --header "X-API-Key: $SANDBOX_KEY" --generation-with-security-parameters false \
    --checks all --phases examples,coverage,fuzzing,stateful \
    --max-examples "${MAX_EXAMPLES:-120}" --seed 1 --generation-database none \
    --request-timeout 20 --no-color --report ndjson --report-ndjson-path "$out/events.ndjson") \
    | tee "$out/report.txt" || failed=$?

cases=$(sed -nE 's/^ *([0-9,]+) generated.*/\1/p' "$out/report.txt" | tail -n1 | tr -d ,)
echo "schemathesis: ${cases:-0} cases, exit code $failed (target/contract/report.txt)"
kill -0 "$SANDBOX_PID" 2>/dev/null || sandbox_fail "the sandbox did not survive"
[[ $failed == 0 ]] || exit "$failed"
if (( ${cases:-0} < ${MIN_CASES:-1000} )); then
    echo "fewer than ${MIN_CASES:-1000} cases: raise MAX_EXAMPLES" >&2
    exit 1
fi
