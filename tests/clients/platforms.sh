#!/usr/bin/env bash
# Clients of the payment platforms that other people wrote, against the simulators of a sandbox: what a simulator takes and
# answers is not decided by our own adapters alone. They are installed here, into target/platform-clients, and nothing of
# them is committed; some have licences that allow no more than this.
#
# What was looked for on 1 December 2026, by name on npm and PyPI and in Debian:
# - Sips: eopayment (PyPI, by Entr'ouvert, AGPL): payment requests, results, cancel, validate, read. Worldline's own SDK
#   for Node is @worldline/sips-payment-sdk, archived, and was not served; the Odoo modules need an Odoo that PyPI has not.
# - Lyra: nothing speaks the REST API V4 with a merchant's password. @lyracom/embedded-form-glue (npm, Lyra's own) only
#   loads the JavaScript form; systempay, django-payzen, django-pypayzen and the payzen of eopayment are older interfaces.
# - YabandPay: nothing. Its own library is PHP and in no registry named above.
#
# Needs the built program.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
# shellcheck source=tests/lib/sandbox.sh
. tests/lib/sandbox.sh

lock=tests/clients/requirements.txt
venv=target/platform-clients
if ! cmp -s "$lock" "$venv/.guichet-lock"; then
    rm -rf "$venv"
    python3 -m venv "$venv"
    "$venv/bin/pip" install --quiet --disable-pip-version-check --require-hashes -r "$lock"
    cp "$lock" "$venv/.guichet-lock"
fi

sandbox_start
BASE_URL=$SANDBOX_URL SIMULATORS=$SANDBOX_SIMULATORS "$venv/bin/python" tests/clients/sips.py
