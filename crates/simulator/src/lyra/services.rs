//! The REST services: credentials, dispatch, and those that only read. What changes an order is in `change.rs`.

use std::sync::atomic::Ordering;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{Response, StatusCode};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::envelope::Envelope;
use super::members::Members;
use super::order::Order;
use super::shops::{Mode, demo_shop};
use super::transaction::summary;
use super::{Book, Lyra};
use crate::platform::{Call, Received, Refusal, answer};

/// Names of the services, in the platform's spelling.
pub(super) const CREATE: &str = "Charge/CreatePaymentOrder";
pub(super) const GET: &str = "Charge/PaymentOrder/Get";
pub(super) const UPDATE: &str = "Charge/PaymentOrder/Update";
pub(super) const CANCEL: &str = "Charge/PaymentOrder/Cancel";
const SDK_TEST: &str = "Charge/SDKTest";
const ORDER_GET: &str = "Order/Get";
const TRANSACTION_GET: &str = "Transaction/Get";
pub(super) const CANCEL_OR_REFUND: &str = "Transaction/CancelOrRefund";
pub(super) const TRANSACTION_CANCEL: &str = "Transaction/Cancel";
pub(super) const REFUND: &str = "Transaction/Refund";
pub(super) const VALIDATE: &str = "Transaction/Validate";
pub(super) const TRANSACTION_UPDATE: &str = "Transaction/Update";

/// All services of this simulator.
pub(super) const SERVICES: [&str; 12] = [
    CREATE,
    GET,
    UPDATE,
    CANCEL,
    SDK_TEST,
    ORDER_GET,
    TRANSACTION_GET,
    CANCEL_OR_REFUND,
    TRANSACTION_CANCEL,
    REFUND,
    VALIDATE,
    TRANSACTION_UPDATE,
];

/// Most transactions that `Order/Get` lists. Source: Lyra REST API V4, `Order/Get`, `PSP_015`.
const LISTED_TRANSACTIONS: usize = 30;

/// What a call names, for the log and the fault plan.
pub(super) fn read_call(brand: &str, service: &str, request: &Received) -> Call {
    let body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
    let text = |name: &str| body.get(name).and_then(Value::as_str).map(str::to_owned);
    let (shop_id, password) = credentials(request).unzip();
    let opened = || demo_shop(brand)?.mode(shop_id.as_ref()?, password.as_ref()?);
    Call {
        brand: brand.to_owned(),
        service: service.to_owned(),
        mode: opened().map(Mode::word),
        shop: shop_id,
        order: text("paymentOrderId"),
        reference: text("orderId"),
        body,
        sequence: None,
    }
}

/// User name and password of the Basic authentication.
fn credentials(request: &Received) -> Option<(String, String)> {
    let (scheme, encoded) = request.header(&AUTHORIZATION)?.split_once(' ')?;
    let decoded = scheme.eq_ignore_ascii_case("basic").then(|| STANDARD.decode(encoded.trim()).ok())??;
    let text = String::from_utf8(decoded).ok()?;
    text.split_once(':').map(|(user, password)| (user.to_owned(), password.to_owned()))
}

/// One authenticated call.
#[derive(Debug)]
pub(super) struct Session<'a> {
    pub(super) book: &'a Book,
    pub(super) mode: Mode,
    pub(super) call: &'a Call,
    pub(super) now: Timestamp,
}

impl Lyra {
    /// Answers a service call.
    pub(super) fn run(&self, call: &Call, request: &Received) -> Response<Bytes> {
        let now = self.frame.clock.now();
        let Some(book) = self.book(&call.brand) else {
            // Not reached: the paths of this platform name only brands it has.
            return answer(StatusCode::NOT_FOUND, "text/plain", "no such brand\n");
        };
        let envelope = self.envelope(book, call);
        let Some(mode) = call.mode.and_then(Mode::named) else {
            return envelope.error(&Refusal::new("INT_905"), None);
        };
        let session = Session { book, mode, call, now };
        match self.dispatch(&session, request) {
            Ok(answer) => envelope.success(&answer),
            Err(refusal) => envelope.error(&refusal, Some(book.shop.shop_id)),
        }
    }

