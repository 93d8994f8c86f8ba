#!/usr/bin/env bash
# The long form of the proof that nothing is lost and nothing is done twice. Run it as `make prove`; docs/proof.md
# explains it. The figures can be changed: KILLS=100 HISTORIES=10000 CUTS=100 SEED=7 make prove
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

export GUICHET_PROOF_KILLS=${KILLS:-3000}
export GUICHET_PROOF_HISTORIES=${HISTORIES:-200000}
export GUICHET_PROOF_CUTS=${CUTS:-500}
export GUICHET_PROOF_FIRST_SEED=${SEED:-1}

cargo test --locked --features faults --test proof --no-run

part() {
    printf '\n=== %s\n' "$1"
    cargo test --quiet --locked --features faults --test proof "$2" -- --exact --include-ignored --nocapture
}

part "histories" sim::histories_lose_nothing_and_double_nothing
part "a history replays" sim::a_history_replays
part "kills under load" load::kills_under_load_lose_nothing_and_double_nothing
part "power cuts" power::power_cuts_lose_nothing_that_was_acknowledged
part "power cuts without syncs" power::a_store_that_does_not_sync_loses_what_it_acknowledged
part "planted mistakes, found by histories" planted::every_planted_mistake_is_found
part "planted mistakes, found by kills" load::mistakes_planted_in_the_program_are_found
printf '\n=== %s\n' "a storm of 10,000 notifications"
cargo test --quiet --locked --features faults --test suite -- --exact --ignored --nocapture \
    api::notification_storm::ten_thousand_are_applied_once_and_no_forged_one
printf '\nThe proof holds.\n'
