#!/usr/bin/env bash
# What the released program is made of, in CycloneDX 1.5: target/guichet.cdx.json. Run it as `make sbom`.
# The crates come from cargo-cyclonedx, what they bundle from sbom.py, which also checks the result against the schema
# with target/venv (tests/python/requirements.txt), where it is installed. `sbom.sh tool` only installs cargo-cyclonedx.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

CYCLONEDX=0.5.9
target=${SBOM_TARGET:-$(rustc -vV | sed -n 's/^host: //p')}
tools=$PWD/target/tools
mkdir -p target

if [[ "$("$tools/bin/cargo-cyclonedx" cyclonedx --version 2>/dev/null)" != *"$CYCLONEDX" ]]; then
    # Its own target folder: what is built for it has nothing to do with ours.
    CARGO_PROFILE_DEV_DEBUG=0 cargo install --quiet --locked --debug --root "$tools" \
        --target-dir "$tools/build" cargo-cyclonedx --version "$CYCLONEDX"
    rm -rf "$tools/build"
fi
if [[ ${1:-} == tool ]]; then exit; fi

# The moment of the commit: the same source has the same list.
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || echo 0)}
export SOURCE_DATE_EPOCH
"$tools/bin/cargo-cyclonedx" cyclonedx --quiet --format json --spec-version 1.5 --describe binaries --no-build-deps \
    --target "$target"
python=target/venv/bin/python
[[ -x $python ]] || python=python3
cargo metadata --locked --format-version 1 --filter-platform "$target" >target/metadata.json
trap 'rm -f guichet_bin.cdx.json crates/*/*_bin.cdx.json target/metadata.json' EXIT
"$python" release/sbom.py guichet_bin.cdx.json target/metadata.json target/guichet.cdx.json
