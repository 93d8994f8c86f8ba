//! The callers: each asks for one thing after the other.

use serde_json::{Value, json};

use super::{
    accounts::{ACCOUNTS, AMOUNT, State},
    program::Program,
    shop::{Keyed, Order, Shop},
};
use crate::numbers::Random;

/// What may be asked for an order; some of it is refused, by its state or by its platform.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wish {
    Update,
    Cancel,
    CancelPart,
    Capture,
    CapturePart,
    Refund,
    RefundPart,
}

impl Wish {
    const ALL: [Self; 7] = [
        Self::Update,
        Self::Cancel,
        Self::CancelPart,
        Self::Capture,
        Self::CapturePart,
        Self::Refund,
        Self::RefundPart,
    ];

    /// What an order in this state is ready for, most of the time.
    fn of(order: &Order, random: &mut Random) -> Self {
        let likely: &[Self] = match order.state {
            State::Open => &[Self::Update, Self::Update, Self::Cancel],
            State::Waiting => &[Self::Capture, Self::Capture, Self::CapturePart, Self::CancelPart],
            State::Paid if order.account.provider == "yabandpay" => {
                &[Self::RefundPart, Self::RefundPart, Self::RefundPart, Self::Refund, Self::Cancel]
            }
            State::Paid => &[Self::CancelPart, Self::CancelPart, Self::Cancel],
            State::Captured => &[Self::RefundPart, Self::RefundPart, Self::Refund],
            State::Created => &Self::ALL,
        };
        let is_likely = random.percent(90);
        *random.pick(if is_likely { likely } else { &Self::ALL })
    }
}

/// A caller: asks for one thing after the other until nobody answers any more.
pub struct Client {
    base: String,
    http: reqwest::Client,
    shop: Shop,
    random: Random,
    number: usize,
}

impl Client {
    pub fn new(program: &Program, shop: Shop, random: Random, number: usize) -> Self {
        Self { base: program.base.clone(), http: program.client.clone(), shop, random, number }
    }

    fn next(&mut self) -> Keyed {
        let random = &mut self.random;
        if random.percent(25)
            && let Some(again) = self.shop.repeat(random)
        {
            return again;
        }
        let mut key = format!("k{}-{}", self.number, random.next());
        let new = |key, method, path, body: Option<Value>| Keyed {
            key,
            method,
            path,
            body: body.map(|body| body.to_string()),
            operations: Vec::new(),
            executed: Vec::new(),
        };
        if random.percent(15) {
            let reference = format!("cart-{}", random.next());
            let body = random.pick(&ACCOUNTS).creation(random, &reference);
            return new(key, "POST", "/orders".to_owned(), Some(body));
        }
        let order = self.shop.pick(random);
        let path = format!("/orders/{}_{}", order.account.name, order.id);
        let money = |value: i64| json!({"amount": {"value": value, "currency": order.account.currency}});
        let wish = Wish::of(&order, random);
        let part = match wish {
            Wish::Update => {
                if random.percent(50) {
                    key.clear();
                }
                return new(key, "PATCH", path, Some(money(random.between(AMOUNT / 2, AMOUNT * 10))));
            }
            Wish::CancelPart | Wish::CapturePart | Wish::RefundPart => {
                Some(money(random.between(1, 6) * AMOUNT / 10))
            }
            Wish::Cancel | Wish::Capture | Wish::Refund => None,
        };
        let action = match wish {
            Wish::Update | Wish::Cancel | Wish::CancelPart => "cancel",
            Wish::Capture | Wish::CapturePart => "capture",
            Wish::Refund | Wish::RefundPart => "refund",
        };
        if part.is_none() && action != "refund" && random.percent(50) {
            key.clear();
        }
        new(key, "POST", format!("{path}/{action}"), part)
    }

    /// How many requests it sent; an error when it got an answer that must never be given.
    pub async fn run(mut self) -> Result<u64, String> {
        let mut sent = 0;
        loop {
            let ask = self.next();
            let method = ask.method.parse().unwrap();
            let mut request = self.http.request(method, format!("{}{}", self.base, ask.path));
            if !ask.key.is_empty() {
                request = request.header("idempotency-key", ask.key.clone());
                self.shop.asks(ask.clone());
            }
            if let Some(body) = ask.body.clone() {
                request = request.header("content-type", "application/json").body(body);
            }
            sent += 1;
            let Ok(response) = request.send().await else { return Ok(sent) };
            let status = response.status().as_u16();
            let Ok(text) = response.text().await else { return Ok(sent) };
            let body: Value = serde_json::from_str(&text).unwrap_or_default();
            if ![200, 201, 202, 409, 422, 503].contains(&status) {
                return Err(format!("contradiction: {} {}: {status} {text}", ask.method, ask.path));
            }
            let operation = body.pointer("/operation/id").or_else(|| body.get("operation_id"));
            let is_own = status < 300 || body["outcome"] == "refused";
            if let Some(operation) = operation.and_then(Value::as_str).filter(|_| is_own) {
                let executed = body.pointer("/operation/outcome") == Some(&json!("executed"));
                self.shop.hears(&ask.key, operation, executed);
            }
        }
    }
}
