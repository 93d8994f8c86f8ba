"""A receiver of webhooks that fails a third of the time, and what must reach it all the same. See run.sh."""

import base64
import collections
import concurrent.futures
import http.server
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request

from standardwebhooks import Webhook, WebhookVerificationError

ORDERS = 60
PATIENCE = 60.0
# Pauses between attempts are divided by this: 5 s, 5 min, 30 min, 2 h become 5 ms, 0.3 s, 1.8 s, 7.2 s.
HURRY = "hurry:1000"
# No event is failed more often than this: the pauses after it (18 s, 36 s) are longer than our patience.
FAILURES_OF_ONE = 3


class Receiver:
    """Takes what is signed with a secret it knows; every third delivery it answers with a failure."""

    def __init__(self):
        self.lock = threading.Lock()
        self.secrets = []
        self.calls = 0
        self.refused = 0
        self.failures = collections.Counter()
        self.taken = []
        self.strange = 0
        self.faults = []
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers["content-length"]))
                status = receiver.take({name.lower(): value for name, value in self.headers.items()}, body)
                self.send_response(status)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/hooks"

    def take(self, headers, body):
        with self.lock:
            self.calls += 1
            secrets, due = list(self.secrets), self.calls % 3 == 0
            good = [secret for secret in secrets if verifies(secret, headers, body)]
            if not good:
                self.strange += 1
                return 401
            # What the library accepts of the genuine message it must refuse of an altered one.
            if verifies(good[0], headers, body + b" "):
                self.faults.append("the signature is not over the body")
            message = json.loads(body)
            if headers["webhook-id"] != message["data"]["id"] or message["type"] != message["data"]["type"]:
                self.faults.append(f"head and body of {headers['webhook-id']} differ")
            if due and self.failures[message["data"]["id"]] < FAILURES_OF_ONE:
                self.failures[message["data"]["id"]] += 1
                self.refused += 1
                return 500
            self.taken.append((message["data"], tuple(good), len(headers["webhook-signature"].split(" "))))
            return 204


def verifies(secret, headers, body):
    try:
        Webhook(secret).verify(body, headers)
        return True
    except WebhookVerificationError:
        return False


