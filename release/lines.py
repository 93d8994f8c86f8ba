"""Counts lines of Rust for each crate, provider and simulated platform. Run it as `make lines`.

"code" is without tests, blank lines and comments. A test is what stands behind `#[cfg(test)]`: the rest of a block, or the
file or folder of the module that is named there.
"""

import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent


def test_files(folder):
    """The files below `folder` that only tests are built with."""
    found = set()
    for file in folder.rglob("*.rs"):
        # Modules of a file `name.rs` are in `name/`, those of these three beside it.
        beside = file.parent if file.name in ("lib.rs", "main.rs", "mod.rs") else file.with_suffix("")
        for name in re.findall(r"#\[cfg\(test\)\]\s*(?:pub(?:\([^)]*\))? )?mod (\w+);", file.read_text()):
            found.add(beside / f"{name}.rs")
            found.update((beside / name).rglob("*.rs"))
    return found


def code_lines(text):
    """Lines that are neither blank nor comment nor inside a test module."""
    count, in_test, waits = 0, False, False
    for line in text.splitlines():
        if in_test:
            in_test = line != "}"
            continue
        if line.strip() == "#[cfg(test)]" and not line.startswith(" "):
            waits = True
            continue
        if waits:
            waits = False
            # `mod name;` and `use ...;` are over at once; a block ends at a brace in the first column.
            in_test = line.rstrip().endswith("{")
            continue
        bare = line.strip()
        if bare and not bare.startswith("//"):
            count += 1
    return count


def count(folder, without=()):
    """Files, code and all lines of the Rust files below a folder."""
    tests = test_files(folder)
    files = code = lines = 0
    for file in sorted(folder.rglob("*.rs")):
        if any(part in file.parents for part in without):
            continue
        text = file.read_text()
        files += 1
        lines += text.count("\n")
        if file not in tests:
            code += code_lines(text)
    return files, code, lines


def main():
    source, crates = ROOT / "src", ROOT / "crates"
    parts = [("service: src", source)]
    parts += [(f"crate: {crate.relative_to(ROOT)}", crate / "src") for crate in sorted(crates.iterdir())]
    platforms = []
    for label, place in (
        ("adapter", crates / "providers" / "src"),
        ("simulator", crates / "simulator" / "src"),
    ):
        folders = [folder for folder in sorted(place.iterdir()) if folder.is_dir()]
        platforms += [(f"{label}: {folder.name}", folder) for folder in folders]
    print(f"{'':<28}{'files':>7}{'code':>9}{'all':>9}")
    total = [0, 0, 0]
    for name, folder in parts:
        figures = count(folder)
        total = [sum(pair) for pair in zip(total, figures)]
        print(f"{name:<28}{figures[0]:>7,}{figures[1]:>9,}{figures[2]:>9,}")
    print(f"{'together':<28}{total[0]:>7,}{total[1]:>9,}{total[2]:>9,}\n")
    for name, folder in platforms:
        files, code, lines = count(folder)
        print(f"{name:<28}{files:>7,}{code:>9,}{lines:>9,}")
    tests = count(ROOT / "tests")
    print(f"\n{'tests':<28}{tests[0]:>7,}{'':>9}{tests[2]:>9,}")


if __name__ == "__main__":
    sys.exit(main())