    /// What surrounds the answer to this call.
    pub(super) fn envelope<'a>(&self, book: &Book, call: &'a Call) -> Envelope<'a> {
        let own = call.mode.and_then(Mode::named);
        let names_other = book.names_other_mode.load(Ordering::SeqCst);
        Envelope {
            service: &call.service,
            application_provider: book.shop.application_provider,
            mode: if names_other { own.map(Mode::other) } else { own },
            server_url: format!("{}/lyra/{}", self.public_url, book.shop.brand),
            now: self.frame.clock.now(),
        }
    }

    fn dispatch(&self, session: &Session<'_>, request: &Received) -> Result<Value, Refusal> {
        let service = session.call.service.as_str();
        if !SERVICES.contains(&service) {
            return Err(Refusal::new("INT_901"));
        }
        // Inferred: the documentation asks for the header and gives no code for its absence.
        let is_json = request.header(&CONTENT_TYPE).is_some_and(|kind| kind.starts_with("application/json"));
        if !is_json {
            return Err(Refusal::new("INT_902").detail("Content-Type must be application/json"));
        }
        let members = Members::of_body(&session.call.body)?;
        match service {
            CREATE => self.create(session, &members),
            GET => self.get(session, &members),
            UPDATE => self.update(session, &members),
            CANCEL => self.cancel(session, &members),
            SDK_TEST => sdk_test(&members),
            ORDER_GET => order_get(session, &members),
            TRANSACTION_GET => transaction_get(session, &members),
            _ => self.operate(session, &members),
        }
    }

    fn get(&self, session: &Session<'_>, members: &Members<'_>) -> Result<Value, Refusal> {
        members.only(&["paymentOrderId"])?;
        let id = order_id(members)?;
        let orders = session.book.orders();
        let order = orders.by_id.get(id).filter(|order| order.mode == session.mode);
        let order = order.ok_or_else(|| Refusal::new("PSP_1000"))?;
        Ok(order.answer(&self.link(session.book, &order.token), session.now))
    }
}

/// The identifier of a payment order: 32 lower-case hexadecimal digits.
pub(super) fn order_id<'a>(members: &Members<'a>) -> Result<&'a str, Refusal> {
    let is_hex = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
    let id = members.read("paymentOrderId", "INT_902", |value| {
        value.as_str().filter(|text| text.len() == 32 && text.bytes().all(is_hex))
    })?;
    id.ok_or_else(|| members.missing("paymentOrderId", "INT_902"))
}

/// The identifier of a transaction: 32 hexadecimal digits.
pub(super) fn transaction_id<'a>(members: &Members<'a>) -> Result<&'a str, Refusal> {
    let uuid = members.read("uuid", "INT_902", |value| {
        value.as_str().filter(|text| text.len() == 32 && text.bytes().all(|b| b.is_ascii_hexdigit()))
    })?;
    uuid.ok_or_else(|| members.missing("uuid", "INT_902"))
}

/// The connection and credential test: the same value back.
fn sdk_test(members: &Members<'_>) -> Result<Value, Refusal> {
    members.only(&["value"])?;
    let value = members.text("value", "INT_902")?.ok_or_else(|| members.missing("value", "INT_902"))?;
    Ok(json!({"value": value, "_type": "V4/Type/String"}))
}

