#!/bin/sh
# Checks the alert rules and the dashboard in ops/: syntax, the rules' own tests, and that every metric they name is one
# that the program has. Needs promtool (Debian package `prometheus`) and python3. Takes a second.
set -eu
cd "$(dirname "$0")/.."

command -v promtool >/dev/null || { echo "ops: promtool is missing (Debian package prometheus)" >&2; exit 1; }

promtool check rules ops/alerts.yml
(cd ops && promtool test rules alerts_test.yml)

python3 - <<'PY'
import json, re, subprocess, sys, tempfile

source = open("src/metrics.rs").read()
known = set(re.findall(r'r\.register\(\s*"([a-z_]+)"', source))
uses = re.compile(r"\b((?:gateway|http_server|http_client)_[a-z_]+)\b")

def base(name):
    for end in ("_total", "_bucket", "_count", "_sum"):
        if name.endswith(end):
            return name[: -len(end)]
    return name

dashboard = json.load(open("ops/dashboard.json"))
queries = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
rules = [line for line in open("ops/alerts.yml") if not re.match(r"\s*(summary|action|- alert):", line)]
labels = {"http_request_method", "http_route", "http_response_status_code"}
wrong = set()
named = set()
for text in queries + rules:
    for name in uses.findall(text):
        if base(name) in known:
            named.add(base(name))
        elif name not in labels:
            wrong.add(name)
if wrong:
    sys.exit(f"ops: no such metric: {sorted(wrong)}")
if len(known) < 15 or known - named:
    sys.exit(f"ops: no rule and no panel uses {sorted(known - named)} of {len(known)} metrics")

# The queries must parse too; the dashboard's own variable stands for a duration.
with tempfile.NamedTemporaryFile("w", suffix=".yml") as file:
    file.write("groups:\n- name: dashboard\n  rules:\n")
    for number, query in enumerate(queries):
        text = json.dumps(query.replace("$__rate_interval", "5m"))
        file.write(f"  - record: dashboard:{number}\n    expr: {text}\n")
    file.flush()
    result = subprocess.run(["promtool", "check", "rules", file.name], capture_output=True, text=True)
    if result.returncode:
        sys.exit(f"ops: a query of the dashboard is wrong: {result.stderr}{result.stdout}")
print(f"ops: {len(queries)} queries of the dashboard and {len(named)} metrics are fine")
PY
