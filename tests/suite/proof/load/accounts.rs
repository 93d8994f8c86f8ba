//! The simulated accounts: how an order is made ready at each, what may go wrong there, and how what was sent and done
//! is read from its records.

use guichet_simulator::{Effect, Fault, FaultKind, LoggedRequest, Moment, PayerAction, SimulatorControl};
use serde_json::{Value, json};

use crate::numbers::Random;

/// What every prepared order is about, in minor units.
pub const AMOUNT: i64 = 1_000;
/// A late request arrives at most this much later; the settling time of these runs is 4 s.
pub const LATE_MS: u64 = 1_500;

/// What an order is ready for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Nobody has paid.
    Open,
    /// The merchant must capture.
    Waiting,
    /// Paid, and the money not taken yet.
    Paid,
    /// The money is taken.
    Captured,
    /// Made by a caller, and something was done by its payer since.
    Created,
}

/// An account of the configuration and its platform. An adapter that is new here gets a line.
#[derive(Debug)]
pub struct Account {
    pub name: &'static str,
    pub provider: &'static str,
    pub brand: &'static str,
    pub currency: &'static str,
    /// States an order can be prepared in.
    pub states: &'static [State],
    /// What only reads.
    reads: &'static [&'static str],
    /// What changes something.
    changes: &'static [&'static str],
    /// The platform's word for an incident that may come after the effect, where it has one.
    incident: Option<&'static str>,
}

const LYRA: Account = Account {
    name: "",
    provider: "lyra",
    brand: "",
    currency: "EUR",
    states: &[State::Open, State::Waiting, State::Paid, State::Captured],
    reads: &["Charge/PaymentOrder/Get", "Order/Get"],
    changes: &[
        "Charge/CreatePaymentOrder",
        "Charge/PaymentOrder/Update",
        "Charge/PaymentOrder/Cancel",
        "Transaction/CancelOrRefund",
        "Transaction/Validate",
        "Transaction/Update",
    ],
    incident: Some("PSP_999"),
};

pub static ACCOUNTS: [Account; 4] = [
    Account { name: "systempay", brand: "systempay", ..LYRA },
    Account { name: "epaync", brand: "epaync", currency: "XPF", ..LYRA },
    Account {
        name: "sherlocks",
        provider: "sips",
        brand: "sherlocks",
        currency: "EUR",
        // Without a payment there is no transaction, and so nothing that could be changed.
        states: &[State::Waiting, State::Paid, State::Captured],
        reads: &["diagnostic/getTransactionData"],
        changes: &[
            "paymentInit",
            "cashManagement/cancel",
            "cashManagement/validate",
            "cashManagement/refund",
        ],
        incident: Some("99"),
    },
    Account {
        name: "yabandpay",
        provider: "yabandpay",
        brand: "yabandpay",
        currency: "EUR",
        states: &[State::Open, State::Waiting, State::Paid],
        reads: &["v3.QueryOrder", "v3.QueryRefundOrder"],
        changes: &[
            "v3.CreatePayments",
            "v3.CreateCardPayments",
            "v3.CancelPayment",
            "v3.Capture",
            "v3.CreateRefund",
        ],
        // An unknown code is a definite no there.
        incident: None,
    },
];

/// The account of this place.
pub fn account_at(provider: &str, brand: &str) -> Option<&'static Account> {
    ACCOUNTS.iter().find(|account| account.provider == provider && account.brand == brand)
}

impl Account {
    pub fn is_change(&self, service: &str) -> bool {
        self.changes.contains(&service)
    }

    /// An order as payer, merchant and night left it; its reference at the platform.
    pub fn prepare(&self, control: &SimulatorControl, state: State, number: usize) -> String {
        let add = |draft: Value| control.add_order(self.provider, self.brand, &draft).unwrap();
        match self.provider {
            "lyra" => {
                let is_manual = state == State::Waiting;
                let draft = json!({"orderId": format!("seed-{number}"), "amount": AMOUNT, "manualValidation": is_manual});
                let id = add(draft);
                if state != State::Open {
                    control.payer(self.provider, self.brand, &id, PayerAction::Pay).unwrap();
                }
                if state == State::Captured {
                    control.act(self.provider, self.brand, Some(&id), "remit").unwrap();
                }
                id
            }
            "sips" => {
                let (status, mode, last) = match state {
                    State::Waiting => ("TO_VALIDATE", "VALIDATION", "AUTHOR"),
                    State::Captured => ("CAPTURED", "AUTHOR_CAPTURE", "DEBIT_CAPTURE"),
                    State::Open | State::Paid | State::Created => ("TO_CAPTURE", "AUTHOR_CAPTURE", "AUTHOR"),
                };
                add(json!({
                    "orderId": format!("seed-{number}"), "amount": AMOUNT, "status": status, "captureMode": mode,
                    "captureDay": 3, "lastOperationName": last,
                }))
            }
            _ => {
                let status = match state {
                    State::Open => "pending",
                    State::Waiting => "authorized",
                    State::Paid | State::Captured | State::Created => "paid",
                };
                add(json!({"order_id": format!("seed-{number}"), "amount": AMOUNT, "status": status}))
            }
        }
    }

