#!/usr/bin/env bash
# The OpenAPI document before two linters, Spectral and Redocly, with their recommended rules: no error, no warning.
# Needs `npm ci` done here.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

PATH=$PWD/tests/contract/node_modules/.bin:$PATH
export REDOCLY_TELEMETRY=off REDOCLY_SUPPRESS_UPDATE_NOTICE=true
spectral lint --quiet --fail-severity hint openapi/openapi.json
redocly lint --config redocly.yaml --format json openapi/openapi.json >target/redocly.json 2>target/redocly.log || true
node -e '
    const { totals, problems } = JSON.parse(require("node:fs").readFileSync("target/redocly.json", "utf8"));
    for (const { ruleId, message, location } of problems) console.error(`${ruleId}: ${message} ${location?.[0]?.pointer}`);
    console.log(`redocly: ${totals.errors} errors, ${totals.warnings} warnings`);
    process.exit(totals.errors + totals.warnings === 0 ? 0 : 1);' || { cat target/redocly.log >&2; exit 1; }
