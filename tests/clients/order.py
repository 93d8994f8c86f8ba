"""One order by a client generated from the OpenAPI document: made, read, paid by the simulator's payer, canceled."""

import json
import os
import urllib.request

from guichet import AuthenticatedClient
from guichet.api.orders import cancel_order, create_order, read_order, refund_order
from guichet.models import ChangedOrder, Checkout, Money, MoneyCurrency, NewOrder, Order, Problem

client = AuthenticatedClient(
    base_url=os.environ["BASE_URL"], token=os.environ["API_KEY"], prefix="", auth_header_name="X-API-Key"
)


def read(order_id: str) -> Order:
    answer = read_order.sync(order_id, client=client)
    assert isinstance(answer, Order), answer
    return answer


made = create_order.sync(
    client=client,
    idempotency_key="python-create",
    body=NewOrder(
        account="systempay", amount=Money(value=1990, currency=MoneyCurrency.EUR), merchant_reference="python-1"
    ),
)
assert isinstance(made, ChangedOrder), made
assert made.status == "pending" and made.amounts.requested == 1990, made
assert made.operation.type_ == "create" and made.operation.outcome == "executed", made
assert read(made.id).merchant_reference == "python-1"

assert isinstance(made.checkout, Checkout), made
simulators = made.checkout.link.split("/lyra/")[0]
pay = urllib.request.Request(
    f"{simulators}/_control/orders/lyra/systempay/{made.provider_reference}/payer",
    data=json.dumps({"action": "pay"}).encode(),
    headers={"Content-Type": "application/json"},
)
urllib.request.urlopen(pay).close()
assert read(made.id).status == "paid"

canceled = cancel_order.sync(made.id, client=client)
assert isinstance(canceled, ChangedOrder), canceled
assert canceled.status == "canceled" and canceled.amounts.canceled == 1990, canceled

refused = refund_order.sync(made.id, client=client, idempotency_key="python-refund")
assert isinstance(refused, Problem), refused
assert refused.code == "order_state_conflict" and refused.outcome == "not_executed", refused
assert not refused.retryable, refused
print(f"python: {made.id} made, paid and canceled")
