"""Sips by a client that others wrote, eopayment: results of payments, cancel, validate and read. See platforms.sh."""

import http.server
import json
import os
import queue
import threading
import urllib.parse
import urllib.request

import eopayment

MERCHANT = "002001000000001"
BASE_URL, SIMULATORS = os.environ["BASE_URL"], os.environ["SIMULATORS"]
PATIENCE = 20.0

results = queue.Queue()


class Shop(http.server.BaseHTTPRequestHandler):
    """Takes the automatic responses of the platform."""

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()
        results.put(body.decode())

    def log_message(self, *_):
        pass


shop = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Shop)
shop.daemon_threads = True
threading.Thread(target=shop.serve_forever, daemon=True).start()
# With a query, as shop modules send it.
SHOP_URL = f"http://127.0.0.1:{shop.server_address[1]}/auto?module=sips"


def call(method, url, body=None, **headers):
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json", **headers}, method=method)
    with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
        return json.load(answer)


def control(path, body):
    return call("POST", f"{SIMULATORS}/_control/{path}", body)


def payer(reference, action):
    control(f"orders/sips/sherlocks/{reference}/payer", {"action": action})


def client(secret=f"{MERCHANT}_KEY1"):
    """Production, because only there the client checks the seals of answers; its addresses are the simulator's."""
    options = {
        "platform": "prod",
        "merchant_id": MERCHANT,
        "secret_key": secret,
        "key_version": "1",
        "normal_return_url": "https://shop.example/back",
        "automatic_return_url": SHOP_URL,
        "capture_mode": "VALIDATION",
        "capture_day": "5",
    }
    made = eopayment.Payment("sips2", options)
    made.backend.WS_URL = {"prod": f"{SIMULATORS}/sips/sherlocks"}
    made.backend.URL = {"prod": f"{SIMULATORS}/sips/sherlocks/paymentInit"}
    return made


def refused(act, *arguments):
    """The code that the platform refused with."""
    try:
        answer = act(*arguments)
    except eopayment.ResponseError as error:
        return str(error)
    raise AssertionError(f"not refused: {answer}")


def read(payment, bank_data):
    return payment.diagnostic(amount=0, bank_data=bank_data)


def page(payment, order_id, amount="19.90"):
    """Opens a page as a payer's browser does, with the form that the client made. Gives the page and the reference."""
    reference, kind, form = payment.request(amount, orderid=order_id, email="zoé@shop.example")
    assert kind == eopayment.FORM and form.method == "POST", (kind, form)
    fields = urllib.parse.urlencode({field["name"]: field["value"] for field in form.fields}).encode()
    with urllib.request.urlopen(form.url, fields, timeout=PATIENCE) as answer:
        return answer.read().decode(), reference


def result(payment):
    """The last result that came, as the client reads it."""
    body = results.get(timeout=PATIENCE)
    return body, payment.response(body)


payment = client()

def abort(reference):
    control("act/sips/sherlocks", {"action": "abort", "order": reference})


# How a payment ended: given up, refused, paid. A result of another key, or an altered one, is not signed.
for order_id, end, expected in [
    ("eop-left", abort, eopayment.CANCELED),
    ("eop-refused", lambda reference: payer(reference, "decline"), eopayment.ERROR),
    ("eop-paid", lambda reference: payer(reference, "pay"), eopayment.PAID),
]:
    shown, reference = page(payment, order_id)
    assert "19.90 EUR" in shown and order_id in shown and reference in shown, shown
    assert read(payment, {"transactionReference": reference})["responseCode"] == "25", "nobody has paid"
    end(reference)
    body, ended = result(payment)
    assert (ended.result, ended.signed, ended.order_id, ended.test) == (expected, True, reference, True), vars(ended)
    assert ended.bank_data["orderId"] == order_id, ended.bank_data
    assert eopayment.Payment.guess(body=body.encode(), backends=["sips2"]) == ("sips2", reference)
    altered = body.replace("amount%3D1990", "amount%3D1991")
    assert altered != body and not payment.response(altered).signed, altered
    assert not client("another-key").response(body).signed
assert "refused: 34" in page(client("another-key"), "eop-forged")[0]
assert "refused: 12 amount" in page(payment, "eop-nothing", "0.00")[0]

# Read, validate and cancel. In each answer the client checks the seal.
paid = {"transactionReference": reference}
seen = read(payment, paid)
assert (seen["responseCode"], seen["transactionStatus"], seen["currentAmount"]) == ("00", "TO_VALIDATE", 1990), seen
assert read(payment, {"transactionReference": "EOPNOBODY"})["responseCode"] == "25"
validated = payment.validate("10.00", paid)
assert (validated["newStatus"], validated["newAmount"]) == ("TO_CAPTURE", 1000), validated
lowered = payment.cancel("4.00", paid)
assert (lowered["newStatus"], lowered["newAmount"]) == ("TO_CAPTURE", 600), lowered
assert "'51'" in refused(payment.cancel, "6.01", paid)
canceled = payment.cancel("6.00", paid)
assert (canceled["newStatus"], canceled["newAmount"]) == ("CANCELLED", 0), canceled
assert "'24'" in refused(payment.cancel, "1.00", paid)
assert "'25'" in refused(payment.cancel, "1.00", {"transactionReference": "EOPNOBODY"})
assert "wrong signature" in refused(client("another-key").cancel, "1.00", paid)

# An order of guichet's that somebody else moves: both see the same.
made = call(
    "POST",
    f"{BASE_URL}/orders",
    {"account": "sherlocks", "amount": {"value": 2500, "currency": "EUR"}, "merchant_reference": "eop-1"},
    **{"Idempotency-Key": "eop-create"},
)
ours = {"transactionReference": made["provider_reference"]}
payer(made["provider_reference"], "pay")
assert read(payment, ours)["transactionStatus"] == "TO_CAPTURE"
assert call("GET", f"{BASE_URL}/orders/{made['id']}")["status"] == "paid"
assert payment.cancel("5.00", ours)["newAmount"] == 2000
after = call("GET", f"{BASE_URL}/orders/{made['id']}")
assert after["status"] == "paid" and after["amounts"]["canceled"] == 500, after
call("POST", f"{BASE_URL}/orders/{made['id']}/cancel", **{"Idempotency-Key": "eop-cancel"})
assert read(payment, ours)["transactionStatus"] == "CANCELLED"
assert "'24'" in refused(payment.cancel, "1.00", ours)
assert call("GET", f"{BASE_URL}/orders/{made['id']}")["status"] == "canceled"
print("sips: eopayment read three results and moved two payments")
