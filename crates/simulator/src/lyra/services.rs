//! The REST services: credentials, dispatch, and those that only read. What changes an order is in `change.rs`.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{Response, StatusCode};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::envelope::Envelope;
use super::order::Order;
use super::shops::{Mode, demo_shop};
use super::transaction::summary;
use super::{Book, Lyra};
use crate::members::Members;
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

/// The services that change a transaction.
pub(super) const OF_TRANSACTIONS: [&str; 5] =
    [CANCEL_OR_REFUND, TRANSACTION_CANCEL, REFUND, VALIDATE, TRANSACTION_UPDATE];

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

/// The code of a member that does not exist. Source: third-party clients.
pub(super) const UNKNOWN: &str = "INT_900";

/// The members of a body. Anything but an object is `INT_902`. Source: Lyra REST API V4, common codes.
pub(super) fn body(body: &Value) -> Result<Members<'_>, Refusal> {
    let not_json = "Invalid input value [name=body, value=not a JSON object]";
    let map = body.as_object().ok_or_else(|| Refusal::new("INT_902").detail(not_json))?;
    Ok(Members::new(map, |name, value| match value {
        None => format!("Input value not defined [name={name}]"),
        Some(value) => {
            let short: String = value.to_string().trim_matches('"').chars().take(60).collect();
            format!("Invalid input value [name={name}, value={short}]")
        }
    }))
}

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
        let now = self.now();
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
        let names_other = book.orders().rest.names_other_mode;
        Envelope {
            service: &call.service,
            application_provider: book.shop.application_provider,
            mode: if names_other { own.map(Mode::other) } else { own },
            server_url: self.url(book.brand, ""),
            now: self.now(),
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
        let members = body(&session.call.body)?;
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
        members.known(UNKNOWN, &[&["paymentOrderId"]])?;
        let id = order_id(members)?;
        let orders = session.book.orders();
        let order = orders.get(id).filter(|order| order.mode == session.mode);
        let order = order.ok_or_else(|| Refusal::new("PSP_1000"))?;
        Ok(self.shown(session.book, order))
    }
}

/// The identifier of a payment order: 32 lower-case hexadecimal digits.
pub(super) fn order_id<'a>(members: &Members<'a>) -> Result<&'a str, Refusal> {
    identifier(members, "paymentOrderId", |b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}

/// The identifier of a transaction: 32 hexadecimal digits.
pub(super) fn transaction_id<'a>(members: &Members<'a>) -> Result<&'a str, Refusal> {
    identifier(members, "uuid", |b| b.is_ascii_hexdigit())
}

fn identifier<'a>(members: &Members<'a>, name: &str, is_digit: fn(u8) -> bool) -> Result<&'a str, Refusal> {
    let is_right = |text: &&str| text.len() == 32 && text.bytes().all(is_digit);
    let id = members.read(name, "INT_902", |value| value.as_str().filter(is_right))?;
    id.ok_or_else(|| members.missing(name, "INT_902"))
}

/// The connection and credential test: the same value back.
fn sdk_test(members: &Members<'_>) -> Result<Value, Refusal> {
    members.known(UNKNOWN, &[&["value"]])?;
    let value = members.text("value", "INT_902")?.ok_or_else(|| members.missing("value", "INT_902"))?;
    Ok(json!({"value": value, "_type": "V4/Type/String"}))
}

/// The transactions of all payment orders that share this merchant reference, in this mode.
fn order_get(session: &Session<'_>, members: &Members<'_>) -> Result<Value, Refusal> {
    members.known(UNKNOWN, &[&["orderId", "operationType"]])?;
    let reference = members.needed_text("orderId", "INT_013")?;
    let wanted = members.word("operationType", "INT_902", &["DEBIT", "CREDIT", "VERIFICATION"])?;
    let orders = session.book.orders();
    let same = |order: &&Order| order.mode == session.mode && order.order_id.as_ref() == Some(&reference);
    let paid: Vec<&Order> =
        orders.all().filter(same).filter(|order| !order.transactions.is_empty()).collect();
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
    members.known(UNKNOWN, &[&["uuid"]])?;
    let uuid = transaction_id(members)?;
    let mut orders = session.book.orders();
    // Inferred for the other mode, as for payment orders.
    let order = orders.with_transaction(uuid).filter(|order| order.mode == session.mode);
    order.and_then(|order| order.shown(uuid, &session.book.shop)).ok_or_else(|| Refusal::new("PSP_010"))
}
