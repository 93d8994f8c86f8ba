//! Every change that is killed: at which platform, what it is asked as, and what it must leave behind.

use guichet::domain::OperationId;
use guichet_simulator::{PayerAction, SimulatorControl};
use serde_json::{Value, json};

/// What every prepared order is about, in minor units.
const AMOUNT: i64 = 10_000;

/// A platform, by the account that is used there.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// Name of the account, and of its brand.
    pub(super) name: &'static str,
    pub(super) provider: &'static str,
    /// The merchant's reference and the platform's, in the records of the simulator.
    references: [&'static str; 2],
}

const LYRA: Place = Place { name: "systempay", provider: "lyra", references: ["orderId", "paymentOrderId"] };
const SIPS: Place =
    Place { name: "sherlocks", provider: "sips", references: ["orderId", "transactionReference"] };
const YABANDPAY: Place =
    Place { name: "yabandpay", provider: "yabandpay", references: ["order_id", "trade_id"] };

/// What callers ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ask {
    Create,
    Update,
    Cancel,
    Capture,
    Refund,
}

/// How far the order has come before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    None,
    Open,
    /// The merchant must capture.
    Waiting,
    Paid,
    /// The money is taken.
    Captured,
}

/// A change of a fresh order.
#[derive(Debug)]
pub(super) struct Change {
    pub(super) place: Place,
    pub(super) ask: Ask,
    stage: Stage,
    /// The part that is asked for; done twice, it moves twice as much.
    part: Option<i64>,
    /// The service that does it.
    pub(super) service: &'static str,
    /// Its word in the platform's ledger.
    pub(super) effect: &'static str,
    /// Whether a read finds the effect again.
    pub(super) findable: bool,
    /// The status of its operation when the platform's answer is heard.
    pub(super) ends: &'static str,
}

/// The platform has no number to look for, or no way to look.
const fn creation(place: Place, service: &'static str) -> Change {
    let (ask, stage, part) = (Ask::Create, Stage::None, None);
    Change { place, ask, stage, part, service, effect: "create", findable: false, ends: "succeeded" }
}

const fn of_order(
    place: Place,
    ask: Ask,
    stage: Stage,
    part: Option<i64>,
    service: &'static str,
    effect: &'static str,
) -> Change {
    Change { place, ask, stage, part, service, effect, findable: true, ends: "succeeded" }
}

pub(super) static CREATE: Change = creation(LYRA, "Charge/CreatePaymentOrder");
pub(super) static UPDATE: Change =
    of_order(LYRA, Ask::Update, Stage::Open, Some(9_000), "Charge/PaymentOrder/Update", "update");
pub(super) static CANCEL: Change =
    of_order(LYRA, Ask::Cancel, Stage::Open, None, "Charge/PaymentOrder/Cancel", "cancel");
pub(super) static REFUND: Change =
    of_order(LYRA, Ask::Refund, Stage::Captured, Some(300), "Transaction/CancelOrRefund", "refund");
static CANCEL_PAYMENT: Change =
    of_order(LYRA, Ask::Cancel, Stage::Paid, None, "Transaction/CancelOrRefund", "cancel");
static CANCEL_PART: Change =
    of_order(LYRA, Ask::Cancel, Stage::Paid, Some(300), "Transaction/Update", "update");
static CAPTURE: Change =
    of_order(LYRA, Ask::Capture, Stage::Waiting, None, "Transaction/Validate", "capture");
static SIPS_CREATE: Change = creation(SIPS, "paymentInit");
static SIPS_CANCEL: Change =
    of_order(SIPS, Ask::Cancel, Stage::Paid, Some(300), "cashManagement/cancel", "cancel");
static SIPS_CAPTURE: Change =
    of_order(SIPS, Ask::Capture, Stage::Waiting, Some(700), "cashManagement/validate", "capture");
pub(super) static SIPS_REFUND: Change =
    of_order(SIPS, Ask::Refund, Stage::Captured, Some(300), "cashManagement/refund", "refund");
static YABANDPAY_CREATE: Change = creation(YABANDPAY, "v3.CreatePayments");
pub(super) static YABANDPAY_CANCEL: Change =
    of_order(YABANDPAY, Ask::Cancel, Stage::Paid, None, "v3.CancelPayment", "cancel");
