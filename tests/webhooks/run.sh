#!/usr/bin/env bash
# Webhooks as a receiver in another language sees them: verified with the `standardwebhooks` library for Python, a third
# of the deliveries refused, over a kill, an orderly restart and a rotation of the secret. Nothing is lost, no sequence has a gap.
# Needs the program built with the feature `faults`, and the library in target/venv.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
exec target/venv/bin/python tests/webhooks/receiver.py \
    "${GUICHET_PROGRAM:-${CARGO_TARGET_DIR:-target}/debug/guichet}" \
    "${GUICHET_SANDBOX_PROGRAM:-${CARGO_TARGET_DIR:-target}/debug/guichet-sandbox}"
