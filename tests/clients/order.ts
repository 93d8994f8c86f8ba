// One order by a client generated from the OpenAPI document: made, read, paid by the simulator's payer, canceled.
import createClient from "openapi-fetch";
import type { components, paths } from "./schema.d.ts";

type Order = components["schemas"]["Order"];

const { BASE_URL, API_KEY } = process.env;
if (!BASE_URL || !API_KEY) throw new Error("BASE_URL and API_KEY are needed");

const client = createClient<paths>({ baseUrl: BASE_URL, headers: { "X-API-Key": API_KEY } });

function must(holds: boolean, what: string, seen: unknown): asserts holds {
  if (!holds) throw new Error(`${what}: ${JSON.stringify(seen)}`);
}

async function read(id: string): Promise<Order> {
  const { data, error } = await client.GET("/orders/{id}", { params: { path: { id } } });
  if (error) throw new Error(`reading ${id}: ${error.code}`);
  return data;
}

const made = await client.POST("/orders", {
  params: { header: { "Idempotency-Key": "typescript-create" } },
  body: { account: "systempay", amount: { value: 1990, currency: "EUR" }, merchant_reference: "typescript-1" },
});
must(made.response.status === 201 && made.data !== undefined && "status" in made.data, "not made", made);
const order = made.data;
must(order.status === "pending" && order.amounts.requested === 1990, "not open", order);
must(order.operation.type === "create" && order.operation.outcome === "executed", "no operation", order);
must((await read(order.id)).merchant_reference === "typescript-1", "not the one that was made", order);

const link = order.checkout?.link ?? "";
const simulators = link.slice(0, link.indexOf("/lyra/"));
const payer = `${simulators}/_control/orders/lyra/systempay/${order.provider_reference}/payer`;
const paid = await fetch(payer, {
  method: "POST",
  headers: { "Content-Type": "application/json" },
  body: JSON.stringify({ action: "pay" }),
});
must(paid.ok, "the payer could not pay", paid.status);
must((await read(order.id)).status === "paid", "not paid", order.id);

const canceled = await client.POST("/orders/{id}/cancel", { params: { path: { id: order.id } } });
must(canceled.data !== undefined && "status" in canceled.data, "not canceled", canceled);
must(canceled.data.status === "canceled" && canceled.data.amounts.canceled === 1990, "not canceled", canceled.data);

const refused = await client.POST("/orders/{id}/refund", {
  params: { path: { id: order.id }, header: { "Idempotency-Key": "typescript-refund" } },
});
must(refused.error?.code === "order_state_conflict", "a canceled order was refunded", refused);
must(refused.error.outcome === "not_executed" && !refused.error.retryable, "an odd problem", refused.error);
console.log(`typescript: ${order.id} made, paid and canceled`);