static YABANDPAY_CAPTURE: Change =
    of_order(YABANDPAY, Ask::Capture, Stage::Waiting, Some(700), "v3.Capture", "capture");
/// Its answer names it; without that only a notification could. An administrator must still approve it.
pub(super) static YABANDPAY_REFUND: Change = Change {
    findable: false,
    ends: "accepted",
    ..of_order(YABANDPAY, Ask::Refund, Stage::Paid, Some(300), "v3.CreateRefund", "refund")
};

/// All of them: whatever an account can do.
pub(super) static CHANGES: [&Change; 15] = [
    &CREATE,
    &UPDATE,
    &CANCEL,
    &CANCEL_PAYMENT,
    &CANCEL_PART,
    &CAPTURE,
    &REFUND,
    &SIPS_CREATE,
    &SIPS_CANCEL,
    &SIPS_CAPTURE,
    &SIPS_REFUND,
    &YABANDPAY_CREATE,
    &YABANDPAY_CANCEL,
    &YABANDPAY_CAPTURE,
    &YABANDPAY_REFUND,
];

impl Change {
    /// The status of the answer when it is done.
    pub(super) fn done(&self) -> u16 {
        match (self.ask, self.ends) {
            (Ask::Create, _) => 201,
            (_, "accepted") => 202,
            _ => 200,
        }
    }

    /// What the program calls this order.
    pub(super) fn id(&self, order: &str) -> String {
        format!("{}_{order}", self.place.name)
    }

    /// The body of the request, where there is one.
    pub(super) fn body(&self, order: &str) -> Option<Value> {
        let amount = |value: i64| json!({"value": value, "currency": "EUR"});
        match self.ask {
            Ask::Create => Some(json!({
                "account": self.place.name, "amount": amount(9_000), "merchant_reference": order,
            })),
            Ask::Update | Ask::Cancel | Ask::Capture | Ask::Refund => {
                self.part.map(|part| json!({"amount": amount(part)}))
            }
        }
    }

    /// A fresh order at the platform that allows the change; its reference there. Of a creation the merchant's
    /// reference, for there is no order yet.
    pub(super) fn new_order(&self, control: &SimulatorControl) -> String {
        let reference: String = OperationId::generate().to_string().replace('-', "").replace("op_", "");
        let Place { name, provider, .. } = self.place;
        let add = |draft: Value| control.add_order(provider, name, &draft).unwrap();
        match (self.stage, provider) {
            (Stage::None, _) => reference,
            (stage, "lyra") => {
                let by_hand = stage == Stage::Waiting;
                let order = add(json!({"orderId": reference, "amount": AMOUNT, "manualValidation": by_hand}));
                if stage != Stage::Open {
                    control.payer(provider, name, &order, PayerAction::Pay).unwrap();
                }
                if stage == Stage::Captured {
                    control.act(provider, name, Some(&order), "remit").unwrap();
                }
                order
            }
            (stage, "sips") => {
                let (status, mode) = match stage {
                    Stage::Waiting => ("TO_VALIDATE", "VALIDATION"),
                    Stage::Captured => ("CAPTURED", "AUTHOR_CAPTURE"),
                    Stage::None | Stage::Open | Stage::Paid => ("TO_CAPTURE", "AUTHOR_CAPTURE"),
                };
                add(json!({
                    "transactionReference": reference, "orderId": reference, "amount": AMOUNT, "status": status,
                    "captureMode": mode, "captureDay": 3,
                }))
            }
            (stage, _) => {
                let status = if stage == Stage::Waiting { "authorized" } else { "paid" };
                add(json!({"order_id": reference, "amount": AMOUNT, "status": status}))
            }
        }
    }

    /// The platform's references of the orders that this name stands for: one of its own, or those that were made
    /// with the merchant's reference.
    pub(super) fn orders(&self, control: &SimulatorControl, order: &str) -> Vec<String> {
        let [theirs, own] = self.place.references;
        let all = control.orders(self.place.provider, self.place.name).unwrap();
        let of_it = all.iter().filter(|made| made[theirs] == order || made[own] == order);
        of_it.filter_map(|made| made[own].as_str().map(str::to_owned)).collect()
    }
}
