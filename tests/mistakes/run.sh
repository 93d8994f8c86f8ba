#!/usr/bin/env bash
# Deliberate mistakes in the program that only its source can hold: each patch here must turn its named checks red. Part of
# `make prove`.
#
#   tests/mistakes/run.sh                       all of them
#   tests/mistakes/run.sh 04 logged             those whose names hold one of these words
#   tests/mistakes/run.sh --check               only whether every patch still applies; part of `make test`
#
# A patch begins with lines of words. `Check: suite crash::witness::a_test no sync` names a test binary, a test of it, and
# what it must say, as an extended regular expression: a test that fails for another reason has not found the mistake. The
# committed source is copied to target/mistakes, where every build shares one target folder.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
root=$PWD

checks_of() {
    sed -n '/^diff /q; s/^Check: //p' "$1"
}

applies() {
    local patch bad=0
    for patch in tests/mistakes/*.patch; do
        [[ -n $(checks_of "$patch") ]] || { echo "$patch names no check" >&2; bad=1; }
        git apply --check "$patch" || { echo "$patch does not apply any more: make it anew from the code as it is" >&2; bad=1; }
    done
    return "$bad"
}

if [[ ${1:-} == --check ]]; then
    applies
    exit
fi

wanted=()
for patch in tests/mistakes/*.patch; do
    (($# == 0)) && wanted+=("$patch")
    for word in "$@"; do
        if [[ ${patch##*/} == *"$word"* ]]; then
            wanted+=("$patch")
            break
        fi
    done
done
((${#wanted[@]} > 0)) || { echo "no mistake is named so" >&2; exit 2; }

copy=$root/target/mistakes/source
export CARGO_TARGET_DIR=$root/target/mistakes/target
rm -rf "$copy"
mkdir -p "$copy"
# Dated now: what an earlier run built of a mistake is older, and built anew.
if git rev-parse --git-dir >/dev/null 2>&1; then
    git archive HEAD | tar -xm -C "$copy"
else
    tar -c --exclude=./target --exclude=node_modules . | tar -xm -C "$copy"
fi
cd "$copy"
# Not a part of any repository that is around it.
export GIT_CEILING_DIRECTORIES=$root/target/mistakes
log=$root/target/mistakes/log
: >"$log"

# Few histories and kills are enough here.
export GUICHET_PROOF_KILLS=54 GUICHET_PROOF_CUTS=60 GUICHET_PROOF_FIRST_SEED=1 RUST_BACKTRACE=0

# build NAME PATCH...: the test binaries that the checks of these patches are in.
build() {
    local name=$1 patch binaries=()
    shift
    mapfile -t binaries < <(for patch in "$@"; do checks_of "$patch" | cut -d' ' -f1; done | sort -u | sed 's/^/--test=/')
    cargo test --quiet --locked --features faults "${binaries[@]}" --no-run >>"$log" 2>&1 ||
        { tail -n 40 "$log" >&2; echo "$name does not build" >&2; exit 1; }
}

# check BINARY TEST [TEXT]: runs exactly one test, and says whether it was red, and for that reason.
check() {
    local said
    said=$(cargo test --quiet --locked --features faults --test "$1" "$2" -- --exact --include-ignored 2>&1 || true)
    printf '%s\n' "$said" >>"$log"
    case $said in
    *"1 passed; 0 failed"*) echo green ;;
    *"0 passed; 1 failed"*)
        if grep -Eq -- "${3:-.}" <<<"$said"; then echo red; else echo "red for another reason"; fi
        ;;
    *) echo "no such test" ;;
    esac
}

bad=0
row() {
    printf '%-38s %-6s %s\n' "$@"
}

build "the source without a mistake" "${wanted[@]}"
while read -r binary test; do
    colour=$(check "$binary" "$test")
    row "without a mistake" "$colour" "$binary $test"
    [[ $colour == green ]] || bad=1
done < <(for patch in "${wanted[@]}"; do checks_of "$patch" | cut -d' ' -f1,2; done | sort -u)

for patch in "${wanted[@]}"; do
    name=$(basename "$patch" .patch)
    git apply "$patch"
    build "$name" "$patch"
    while read -r binary test text; do
        colour=$(check "$binary" "$test" "$text")
        row "$name" "$colour" "$binary $test"
        [[ $colour == red ]] || bad=1
    done < <(checks_of "$patch")
    git apply -R "$patch"
done

# Stores that kills were found in.
rm -rf "$CARGO_TARGET_DIR/tmp"
if ((bad)); then
    echo "a check is not what it should be: $log has what was said" >&2
    exit 1
fi
