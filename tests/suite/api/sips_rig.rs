//! The account `sherlocks` before its simulated platform.

use std::{collections::BTreeMap, ops::Deref};

use guichet::config::{AccountSettings, Settings};
use guichet_simulator::{Fault, FaultId, FaultKind, PayerAction};
use serde_json::{Value, json};

use crate::rig::{Reply, Rig};

pub const READ: &str = "diagnostic/getTransactionData";
pub const CANCEL: &str = "cashManagement/cancel";
pub const VALIDATE: &str = "cashManagement/validate";
pub const REFUND: &str = "cashManagement/refund";
pub const INIT: &str = "paymentInit";

/// A change of a payment: our word, its service there, the word in the ledger, and the status it starts from.
#[derive(Debug, Clone, Copy)]
pub struct Change {
    pub action: &'static str,
    pub service: &'static str,
    pub effect: &'static str,
    pub from: &'static str,
}

pub const CHANGES: [Change; 3] = [
    Change { action: "cancel", service: CANCEL, effect: "cancel", from: "TO_CAPTURE" },
    Change { action: "capture", service: VALIDATE, effect: "capture", from: "TO_VALIDATE" },
    Change { action: "refund", service: REFUND, effect: "refund", from: "CAPTURED" },
];

pub struct Sips(pub Rig);

impl Deref for Sips {
    type Target = Rig;

    fn deref(&self) -> &Rig {
        &self.0
    }
}

impl Sips {
    pub async fn new() -> Self {
        Self(Rig::new().await)
    }

    pub async fn with(tweak: impl FnOnce(&mut Settings)) -> Self {
        Self(Rig::with(tweak).await)
    }

    /// Notifications and browsers that come back find the service.
    pub async fn reachable() -> Self {
        Self::with(|settings| settings.server.public_url = "http://127.0.0.1:8080".to_owned()).await
    }

    /// An order of 10.00 EUR made elsewhere, with these members of its own.
    pub fn order(&self, draft: &Value) -> String {
        self.control.add_order("sips", "sherlocks", draft).unwrap()
    }

    pub fn in_status(&self, status: &str) -> String {
        self.order(&json!({"status": status}))
    }

    pub async fn read(&self, order: &str) -> Reply {
        self.get(&format!("/orders/sherlocks_{order}")).await
    }

    /// `cancel`, `capture` or `refund` of all that is left, or of this many cents; the key is the order's own.
    pub async fn act(&self, action: &str, order: &str, key: &str, cents: Option<i64>) -> Reply {
        let body = cents.map(|cents| json!({"amount": {"value": cents, "currency": "EUR"}}));
        let path = format!("/orders/sherlocks_{order}/{action}");
        self.post(&path, &[("idempotency-key", &format!("{order}-{key}"))], body.as_ref()).await
    }

    /// Asks for an order of 10.00 EUR, its body changed by a merge patch.
    pub async fn ask(&self, reference: &str, changes: &Value) -> Reply {
        let mut body = json!({
            "account": "sherlocks", "amount": {"value": 1_000, "currency": "EUR"},
            "merchant_reference": reference, "return_url": "https://shop.example/back?cart=42"
        });
        body.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        self.create(&format!("create-{reference}"), &body).await
    }

    /// The same, made; gives its reference at the platform.
    pub async fn made(&self, reference: &str, changes: &Value) -> String {
        let reply = self.ask(reference, changes).await;
        assert_eq!(reply.status, 201, "{reply:?}");
        reply.json["provider_reference"].as_str().unwrap().to_owned()
    }

    pub fn pay(&self, order: &str) {
        self.control.payer("sips", "sherlocks", order, PayerAction::Pay).unwrap();
    }

    /// The night, the back office or the bank.
    pub fn night(&self, order: &str, action: &str) {
        self.control.act("sips", "sherlocks", Some(order), action).unwrap();
    }

    pub fn spoil(&self, service: &str, order: &str, kind: FaultKind) -> FaultId {
        self.control.add_fault(Fault::new("sips", kind).on_service(service).on_order(order))
    }

