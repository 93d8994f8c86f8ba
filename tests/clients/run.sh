#!/usr/bin/env bash
# Clients generated from openapi/openapi.json, for TypeScript and Python: their types hold a whole order together (tsc,
# mypy; of what was generated only the use is checked), and both make one in a sandbox. All of it stays in target/clients.
# Needs the built program, `npm ci` in tests/contract, and target/venv.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
# shellcheck source=tests/lib/sandbox.sh
. tests/lib/sandbox.sh

PATH=$PWD/target/venv/bin:$PWD/tests/contract/node_modules/.bin:$PATH
out=$PWD/target/clients
rm -rf "$out"
mkdir -p "$out/typescript" "$out/python"

openapi-typescript openapi/openapi.json -o "$out/typescript/schema.d.ts" >"$out/typescript.log" 2>&1 || {
    cat "$out/typescript.log" >&2
    exit 1
}
ln -s "$PWD/tests/contract/node_modules" "$out/typescript/node_modules"
cp tests/clients/order.ts "$out/typescript/order.mts"
tsc --strict --noUncheckedIndexedAccess --skipLibCheck false --target es2022 --module nodenext --types node --typeRoots "$out/typescript/node_modules/@types" \
    --outDir "$out/typescript/js" "$out/typescript/order.mts"

openapi-python-client generate --path openapi/openapi.json --output-path "$out/python/guichet" --meta none \
    --fail-on-warning >"$out/python.log" 2>&1 || {
    cat "$out/python.log" >&2
    exit 1
}
cp tests/clients/order.py "$out/python/order.py"
(cd "$out/python" && mypy --strict --follow-imports silent order.py)

sandbox_start GUICHET__SANDBOX__ALLOW_REMOTE=true
sandbox_key
BASE_URL=$SANDBOX_URL API_KEY=$SANDBOX_KEY node "$out/typescript/js/order.mjs"
(cd "$out/python" && BASE_URL=$SANDBOX_URL API_KEY=$SANDBOX_KEY "$PWD/../../venv/bin/python" order.py)
