#!/usr/bin/env bash
# The long form of the proof that nothing is lost and nothing is done twice. Run it as `make prove`; docs/proof.md
# explains it. The figures can be changed: KILLS=100 HISTORIES=10000 CUTS=100 SEED=7 make prove
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

export GUICHET_PROOF_KILLS=${KILLS:-3000}
export GUICHET_PROOF_HISTORIES=${HISTORIES:-200000}
export GUICHET_PROOF_CUTS=${CUTS:-500}
export GUICHET_PROOF_FIRST_SEED=${SEED:-1}
export RUST_BACKTRACE=0

cargo test --locked --profile prove --features faults --test proof --test suite --no-run

# Stores are made in memory where there is such a place. Whatever happens, nothing stays: neither files nor programs
# that work on them.
memory=/dev/shm
[[ -d $memory && -w $memory ]] || memory=${TMPDIR:-/tmp}
GUICHET_PROOF_SCRATCH=$(mktemp -d "$memory/guichet-proof.XXXXXX")
export GUICHET_PROOF_SCRATCH
clean() {
    local place
    for place in /proc/[0-9]*; do
        # Everything that was started here knows the folder.
        if [[ ${place#/proc/} != "$$" ]] &&
            grep -qzxF "GUICHET_PROOF_SCRATCH=$GUICHET_PROOF_SCRATCH" "$place/environ" 2>/dev/null; then
            kill -KILL "${place#/proc/}" 2>/dev/null || true
        fi
    done
    rm -rf "$GUICHET_PROOF_SCRATCH"
}
trap clean EXIT
trap 'exit 130' INT TERM HUP

part() {
    local begun=$SECONDS
    printf '\n=== %s\n' "$1"
    # Beside the shell, which would not hear a signal before it has ended.
    cargo test --quiet --locked --profile prove --features faults --test proof "$2" -- --exact --include-ignored --nocapture &
    wait $!
    printf '%s: %s s\n' "$1" "$((SECONDS - begun))"
}

printf 'commit %s, %s kills, %s histories, %s power cuts from seed %s\n' \
    "$(git rev-parse --short HEAD 2>/dev/null || echo unknown)" "$GUICHET_PROOF_KILLS" "$GUICHET_PROOF_HISTORIES" \
    "$GUICHET_PROOF_CUTS" "$GUICHET_PROOF_FIRST_SEED"
part "a history replays" sim::a_history_replays
part "deliberate mistakes, found by histories" planted::every_planted_mistake_is_found
part "power cuts of a journal without syncs" power::a_store_that_does_not_sync_loses_what_it_acknowledged
part "power cuts" power::power_cuts_lose_nothing_that_was_acknowledged
part "kills under load" load::kills_under_load_lose_nothing_and_double_nothing
part "histories" sim::histories_lose_nothing_and_double_nothing
printf '\n=== %s\n' "a storm of 10,000 notifications"
cargo test --quiet --locked --profile prove --features faults --test suite -- --exact --ignored --nocapture \
    api::notification_storm::ten_thousand_are_applied_once_and_no_forged_one
printf '\n=== %s\n' "mistakes in the program's source"
tests/mistakes/run.sh &
wait $!
printf '\nThe proof holds, in %s s.\n' "$SECONDS"
