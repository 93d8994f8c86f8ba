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

# At YabandPay: made here, paid in the browser, a part refunded and approved in the back office.
call() {
    curl -fsS -X "$1" -H "X-API-Key: $SANDBOX_KEY" -H 'Content-Type: application/json' "${@:3}" "$2"
}
member() {
    node -e 'let value = JSON.parse(process.argv[1]); for (const name of process.argv[2].split(".")) value = value?.[name];
        console.log(value ?? "")' "$1" "$2"
}
# until_says ADDRESS MEMBER WORD: reads until it says so.
until_says() {
    local said=""
    for _ in $(seq 50); do
        said=$(member "$(call GET "$SANDBOX_URL$1")" "$2")
        if [[ $said == "$3" ]]; then return; fi
        sleep 0.1
    done
    sandbox_fail "$1 should say $3, $2 is $said"
}

order=$(call POST "$SANDBOX_URL/orders" -H 'Idempotency-Key: browser-create' -d '{"account": "yabandpay",
    "amount": {"value": 1990, "currency": "EUR"}, "merchant_reference": "browser-1"}')
id=$(member "$order" id)
link=$(member "$order" checkout.link)
[[ -n $link ]] || sandbox_fail "the new order has no payment link: $order"
mkdir -p "$PICTURES/yabandpay"
PICTURES=$PICTURES/yabandpay node tests/browser/payment.mjs "$link"
until_says "/orders/$id" status paid
refund=$(call POST "$SANDBOX_URL/orders/$id/refund" -H 'Idempotency-Key: browser-refund' \
    -d '{"amount": {"value": 490, "currency": "EUR"}}')
[[ $(member "$refund" operation.status) == accepted ]] || sandbox_fail "the refund was not accepted: $refund"
simulators=${link%%/yabandpay/*}
call POST "$simulators/_control/act/yabandpay/yabandpay" \
    -d "{\"action\": \"approve_refund\", \"order\": \"${id#yabandpay_}\"}" >/dev/null
until_says "/operations/$(member "$refund" operation.id)" status succeeded
until_says "/orders/$id" amounts.refunded 490
until_says "/orders/$id" status partially_refunded
echo "order $id: paid in the browser, 4.90 EUR of it refunded"

# At Sherlock's: paid over a page that submits itself, and given back after the night.
back=$SANDBOX_URL/docs
order=$(call POST "$SANDBOX_URL/orders" -H 'Idempotency-Key: browser-create-2' -d "{\"account\": \"sherlocks\",
    \"amount\": {\"value\": 1990, \"currency\": \"EUR\"}, \"merchant_reference\": \"browser-2\", \"return_url\": \"$back\"}")
id=$(member "$order" id)
node tests/browser/sherlocks.mjs "$(member "$order" checkout.link)" "$back"
until_says "/orders/$id" status paid
call POST "$simulators/_control/act/sips/sherlocks" \
    -d "{\"action\": \"remit\", \"order\": \"${id#sherlocks_}\"}" >/dev/null
refund=$(call POST "$SANDBOX_URL/orders/$id/refund" -H 'Idempotency-Key: browser-refund-2')
[[ $(member "$refund" status) == refunded ]] || sandbox_fail "the order was not refunded: $refund"
echo "order $id: paid in the browser, then refunded"

# A platform that answers the form of the link with a redirect to another host of its own.
order=$(call POST "$SANDBOX_URL/orders" -H 'Idempotency-Key: browser-create-3' -d '{"account": "sherlocks",
    "amount": {"value": 1990, "currency": "EUR"}, "merchant_reference": "browser-3"}')
node tests/browser/redirect.mjs "$(member "$order" checkout.link)"