    /// The members of a creation that differ between the platforms.
    pub fn creation(&self, random: &mut Random, reference: &str) -> Value {
        let mut body = json!({
            "account": self.name, "amount": {"value": AMOUNT, "currency": self.currency},
            "merchant_reference": reference,
        });
        let by_hand = random.percent(30);
        if by_hand {
            body["capture"] = json!("manual");
        }
        match self.provider {
            "lyra" if random.percent(30) => {
                body["delivery"] = json!({"channel": "email", "recipient": "zoe@example.com"});
            }
            "yabandpay" if by_hand => {
                body["payment_method"] = json!("card");
                body["return_url"] = json!("https://shop.example/back");
            }
            _ => {}
        }
        body
    }

    /// Something that goes wrong with a call of this account's platform.
    pub fn fault(&self, random: &mut Random) -> Fault {
        let effect = random.percent(50);
        let kind = match random.below(11) {
            0 => FaultKind::LoseAnswer,
            1 => FaultKind::CutBefore,
            2 => FaultKind::CutMidAnswer,
            3 => FaultKind::Garbage { effect },
            4 => FaultKind::Delay { ms: random.below(LATE_MS), when: Moment::Before },
            5 => FaultKind::Delay { ms: random.below(2 * LATE_MS), when: Moment::After },
            6 => FaultKind::Empty { effect },
            7 => FaultKind::WrongEnvelope { effect },
            8 => FaultKind::BadSignature { effect },
            9 => FaultKind::Unsigned { effect },
            _ => FaultKind::HttpStatus {
                code: 502,
                body: "<h1>Bad Gateway</h1>".to_owned(),
                content_type: "text/html".to_owned(),
                effect,
            },
        };
        let services = if random.percent(70) { self.changes } else { self.reads };
        let service = *random.pick(services);
        let kind = match self.incident {
            // At the opening of a page Sips means by it that nothing was done.
            Some(code) if random.percent(10) && service != "paymentInit" => {
                FaultKind::ErrorAfterEffect { code: code.to_owned() }
            }
            _ => kind,
        };
        let times = u32::try_from(1 + random.below(2)).unwrap();
        Fault::new(self.provider, kind).at(self.brand).on_service(service).times(times)
    }

    /// Something that goes wrong with a notification of this account's platform.
    pub fn notification_fault(&self, random: &mut Random) -> Fault {
        let kind = match random.below(6) {
            0 => FaultKind::NotifyNever,
            1 => FaultKind::NotifyTwice,
            2 => FaultKind::NotifyLate { ms: random.below(LATE_MS) },
            3 => FaultKind::NotifyForged,
            4 => FaultKind::NotifyAltered,
            _ => FaultKind::NotifyOutOfOrder,
        };
        Fault::new(self.provider, kind).at(self.brand)
    }
}

/// The operation that a request names, where it names one: a creation everywhere, a refund at YabandPay, and all that
/// is done to a payment at Lyra. The rest is known by its order only; an update at Lyra repeats the labels of its
/// creation.
pub fn operation_of(request: &LoggedRequest) -> Option<String> {
    let member = |path: &str| request.body.pointer(path).and_then(Value::as_str);
    let named = match request.provider.as_str() {
        "lyra" if request.service == "Charge/CreatePaymentOrder" => member("/metadata/guichet"),
        "lyra" => member("/comment"),
        "sips" => member("/returnContext"),
        _ => member("/data/m_refund_id").or_else(|| member("/data/demo")),
    };
    named.map(str::to_owned)
}

/// Our word for what was done: a partial cancel is a change of the payment at Lyra.
pub fn kind_of(effect: &Effect) -> &str {
    if effect.provider == "lyra" && effect.action == "update" && effect.transaction.is_some() {
        "cancel"
    } else {
        &effect.action
    }
}

/// What an effect moved: the ledger tells no part where a whole open order is given up.
pub fn moved(effect: &Effect) -> Option<i64> {
    match kind_of(effect) {
        "cancel" => effect.amount.or(effect.amount_before),
        "capture" | "refund" => effect.amount,
        _ => None,
    }
}
