#!/usr/bin/env bash
# Every fuzz target for FUZZ seconds. Run it as `make fuzz`, or `FUZZ=600 TARGETS="token money" make fuzz`. What is found
# is kept in `fuzz/artifacts`; it becomes a file of `fuzz/corpus` together with what mends it. New inputs are kept in
# `target/fuzz/corpus`, never among those that are committed.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

seconds=${FUZZ:-60}
version=0.13.2
tools=$PWD/target/tools
# libFuzzer needs flags that are not stable; the compiler stays the one of the build.
export RUSTC_BOOTSTRAP=1
export PATH=$tools/bin:$PATH

if [[ "$(cargo fuzz --version 2>/dev/null)" != *"$version"* ]]; then
    cargo install --locked --root "$tools" cargo-fuzz --version "$version"
fi
command -v c++ >/dev/null || { echo "libFuzzer needs a C++ compiler: apt-get install g++" >&2; exit 1; }

# The dependencies are those of the service; only libFuzzer's own are added.
cp Cargo.lock fuzz/Cargo.lock
cd fuzz
fuzz() { cargo fuzz "$1" --target-dir ../target/fuzz "${@:2}"; }
fuzz build
read -ra targets <<<"${TARGETS:-$(cargo fuzz list | tr '\n' ' ')}"
for target in "${targets[@]}"; do
    grown=../target/fuzz/corpus/$target
    mkdir -p "$grown"
    log=../target/fuzz/$target.log
    printf '=== %s, %s seconds\n' "$target" "$seconds"
    fuzz run "$target" "$grown" "corpus/$target" -- -max_total_time="$seconds" -max_len=16384 -timeout=10 \
        -print_final_stats=1 >"$log" 2>&1 || { tail -n 60 "$log" >&2; exit 1; }
    grep -E 'stat::number_of_executed_units|^#[0-9]+.*DONE' "$log"
done
