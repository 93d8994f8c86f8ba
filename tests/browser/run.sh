#!/usr/bin/env bash
# The browser checks: a sandbox with an API key, Swagger UI in Chromium, a payment on the simulator's page.
# Needs the built program, Chromium, and `npm ci` done here.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
# shellcheck source=tests/lib/sandbox.sh
. tests/lib/sandbox.sh

mkdir -p target/browser
PICTURES=$(realpath target/browser)
export PICTURES

sandbox_start GUICHET__SANDBOX__ALLOW_REMOTE=true
sandbox_key

BASE_URL=$SANDBOX_URL API_KEY=$SANDBOX_KEY node tests/browser/docs.mjs

# The second sample order is open and is not needed by the check above.
id=systempay_fd8f6060f824427ba687d0161e46af8f
order=$(curl -fsS -H "X-API-Key: $SANDBOX_KEY" "$SANDBOX_URL/orders/$id")
link=$(node -e 'console.log(JSON.parse(process.argv[1]).checkout?.link ?? "")' "$order")
[[ -n $link ]] || sandbox_fail "order $id has no payment link: $order"
node tests/browser/payment.mjs "$link"
status=""
for _ in $(seq 50); do
    order=$(curl -fsS -H "X-API-Key: $SANDBOX_KEY" "$SANDBOX_URL/orders/$id")
    status=$(node -e 'console.log(JSON.parse(process.argv[1]).status)' "$order")
    [[ $status == paid ]] && break
    sleep 0.1
done
[[ $status == paid ]] || sandbox_fail "order $id was paid in the browser, guichet says $status"
echo "order $id: paid"

# Sherlock's: created here, paid over a page that submits itself, and given back after the night.
call() { curl -fsS -H "X-API-Key: $SANDBOX_KEY" -H 'content-type: application/json' "$@"; }
member() { node -e 'console.log(process.argv[2].split(".").reduce((o, name) => o?.[name], JSON.parse(process.argv[1])) ?? "")' "$@"; }
back=$SANDBOX_URL/docs
order=$(call -H 'Idempotency-Key: browser-create' "$SANDBOX_URL/orders" -d "{\"account\": \"sherlocks\",
    \"amount\": {\"value\": 1990, \"currency\": \"EUR\"}, \"merchant_reference\": \"browser-1\", \"return_url\": \"$back\"}")
id=$(member "$order" id)
node tests/browser/sherlocks.mjs "$(member "$order" checkout.link)" "$back"
status=$(member "$(call "$SANDBOX_URL/orders/$id")" status)
[[ $status == paid ]] || sandbox_fail "order $id was paid in the browser, guichet says $status"
simulators=$(node -e 'console.log(new URL(process.argv[1]).origin)' "$(member "$order" checkout.url)")
curl -fsS -o /dev/null -H 'content-type: application/json' "$simulators/_control/act/sips/sherlocks" \
    -d "{\"action\": \"remit\", \"order\": \"${id#sherlocks_}\"}"
status=$(member "$(call -H 'Idempotency-Key: browser-refund' -X POST "$SANDBOX_URL/orders/$id/refund")" status)
[[ $status == refunded ]] || sandbox_fail "order $id was refunded, guichet says $status"
echo "order $id: paid in the browser, then refunded"
