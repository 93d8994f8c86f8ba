#!/usr/bin/env bash
# Builds the handbook into target/handbook; a broken link or a page that is nowhere in the navigation is an error.
# Needs target/venv (tests/python/requirements.txt).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

source=target/handbook-source
rm -rf "$source" target/handbook
mkdir -p "$source/docs" "$source/config" "$source/ops"
cp README.md ARCHITECTURE.md CHANGELOG.md "$source"
cp docs/*.md "$source/docs"
cp -r docs/pictures "$source/docs/pictures"
cp docs/book/style.css "$source"
cp ops/dashboard.json "$source/ops"

# page FILE LANGUAGE: a file that is no text becomes a page, and links to it lead there.
page() {
    local name=${1##*/}
    { printf '# %s\n\n```%s\n' "$1" "$2"; cat "$1"; printf '```\n'; } >"$source/$1.md"
    find "$source" -name '*.md' -exec sed -i -E "s#\]\(([^)]*)${name//./\\.}\)#](\1$name.md)#g" {} +
}
page config/default.toml toml
page config/example.live.toml toml
page ops/alerts.yml yaml

# Not --quiet: then it does not see its own warnings, and nothing is strict.
NO_MKDOCS_2_WARNING=1 target/venv/bin/mkdocs build --strict --config-file docs/book/mkdocs.yml >target/handbook.log 2>&1 || {
    cat target/handbook.log >&2
    exit 1
}
echo "target/handbook: $(find target/handbook -name '*.html' | wc -l) pages"