/// The transactions of all payment orders that share this merchant reference, in this mode.
fn order_get(session: &Session<'_>, members: &Members<'_>) -> Result<Value, Refusal> {
    members.only(&["orderId", "operationType"])?;
    let reference = members.needed_text("orderId", "INT_013")?;
    let wanted = members.word("operationType", "INT_902", &["DEBIT", "CREDIT", "VERIFICATION"])?;
    let orders = session.book.orders();
    let same = |order: &&Order| order.mode == session.mode && order.order_id.as_ref() == Some(&reference);
    let paid: Vec<&Order> =
        orders.by_id.values().filter(same).filter(|order| !order.transactions.is_empty()).collect();
    let listed: Vec<Value> = paid
        .iter()
        .flat_map(|order| order.transactions.iter().map(|one| order.listed(one, &session.book.shop)))
        .filter(|answer| {
            wanted
                .as_ref()
                .is_none_or(|wanted| answer.get("operationType").is_some_and(|word| word == wanted))
        })
        .collect();
    if listed.is_empty() {
        return Err(Refusal::new("PSP_010"));
    }
    if listed.len() > LISTED_TRANSACTIONS {
        return Err(Refusal::new("PSP_015"));
    }
    Ok(summary("V4/OrderTransactions", &paid, listed, &session.book.shop, session.now))
}