    /// Refuses with `responseCode`, `acquirerResponseCode` and `errorFieldName`.
    pub fn deny(&self, service: &str, order: &str, code: &str, acquirer: Option<&str>, field: Option<&str>) {
        self.spoil(
            service,
            order,
            FaultKind::Refuse {
                code: code.to_owned(),
                message: None,
                detailed_code: acquirer.map(str::to_owned),
                detailed_message: field.map(str::to_owned),
            },
        );
    }

    /// How often this service was asked about this order, or for this merchant's reference.
    pub fn sent(&self, service: &str, order: &str) -> usize {
        let log = self.control.request_log();
        let about = |name: &Option<String>| name.as_deref() == Some(order);
        log.iter()
            .filter(|one| one.service == service && (about(&one.order) || about(&one.reference)))
            .count()
    }

    /// What really happened to this order under this word.
    pub fn moved(&self, effect: &str, order: &str) -> Vec<Option<i64>> {
        self.effects(effect).into_iter().filter(|one| one.order == order).map(|one| one.amount).collect()
    }
}

/// requested, authorized, captured, canceled, refunded, all told.
pub fn all(values: [i64; 5]) -> [Option<i64>; 5] {
    values.map(Some)
}

#[track_caller]
pub fn seen(reply: &Reply, status: &str, values: [i64; 5]) {
    assert_eq!((reply.status, &reply.json["status"]), (200, &json!(status)), "{reply:?}");
    assert_eq!(crate::rig::amounts(reply), all(values), "{}", reply.text);
}

/// A change that was done: 200, this status and these amounts.
#[track_caller]
pub fn done(reply: &Reply, status: &str, values: [i64; 5]) {
    assert_eq!(reply.status, 200, "{reply:?}");
    assert_eq!(reply.json["operation"]["outcome"], "executed", "{reply:?}");
    seen(reply, status, values);
}

/// 202, nobody knows.
#[track_caller]
pub fn unknown(reply: &Reply, name: &str) -> String {
    assert_eq!(reply.status, 202, "{name}: {reply:?}");
    let operation = &reply.json["operation"];
    assert_eq!(
        (&operation["status"], &operation["outcome"]),
        (&json!("unknown"), &json!("unknown")),
        "{name}"
    );
    operation["id"].as_str().unwrap().to_owned()
}

/// Only an operator can help: nothing was done, and nobody is told to try again.
#[track_caller]
pub fn misconfigured(reply: &Reply, code: &str, is_change: bool) {
    assert_eq!(reply.problem(), (503, "account_misconfigured"), "{code}: {reply:?}");
    assert_eq!(reply.json["retryable"], false, "{code}");
    assert_eq!(reply.header("retry-after"), None, "{code}");
    assert_eq!(reply.json["provider"]["code"], code, "{reply:?}");
    let outcome = if is_change { json!("not_executed") } else { Value::Null };
    assert_eq!(reply.json["outcome"], outcome, "{code}");
}

pub fn action<'a>(reply: &'a Reply, name: &str) -> &'a Value {
    let actions = reply.json["available_actions"].as_array().unwrap();
    actions.iter().find(|action| action["action"] == name).unwrap()
}

/// Another account at the same platform: what is not named in `changes` is as at `sherlocks`.
pub fn add_account(settings: &mut Settings, name: &str, changes: &[(&str, &str)]) {
    let url = settings.accounts["sherlocks"].text("office_url").unwrap().unwrap();
    let mut pairs = BTreeMap::from([
        ("brand", "sherlocks"),
        ("environment", "test"),
        ("office_url", url.as_str()),
        ("paypage_url", url.as_str()),
        ("merchant_id", "002001000000001"),
        ("key_version", "1"),
        ("secret_key", "002001000000001_KEY1"),
    ]);
    pairs.extend(changes.iter().copied());
    settings.accounts.insert(name.to_owned(), AccountSettings::from_pairs(name, "sips", pairs));
}
