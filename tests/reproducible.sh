#!/usr/bin/env bash
# Two clean `make release` of the committed source give the same bytes: in two folders, with two target folders, under two
# names of the cargo home, one after the other. Run it as `make reproducible`; COMMIT says which commit (HEAD).
# Compiler, linker and C library are this machine's both times: what another machine makes is only the same if it has the
# same ones, as the image of the Dockerfile does.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

commit=$(git rev-parse "${COMMIT:-HEAD}")
cargo fetch --locked
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

# copy NAME: the committed files, without what git ignores.
copy() {
    mkdir -p "$folder/$1"
    git archive "$commit" | tar -x -C "$folder/$1"
}

copy first
copy second/with/a/longer/name
ln -s "$(realpath "${CARGO_HOME:-$HOME/.cargo}")" "$folder/cargo-home"

echo "building $commit for the first time"
(
    unset CARGO_TARGET_DIR
    CARGO_NET_OFFLINE=true make --no-print-directory -C "$folder/first" release
)
first=$folder/first/target/release/guichet
echo "and for the second"
CARGO_HOME=$folder/cargo-home CARGO_TARGET_DIR=$folder/elsewhere CARGO_NET_OFFLINE=true TZ=Asia/Tokyo \
    make --no-print-directory -C "$folder/second/with/a/longer/name" release
second=$folder/elsewhere/release/guichet

sha256sum "$first" "$second"
if ! cmp "$first" "$second"; then
    mkdir -p target/reproducible
    cp "$first" target/reproducible/first
    cp "$second" target/reproducible/second
    echo "the two builds differ: target/reproducible has both" >&2
    exit 1
fi
for path in "$folder" "${CARGO_HOME:-$HOME/.cargo}"; do
    if grep -qaF "$path" "$first"; then
        echo "the program holds the path $path" >&2
        exit 1
    fi
done
echo "identical: $(stat -c %s "$first") bytes of commit $commit"
