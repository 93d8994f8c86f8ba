"""Completes the list of crates (CycloneDX) with what they bundle, takes the machine's paths out and checks it.

usage: sbom.py MADE METADATA RESULT, where METADATA is what `cargo metadata` prints.
"""

import json
import pathlib
import re
import sys

# Sources of others inside a crate: their name, the crate, the file that tells the version, how, and what they are. Of
# {v2|v3} the first is meant when the crate has a feature of that name, else the second.
BUNDLED = [
    ("sqlite", "libsqlite3-sys", "sqlite3/sqlite3.h", r'#define SQLITE_VERSION +"([\d.]+)"', "blessing", "sqlite:sqlite"),
    ("mimalloc", "libmimalloc-sys", "c_src/mimalloc/{v2|v3}/include/mimalloc.h", r"#define MI_MALLOC_VERSION (\d+)", "MIT", None),
    ("swagger-ui", "utoipa-swagger-ui-vendored", "res", r"v([\d.]+)\.zip", "Apache-2.0", "smartbear:swagger_ui"),
]


def version_of(folder: pathlib.Path, file: str, pattern: str, features: list[str]) -> str:
    place = folder / re.sub(r"{(.*)\|(.*)}", lambda two: two[1] if two[1] in features else two[2], file)
    text = " ".join(entry.name for entry in place.iterdir()) if place.is_dir() else place.read_text()
    found = re.search(pattern, text)
    if not found:
        sys.exit(f"sbom: {place} does not tell its version any more")
    version = found[1]
    if version.isdigit():  # 20302 is 2.3.2
        number = int(version)
        version = f"{number // 10000}.{number // 100 % 100}.{number % 100}"
    return version


def main(made: str, metadata: str, result: str) -> None:
    bom = json.loads(pathlib.Path(made).read_text())
    graph = json.loads(pathlib.Path(metadata).read_text())
    packages = graph["packages"]
    features = {node["id"]: node["features"] for node in graph["resolve"]["nodes"]}
    program = bom["metadata"]["component"]
    path = program["bom-ref"]
    # The program and the crates it is made of here, by their place on this machine and by their name.
    ours = {}
    for part in [program, *bom["components"]]:
        if part["bom-ref"].startswith("path+file:"):
            part["purl"] = ours[part["bom-ref"]] = f"pkg:cargo/{part['name']}@{part['version']}"
    refs = {entry["ref"]: entry for entry in bom["dependencies"]}
    for bundled, crate, file, pattern, licence, cpe in BUNDLED:
        owners = [package for package in packages if package["name"] == crate]
        if len(owners) != 1:
            sys.exit(f"sbom: {crate} is there {len(owners)} times: who bundles {bundled} now?")
        folder = pathlib.Path(owners[0]["manifest_path"]).parent
        version = version_of(folder, file, pattern, features[owners[0]["id"]])
        component = {
            "type": "library",
            "bom-ref": f"bundled:{bundled}@{version}",
            "name": bundled,
            "version": version,
            "description": f"bundled by the crate {crate} {owners[0]['version']}",
            "scope": "required",
            "licenses": [{"license": {"id": licence}}],
            "purl": f"pkg:generic/{bundled}@{version}",
        }
        if cpe:
            component["cpe"] = f"cpe:2.3:a:{cpe}:{version}:*:*:*:*:*:*:*"
        bom["components"].append(component)
        bom["dependencies"].append({"ref": component["bom-ref"]})
        owner = next((ref for ref in refs if f"#{crate}@" in ref), path)
        refs[owner].setdefault("dependsOn", []).append(component["bom-ref"])
    text = json.dumps(bom, indent=2) + "\n"
    for place, name in ours.items():
        text = text.replace(json.dumps(place), json.dumps(name))
    if "file:/" in text:
        sys.exit("sbom: a path of this machine is left in it")
    check(text)
    pathlib.Path(result).write_text(text)
    print(f"{result}: {len(bom['components'])} components, {len(text)} bytes")


def check(text: str) -> None:
    try:
        from cyclonedx.schema import SchemaVersion
        from cyclonedx.validation.json import JsonStrictValidator
    except ImportError:
        print("sbom: not checked against the schema: cyclonedx-python-lib is not installed", file=sys.stderr)
        return
    wrong = JsonStrictValidator(SchemaVersion.V1_5).validate_str(text)
    if wrong:
        sys.exit(f"sbom: not CycloneDX 1.5: {wrong}")


main(*sys.argv[1:])