class Program:
    """A guichet process; its address is read from what it logs."""

    def __init__(self, *command, environment, say=None):
        self.output = collections.deque(maxlen=40)
        self.address = None
        self.ready = threading.Event()
        self.process = subprocess.Popen(
            command,
            env={name: value for name, value in os.environ.items() if not name.startswith("GUICHET_")} | environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.lines = []
        self.say = say or (lambda line: re.search(r'"listen":"([^"]+)"', line))
        threading.Thread(target=self.read, daemon=True).start()
        if not self.ready.wait(PATIENCE):
            fail(f"{command} does not become ready: {list(self.output)}")

    def read(self):
        for line in self.process.stdout:
            self.lines.append(line)
            self.output.append(line)
            found = self.say(line)
            if found and self.address is None:
                self.address = found.group(1)
                self.ready.set()

    def end(self, how):
        self.process.send_signal(how)
        self.process.wait(PATIENCE)
        return self.process.returncode


def fail(why):
    print(f"webhooks: {why}", file=sys.stderr)
    sys.exit(1)


def call(program, method, path, body=None, key=None):
    request = urllib.request.Request(f"http://{program.address}{path}", method=method)
    request.add_header("content-type", "application/json")
    if key:
        request.add_header("idempotency-key", key)
    data = None if body is None else json.dumps(body).encode()
    with urllib.request.urlopen(request, data, PATIENCE) as answer:
        return json.loads(answer.read() or b"null")


def make_orders(program, numbers):
    """Each order is made and then changed: four events."""

    def one(number):
        order = {"account": "systempay", "amount": {"value": 1000, "currency": "EUR"}, "merchant_reference": f"w{number}"}
        made = call(program, "POST", "/orders", order, f"make-{number}")
        call(program, "POST", f"/orders/{made['id']}/cancel", key=f"cancel-{number}")
        return made["id"]

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        return list(pool.map(one, numbers))


def told(program):
    """Every event of the feed, by order."""
    events, cursor = collections.defaultdict(list), ""
    while True:
        page = call(program, "GET", f"/events?limit=200{cursor}")
        if not page["items"]:
            return events
        for event in page["items"]:
            events[event["order_id"]].append(event)
        cursor = f"&cursor={page['next_cursor']}"


def wait_for(what, holds, else_say=lambda: ""):
    until = time.monotonic() + PATIENCE
    while not holds():
        if time.monotonic() > until:
            fail(f"{what} did not come within {PATIENCE:.0f} s {else_say()}")
        time.sleep(0.05)


def attempts_at(program, endpoint, missing):
    """What the program tells of its deliveries of these events."""
    cursor, told = "", []
    while True:
        page = call(program, "GET", f"/webhook-endpoints/{endpoint}/deliveries?limit=200{cursor}")
        told += [delivery for delivery in page["items"] if delivery["event_id"] in missing]
        if not page.get("next_cursor"):
            return f"({len(missing)} missing: {json.dumps(told[:10])})"
        cursor = f"&cursor={page['next_cursor']}"


def secret_stays_hidden(programs, secrets, program, endpoint):
    """After the answers that made them, no secret is in any answer, log or metric."""
    shown = [json.dumps(call(program, "GET", path)) for path in (
        "/webhook-endpoints",
        f"/webhook-endpoints/{endpoint}",
        f"/webhook-endpoints/{endpoint}/deliveries",
        "/events",
    )]
    shown.append(json.dumps(call(program, "PATCH", f"/webhook-endpoints/{endpoint}", {"description": "x"})))
    ops = next(re.search(r'"ops_listen":"([^"]+)"', line) for line in program.lines if '"ops_listen"' in line)
    with urllib.request.urlopen(f"http://{ops.group(1)}/metrics", None, PATIENCE) as answer:
        metrics = answer.read().decode()
    if "gateway_event_deliveries_total" not in metrics:
        fail("these are not the metrics")
    shown.append(metrics)
    shown.extend("".join(program.lines) for program in programs)
    for text in shown:
        for secret in secrets:
            key = secret.removeprefix("whsec_")
            # As it is, and as its bytes would be logged.
            for form in (key, base64.b64decode(key).hex()):
                if form in text:
                    fail("a secret is shown after its creation")


def main():
    guichet, sandbox = (str(pathlib.Path(program).resolve()) for program in sys.argv[1:3])
    receiver = Receiver()
    with tempfile.TemporaryDirectory() as folder:
        config = pathlib.Path(folder) / "guichet.toml"
        simulators = Program(
            sandbox, "simulate", environment={"GUICHET__SANDBOX__SIMULATORS_LISTEN": "127.0.0.1:0"},
            say=lambda line: re.search(r"^simulators  http://([^/]+)/", line),
        )
        programs = []
        try:
            wait_for("the simulators' accounts", lambda: any("[accounts.yabandpay]" in line for line in simulators.lines))
            time.sleep(0.2)
            start = next(at for at, line in enumerate(simulators.lines) if line.startswith("[accounts."))
            accounts = "".join(line for line in simulators.lines[start:] if not line.startswith("{"))
            config.write_text(
                '[server]\nlisten = "127.0.0.1:0"\nops_listen = "127.0.0.1:0"\n'
                f'[store]\nurl = "sqlite://{folder}/guichet.db"\n[auth]\nmode = "none"\n[log]\nlevel = "debug"\n'
                f'[webhooks]\nallow_networks = ["127.0.0.0/8"]\n{accounts}'
            )

            def serve():
                program = Program(guichet, "serve", "--config", str(config), environment={"GUICHET_FAULTS": HURRY})
                programs.append(program)
                return program

            program = serve()
            made = call(program, "POST", "/webhook-endpoints", {"url": receiver.url})
            endpoint, secrets = made["id"], [made["secret"]]
            receiver.secrets = list(secrets)

            orders = make_orders(program, range(ORDERS // 3))
            # Killed with deliveries planned and under way.
            if program.end(signal.SIGKILL) != -signal.SIGKILL:
                fail("the program was not killed")
            program = serve()

            rotated = call(program, "POST", f"/webhook-endpoints/{endpoint}/rotate-secret", {"overlap_seconds": 3600})
            secrets.append(rotated["secret"])
            receiver.secrets = list(secrets)
            orders += make_orders(program, range(ORDERS // 3, 2 * ORDERS // 3))
            if program.end(signal.SIGTERM) != 0:
                fail(f"the program did not stop in order: {list(program.output)}")
            program = serve()

            # Now both secrets before end: what is sent from here on is signed by the newest alone. What is under way then,
            # or comes before this receiver knows the newest, is refused and comes again.
            if receiver.strange:
                fail(f"{receiver.strange} deliveries were signed with no secret known here")
            rotated = call(program, "POST", f"/webhook-endpoints/{endpoint}/rotate-secret", {"overlap_seconds": 0})
            secrets.append(rotated["secret"])
            with receiver.lock:
                receiver.secrets = secrets[2:]
            orders += make_orders(program, range(2 * ORDERS // 3, ORDERS))

            events = told(program)
            expected = {event["id"]: event for of_order in events.values() for event in of_order}
            if set(orders) - set(events):
                fail("the feed lacks orders")
            arrived = lambda: {event["id"] for event, _, _ in receiver.taken}
            missing = lambda: set(expected) - arrived()
            wait_for("every event", lambda: not missing(), lambda: attempts_at(program, endpoint, missing()))

            with receiver.lock:
                taken, calls, refused, faults = list(receiver.taken), receiver.calls, receiver.refused, list(receiver.faults)
            if faults:
                fail(faults[0])
            sequences = collections.defaultdict(set)
            for event, _, _ in taken:
                if event != expected[event["id"]]:
                    fail(f"{event['id']} differs from the feed")
                sequences[event["order_id"]].add(event["sequence"])
            for order in orders:
                if sequences[order] != set(range(1, len(events[order]) + 1)):
                    fail(f"a gap in the sequence of {order}: {sorted(sequences[order])}")
            both = [good for _, good, count in taken if count == 2]
            # One secret is known to the receiver a moment later than to the program.
            if not any(set(good) == set(secrets[:2]) for good in both):
                fail("no delivery was signed with both secrets during the rotation")
            if refused * 4 < calls:
                fail(f"only {refused} of {calls} deliveries were refused")
            secret_stays_hidden(programs, secrets, program, endpoint)
            print(
                f"webhooks: {len(expected)} events of {len(orders)} orders arrived; {calls} deliveries, {refused} refused, "
                f"{len(both)} signed with two secrets; one kill, one restart, two rotations"
            )
        finally:
            for running in [*programs, simulators]:
                if running.process.poll() is None:
                    running.process.kill()
                    running.process.wait()


main()