/// One transaction with its order.
fn transaction_get(session: &Session<'_>, members: &Members<'_>) -> Result<Value, Refusal> {
    members.only(&["uuid"])?;
    let uuid = transaction_id(members)?;
    let orders = session.book.orders();
    // Inferred for the other mode, as for payment orders.
    let order = orders.with_transaction(uuid).filter(|order| order.mode == session.mode);
    order.and_then(|order| order.shown(uuid, &session.book.shop)).ok_or_else(|| Refusal::new("PSP_010"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::PayerAction;
    use crate::lyra::demo_shop;
    use crate::rig::{Rig, read};

    const SAMPLE: &str = "d63e7f507a6f4dfa86cb40a833ecfd85";

    #[tokio::test]
    async fn the_connection_test_gives_the_value_back() {
        let rig = Rig::new().await;
        let envelope = rig.call("epaync", SDK_TEST, &json!({"value": "hello"})).await;
        assert_eq!(envelope["answer"], json!({"value": "hello", "_type": "V4/Type/String"}));
        assert_eq!(envelope["applicationProvider"], "CSB");
        assert_eq!(envelope["ticket"], Value::Null);
        for body in [json!({}), json!({"value": 1}), json!([])] {
            assert_eq!(rig.refused("epaync", SDK_TEST, &body).await, "INT_902", "{body}");
        }
    }

    #[tokio::test]
    async fn wrong_credentials_are_refused_with_http_200() {
        let rig = Rig::new().await;
        let other = demo_shop("epaync").unwrap();
        let body = json!({"value": "x"}).to_string();
        for (user, password) in
            [("69876357", "testpassword_wrong"), ("1", "x"), (other.shop_id, other.password)]
        {
            let url = format!("{}V4/{SDK_TEST}", rig.running.lyra_base_url("systempay"));
            let envelope =
                read(rig.client.post(url).basic_auth(user, Some(password)).body(body.clone())).await;
            assert_eq!(envelope["answer"]["errorCode"], "INT_905");
            assert_eq!(envelope["answer"]["shopId"], Value::Null);
        }
        let url = format!("{}V4/{SDK_TEST}", rig.running.lyra_base_url("systempay"));
        let envelope = read(rig.client.post(url).body(body)).await;
        assert_eq!(envelope["answer"]["errorCode"], "INT_905");
        assert_eq!(rig.control.request_log()[2].shop.as_deref(), Some("73239078"));
    }

    #[tokio::test]
    async fn an_answer_names_its_mode_and_server() {
        let rig = Rig::new().await;
        let shop = demo_shop("epaync").unwrap();
        let ask = async |password: &str| {
            let url = format!("{}V4/{SDK_TEST}", rig.running.lyra_base_url("epaync"));
            let request = rig.client.post(url).basic_auth(shop.shop_id, Some(password));
            read(request.header("content-type", "application/json").body(json!({"value": "x"}).to_string()))
                .await
        };
        let answer = ask(shop.password).await;
        assert_eq!((&answer["mode"], &answer["applicationVersion"]), (&json!("TEST"), &json!("7.2.2")));
        assert_eq!(answer["serverUrl"], format!("{}/lyra/epaync", rig.running.base_url()));
        assert_eq!(ask(shop.production_password).await["mode"], "PRODUCTION");
        assert_eq!(ask("testpassword_wrong").await["mode"], Value::Null, "nobody knows which");
        // An error has it too, whoever ordered it.
        let refuse = crate::FaultKind::Refuse {
            code: "PSP_999".into(),
            message: None,
            detailed_code: None,
            detailed_message: None,
        };
        rig.control.add_fault(crate::Fault::new("lyra", refuse));
        let answer = ask(shop.production_password).await;
        assert_eq!((&answer["status"], &answer["mode"]), (&json!("ERROR"), &json!("PRODUCTION")));
        let act = |action: &str| rig.control.act("lyra", "epaync", None, action).unwrap();
        act("other_mode");
        assert_eq!(ask(shop.password).await["mode"], "PRODUCTION");
        act("own_mode");
        assert_eq!(ask(shop.password).await["mode"], "TEST");
        act("other_mode");
        rig.control.reset();
        assert_eq!(ask(shop.password).await["mode"], "TEST");
    }

    #[tokio::test]
    async fn unknown_services_and_bodies_that_are_not_json_are_refused() {
        let rig = Rig::new().await;
        assert_eq!(rig.refused("systempay", "Charge/Nothing", &json!({})).await, "INT_901");
        assert_eq!(rig.refused("systempay", "charge/sdktest", &json!({"value": "x"})).await, "INT_901");
        for body in ["", "{", "null", "[]"] {
            let envelope = read(rig.request("systempay", GET, body)).await;
            assert_eq!(envelope["answer"]["errorCode"], "INT_902", "{body}");
            assert_eq!(envelope["answer"]["ticket"], "null");
            assert_eq!(envelope["answer"]["shopId"], "69876357");
        }
        let shop = demo_shop("systempay").unwrap();
        let url = format!("{}V4/{GET}", rig.running.lyra_base_url("systempay"));
        let bare = rig.client.post(&url).basic_auth(shop.shop_id, Some(shop.password)).body("{}");
        assert_eq!(read(bare).await["answer"]["errorCode"], "INT_902");
        assert_eq!(rig.client.get(url).send().await.unwrap().status(), 404, "every operation is a POST");
    }

    #[tokio::test]
    async fn get_answers_the_order_and_nothing_else() {
        let rig = Rig::seeded().await;
        let answer = rig.done("systempay", GET, &json!({"paymentOrderId": SAMPLE})).await;
        assert_eq!(answer["paymentOrderId"], SAMPLE);
        assert_eq!(answer["paymentOrderStatus"], "RUNNING");
        for (body, code) in [
            (json!({}), "INT_902"),
            (json!({"paymentOrderId": null}), "INT_902"),
            (json!({"paymentOrderId": 12}), "INT_902"),
            (json!({"paymentOrderId": "D63E7F507A6F4DFA86CB40A833ECFD85"}), "INT_902"),
            (json!({"paymentOrderId": "d63e"}), "INT_902"),
            (json!({"paymentOrderId": "0".repeat(32)}), "PSP_1000"),
            (json!({"paymentOrderId": SAMPLE, "x": 1}), "INT_900"),
        ] {
            assert_eq!(rig.refused("systempay", GET, &body).await, code, "{body}");
        }
        assert_eq!(rig.refused("epaync", GET, &json!({"paymentOrderId": SAMPLE})).await, "PSP_1000");
        assert!(rig.control.effects().is_empty());
    }

    #[tokio::test]
    async fn order_get_lists_the_transactions_of_the_reference() {
        let rig = Rig::new().await;
        let draft =
            json!({"amount": 1500, "orderId": "cart-1", "metadata": {"k": "v"}, "manualValidation": true});
        let id = rig.control.add_order("lyra", "systempay", &draft).unwrap();
        let ask = json!({"orderId": "cart-1"});
        assert_eq!(rig.refused("systempay", ORDER_GET, &ask).await, "PSP_010");
        rig.control.payer("lyra", "systempay", &id, PayerAction::Decline).unwrap();
        rig.control.payer("lyra", "systempay", &id, PayerAction::Pay).unwrap();
        let answer = rig.done("systempay", ORDER_GET, &ask).await;
        assert_eq!(answer["orderStatus"], "RUNNING");
        assert_eq!(answer["orderDetails"]["orderId"], "cart-1");
        assert_eq!(answer["orderDetails"]["mode"], "TEST");
        let listed = answer["transactions"].as_array().unwrap();
        assert_eq!(listed.len(), 2);
        assert_eq!(
            (&listed[0]["detailedStatus"], &listed[0]["status"]),
            (&json!("REFUSED"), &json!("UNPAID"))
        );
        assert_eq!(listed[0]["errorCode"], "ACQ_001");
        let shift = |place: usize| listed[place]["transactionDetails"]["liabilityShift"].clone();
        assert_eq!((shift(0), shift(1)), (Value::Null, json!("NO")));
        assert_eq!(listed[1]["detailedStatus"], "AUTHORISED_TO_VALIDATE");
        assert_eq!(listed[1]["metadata"], json!({"k": "v"}));
        assert_eq!((&listed[1]["amount"], &listed[1]["operationType"]), (&json!(1500), &json!("DEBIT")));
        let credits = json!({"orderId": "cart-1", "operationType": "CREDIT"});
        assert_eq!(rig.refused("systempay", ORDER_GET, &credits).await, "PSP_010");
        let wrong = json!({"orderId": "cart-1", "operationType": "DEBITS"});
        assert_eq!(rig.refused("systempay", ORDER_GET, &wrong).await, "INT_902");
        assert_eq!(rig.refused("systempay", ORDER_GET, &json!({})).await, "INT_013");
    }

    #[tokio::test]
    async fn order_get_refuses_more_than_thirty() {
        let rig = Rig::new().await;
        let id = rig.control.add_order("lyra", "systempay", &json!({"orderId": "cart-1"})).unwrap();
        for _ in 0..30 {
            let captured = json!({"detailedStatus": "CAPTURED"});
            rig.control.add_transaction("lyra", "systempay", &id, &captured).unwrap();
        }
        let answer = rig.done("systempay", ORDER_GET, &json!({"orderId": "cart-1"})).await;
        assert_eq!((&answer["orderStatus"], &answer["orderCycle"]), (&json!("PAID"), &json!("CLOSED")));
        rig.control.add_transaction("lyra", "systempay", &id, &json!({})).unwrap();
        assert_eq!(rig.refused("systempay", ORDER_GET, &json!({"orderId": "cart-1"})).await, "PSP_015");
    }

    #[tokio::test]
    async fn each_mode_sees_its_own_orders() {
        let rig = Rig::new().await;
        let draft = json!({"production": true, "orderId": "p"});
        let id = rig.control.add_order("lyra", "systempay", &draft).unwrap();
        let order = json!({"paymentOrderId": id});
        let change = json!({"paymentOrderId": id, "amount": 1, "currency": "EUR"});
        assert_eq!(rig.refused("systempay", GET, &order).await, "PSP_1000");
        assert_eq!(rig.refused("systempay", CANCEL, &order).await, "PSP_1000");
        assert_eq!(rig.refused("systempay", UPDATE, &change).await, "PSP_1011");
        let shop = demo_shop("systempay").unwrap();
        let url = format!("{}V4/{GET}", rig.running.lyra_base_url("systempay"));
        let request = rig.client.post(url).basic_auth(shop.shop_id, Some(shop.production_password));
        let request = request.header("content-type", "application/json").body(order.to_string());
        assert_eq!(read(request).await["answer"]["paymentOrderId"], json!(id));
        rig.control.payer("lyra", "systempay", &id, PayerAction::Pay).unwrap();
        assert_eq!(rig.refused("systempay", ORDER_GET, &json!({"orderId": "p"})).await, "PSP_010");
    }
}
