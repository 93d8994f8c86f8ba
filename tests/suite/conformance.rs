//! What every adapter keeps, each against its own simulator over HTTP: one named test per pair.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use async_trait::async_trait;
use guichet::{
    adapter::{
        self, AccountSettings, AdapterContext, ErrorKind, Performed, ProviderAdapter, Recall, Registry,
    },
    domain::{
        Action, Field, Money, OperationId, Order, OrderMemory, OrderPatch, OrderStatus, Part,
        ProviderReference,
    },
};
use guichet_simulator::{
    Fault, FaultKind, PayerAction, RunningSimulators, SimulatorControl, SimulatorOptions,
};
use money::{
    a_lost_creation_is_outcome_unknown_and_sent_once,
    a_lost_movement_is_outcome_unknown_and_found_by_reading, a_part_is_canceled_of_a_payment_where_declared,
    an_address_that_no_payer_may_be_sent_to_is_never_shown,
    capture_works_where_declared_and_else_sends_nothing, create_works_where_declared_and_else_sends_nothing,
    nothing_is_executed_at_an_unreachable_provider, refund_works_where_declared_and_else_sends_nothing,
};
use serde_json::{Value, json};
use tokio::time::Instant;

mod money;

/// How far an order has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Paid, and the merchant must still capture.
    Reserved,
    /// Paid, and the money has not moved: it may still be canceled.
    Accepted,
    /// Paid, and the money has moved: it may be refunded.
    Captured,
}

/// What is special about a provider's simulator.
struct Provider {
    id: &'static str,
    account: &'static str,
    /// An order that exists from the start and can be canceled, and its status.
    reference: &'static str,
    status: OrderStatus,
    /// Amount in minor units and currency of an order, as the simulator tells it.
    told: fn(&Value) -> (i64, &str),
    /// Makes an order of 10.00 EUR at the simulator that has come so far; `None` where the platform has no such stage.
    make: fn(&SimulatorControl, Stage) -> Option<String>,
    /// The services; empty where there is none.
    get: &'static str,
    create: &'static str,
    update: &'static str,
    cancel: &'static str,
    capture: &'static str,
    refund: &'static str,
    /// The keys of the account that hold a credential.
    secrets: &'static [&'static str],
    /// Whether the platform says that a credential is wrong, and not only that it refuses.
    names_wrong_credentials: bool,
}

mod provider {
    pub(super) const LYRA: super::Provider = super::Provider {
        id: "lyra",
        account: "systempay",
        reference: crate::rig::SAMPLE,
        status: super::OrderStatus::Pending,
        told: |order| (order["amount"].as_i64().unwrap(), order["currency"].as_str().unwrap()),
        make: super::make_lyra,
        get: crate::rig::GET,
        create: crate::rig::CREATE,
        update: crate::rig::UPDATE,
        cancel: crate::rig::CANCEL,
        capture: crate::rig::VALIDATE,
        refund: crate::rig::CANCEL_OR_REFUND,
        secrets: &["password"],
        names_wrong_credentials: true,
    };
    pub(super) const SIPS: super::Provider = super::Provider {
        id: "sips",
        account: "sherlocks",
        reference: "ORDER0001",
        status: super::OrderStatus::Paid,
        told: |order| (super::minor(&order["originAmount"]), "EUR"),
        make: super::make_sips,
        get: "diagnostic/getTransactionData",
        create: "paymentInit",
        update: "",
        cancel: "cashManagement/cancel",
        capture: "cashManagement/validate",
        refund: "cashManagement/refund",
        secrets: &["secret_key"],
        names_wrong_credentials: true,
    };
    pub(super) const YABANDPAY: super::Provider = super::Provider {
        id: "yabandpay",
        account: "yabandpay",
        reference: "4a49ffb3-a30f-ba92-9422-1969afb6f121",
        status: super::OrderStatus::Paid,
        told: |order| (super::minor(&order["amount"]), order["currency"].as_str().unwrap()),
        make: super::make_yabandpay,
        get: "v3.QueryOrder",
        create: "v3.CreatePayments",
        update: "",
        cancel: "v3.CancelPayment",
        capture: "v3.Capture",
        refund: "v3.CreateRefund",
        secrets: &["secret_key"],
        names_wrong_credentials: false,
    };
}

/// An amount in minor units, whether a number or a text with a point.
fn minor(amount: &Value) -> i64 {
    amount.as_i64().unwrap_or_else(|| amount.as_str().unwrap().replace('.', "").parse().unwrap())
}

fn make_sips(control: &SimulatorControl, stage: Stage) -> Option<String> {
    let reference = OperationId::generate().to_string().replace(|c: char| !c.is_ascii_alphanumeric(), "");
    let status = match stage {
        Stage::Reserved => "TO_VALIDATE",
        Stage::Accepted => "TO_CAPTURE",
        Stage::Captured => "CAPTURED",
    };
    let mode = if stage == Stage::Reserved { "VALIDATION" } else { "AUTHOR_CAPTURE" };
    let draft =
        json!({"transactionReference": reference, "status": status, "amount": 1_000, "captureMode": mode});
    Some(control.add_order("sips", "sherlocks", &draft).unwrap())
}

fn make_yabandpay(control: &SimulatorControl, stage: Stage) -> Option<String> {
    let state = if stage == Stage::Reserved { "authorized" } else { "paid" };
    Some(
        control
            .add_order(
                "yabandpay",
                "yabandpay",
                &json!({"amount": 1_000, "status": state, "authorizes": stage == Stage::Reserved}),
            )
            .unwrap(),
    )
}

fn make_lyra(control: &SimulatorControl, stage: Stage) -> Option<String> {
    // Payments are found by the merchant's reference: each order needs one of its own.
    let reference = OperationId::generate().to_string();
    let draft = json!({"amount": 1_000, "orderId": reference, "manualValidation": stage == Stage::Reserved});
    let order = control.add_order("lyra", "systempay", &draft).unwrap();
    control.payer("lyra", "systempay", &order, PayerAction::Pay).unwrap();
    if stage == Stage::Captured {
        control.act("lyra", "systempay", Some(&order), "remit").unwrap();
    }
    Some(order)
}

struct Rig {
    provider: &'static Provider,
    adapter: Arc<dyn ProviderAdapter>,
    simulators: RunningSimulators,
    reference: ProviderReference,
}

fn build(
    provider: &Provider,
    simulators: &RunningSimulators,
    change: impl Fn(&str, String) -> String,
) -> Arc<dyn ProviderAdapter> {
    let account = simulators.sandbox_accounts().into_iter().find(|a| a.name == provider.account).unwrap();
    let pairs = account.settings.into_iter().map(|(key, value)| (key, change(key, value)));
    let settings = AccountSettings::from_pairs(account.name, account.provider, pairs);
    let context =
        AdapterContext::new("http://127.0.0.1:8080", Duration::from_secs(2), Duration::from_secs(5));
    let accounts = [(account.name.to_owned(), settings)].into();
    let registry = Registry::build(&accounts, &guichet_providers::all(), &context).unwrap();
    let built = registry.accounts().next().unwrap().adapter.clone();
    assert_eq!(built.provider(), provider.id);
    built
}

/// An order nobody here knows more about.
struct Nothing;

#[async_trait]
impl Recall for Nothing {
    async fn recall(&self) -> adapter::Result<OrderMemory> {
        Ok(OrderMemory::default())
    }
}

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(5)
}

impl Rig {
    async fn new(provider: &'static Provider) -> Self {
        crate::rig::crypto();
        let options = SimulatorOptions { seed_samples: true, ..SimulatorOptions::default() };
        let simulators = guichet_simulator::start(options).await.unwrap();
        let adapter = build(provider, &simulators, |_, value| value);
        Self { provider, adapter, simulators, reference: provider.reference.parse().unwrap() }
    }

    async fn order(&self) -> Order {
        self.adapter.fetch(&self.reference, &Nothing, soon()).await.unwrap()
    }

    /// The order after a change, read where the answer does not tell it.
    async fn after(&self, performed: Performed) -> Order {
        match performed.order {
            Some(order) => order,
            None => self.order().await,
        }
    }

    fn fault(&self, service: &str, kind: FaultKind) {
        self.simulators.control().add_fault(Fault::new(self.provider.id, kind).on_service(service));
    }

    fn secrets(&self) -> Vec<String> {
        let account =
            self.simulators.sandbox_accounts().into_iter().find(|a| a.name == self.provider.account);
        let settings = account.unwrap().settings;
        settings.into_iter().filter(|(key, _)| self.provider.secrets.contains(key)).map(|(_, v)| v).collect()
    }
}

fn part(order: &Order, value: i64) -> Part {
    Part { amount: Money::new(value, order.currency).unwrap(), full: value == order.amount }
}

fn whole(order: &Order) -> Part {
    part(order, order.amount)
}

fn doubled(order: &Order) -> OrderPatch {
    let amount = Money::new(order.amount * 2, order.currency).unwrap();
    OrderPatch { amount: Field::Set(amount), ..OrderPatch::default() }
}

macro_rules! conformance {
    (providers: [$($module:ident: $provider:ident),+ $(,)?], scenarios: $scenarios:tt $(,)?) => {
        /// Every provider this list covers.
        const COVERED: &[&str] = &[$(provider::$provider.id),+];
        $(mod $module { conformance!(@scenarios $provider, $scenarios); })+
    };
    (@scenarios $provider:ident, [$($scenario:ident),+ $(,)?]) => {
        $(
            #[tokio::test]
            async fn $scenario() {
                super::$scenario(super::Rig::new(&super::provider::$provider).await).await;
            }
        )+
    };
}

conformance! {
    providers: [lyra: LYRA, sips: SIPS, yabandpay: YABANDPAY],
    scenarios: [
        fetch_agrees_with_the_simulator,
        an_absent_order_is_not_found,
        cancel_works_where_declared_and_else_sends_nothing,
        update_works_where_declared_and_else_sends_nothing,
        a_part_is_canceled_where_the_order_offers_it_and_else_nothing_is_sent,
        a_lost_answer_is_outcome_unknown_and_sent_once,
        an_unreachable_provider_is_not_executed,
        create_works_where_declared_and_else_sends_nothing,
        capture_works_where_declared_and_else_sends_nothing,
        refund_works_where_declared_and_else_sends_nothing,
        a_part_is_canceled_of_a_payment_where_declared,
        a_lost_creation_is_outcome_unknown_and_sent_once,
        an_address_that_no_payer_may_be_sent_to_is_never_shown,
        a_lost_movement_is_outcome_unknown_and_found_by_reading,
        nothing_is_executed_at_an_unreachable_provider,
        a_late_read_is_a_timeout,
        wrong_credentials_are_told_from_success,
        no_credential_is_shown,
    ],
}

#[test]
fn no_provider_escapes() {
    let known: BTreeSet<_> = guichet_providers::all().iter().map(|provider| provider.id).collect();
    assert_eq!(COVERED.iter().copied().collect::<BTreeSet<_>>(), known);
}

async fn fetch_agrees_with_the_simulator(rig: Rig) {
    rig.adapter.test_connection(soon()).await.unwrap();
    let order = rig.order().await;
    let control = rig.simulators.control();
    let truth = control.order(rig.provider.id, rig.provider.account, rig.provider.reference).unwrap();
    assert_eq!(order.id.reference, rig.reference);
    assert_eq!(order.status, rig.provider.status);
    assert_eq!((rig.provider.told)(&truth), (order.amount, order.currency.code()));
    assert_eq!(control.effects(), []);
}

async fn an_absent_order_is_not_found(rig: Rig) {
    let absent: String =
        rig.provider.reference.chars().map(|c| if c.is_alphanumeric() { '0' } else { c }).collect();
    let error = rig.adapter.fetch(&absent.parse().unwrap(), &Nothing, soon()).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::NotFound, "{error}");
}

async fn cancel_works_where_declared_and_else_sends_nothing(rig: Rig) {
    let before = rig.order().await;
    let control = rig.simulators.control();
    let asked = control.total_requests();
    let result = rig.adapter.cancel(OperationId::generate(), &before, whole(&before)).await;
    if rig.adapter.capabilities().cancel.supported {
        assert_eq!(rig.after(result.unwrap()).await.status, OrderStatus::Canceled);
        assert_eq!((control.requests(rig.provider.cancel), control.effects().len()), (1, 1));
        assert_eq!(rig.order().await.status, OrderStatus::Canceled);
    } else {
        assert_eq!(result.unwrap_err().kind, ErrorKind::Unsupported);
        assert_eq!(control.total_requests(), asked);
    }
}

async fn update_works_where_declared_and_else_sends_nothing(rig: Rig) {
    let before = rig.order().await;
    let control = rig.simulators.control();
    let asked = control.total_requests();
    let result = rig.adapter.update(OperationId::generate(), &before, &doubled(&before), &Nothing).await;
    if rig.adapter.capabilities().update.supported {
        assert_eq!(result.unwrap().amount, before.amount * 2);
        assert_eq!((control.requests(rig.provider.update), control.effects().len()), (1, 1));
        assert_eq!(rig.order().await.amount, before.amount * 2);
    } else {
        assert_eq!(result.unwrap_err().kind, ErrorKind::Unsupported);
        assert_eq!(control.total_requests(), asked);
    }
}

async fn a_part_is_canceled_where_the_order_offers_it_and_else_nothing_is_sent(rig: Rig) {
    let before = rig.order().await;
    let control = rig.simulators.control();
    let asked = control.total_requests();
    let result = rig.adapter.cancel(OperationId::generate(), &before, part(&before, before.amount / 2)).await;
    let offered = before.action(Action::Cancel).is_some_and(|action| action.partial == Some(true));
    assert!(!offered || rig.adapter.capabilities().cancel.partial, "no order offers what is not declared");
    if offered {
        assert_eq!(rig.after(result.unwrap()).await.amounts.canceled, Some(before.amount / 2));
    } else {
        assert_eq!(result.unwrap_err().kind, ErrorKind::Unsupported);
        assert_eq!((control.total_requests(), control.effects().len()), (asked, 0));
    }
}

async fn a_lost_answer_is_outcome_unknown_and_sent_once(rig: Rig) {
    let control = rig.simulators.control();
    for kind in [
        FaultKind::LoseAnswer,
        FaultKind::CutBefore,
        FaultKind::CutMidAnswer,
        FaultKind::Garbage { effect: true },
        FaultKind::Empty { effect: true },
        FaultKind::TooLarge { effect: true },
        FaultKind::WrongEnvelope { effect: true },
    ] {
        control.reset();
        let before = rig.order().await;
        rig.fault(rig.provider.cancel, kind.clone());
        let result = rig.adapter.cancel(OperationId::generate(), &before, whole(&before)).await;
        let error = result.unwrap_err();
        assert!(error.kind.money_may_have_moved() && !error.kind.may_be_repeated(), "{kind:?}: {error}");
        assert_eq!(error.kind, ErrorKind::OutcomeUnknown, "{kind:?}: {error}");
        assert_eq!(control.requests(rig.provider.cancel), 1, "{kind:?}");
    }
}

async fn an_unreachable_provider_is_not_executed(rig: Rig) {
    let before = rig.order().await;
    let Rig { adapter, simulators, reference, .. } = rig;
    simulators.stop().await;
    let operation = OperationId::generate();
    for error in [
        adapter.cancel(operation, &before, whole(&before)).await.unwrap_err(),
        adapter.fetch(&reference, &Nothing, soon()).await.unwrap_err(),
    ] {
        assert_eq!(error.kind, ErrorKind::NotExecuted, "{error}");
    }
    let declared = adapter.capabilities().update.supported;
    let expected = if declared { ErrorKind::NotExecuted } else { ErrorKind::Unsupported };
    let error = adapter.update(operation, &before, &doubled(&before), &Nothing).await.unwrap_err();
    assert_eq!(error.kind, expected, "{error}");
}

async fn a_late_read_is_a_timeout(rig: Rig) {
    let control = rig.simulators.control();
    let hold = Fault::new(rig.provider.id, FaultKind::Hold { when: guichet_simulator::Moment::Before });
    control.add_fault(hold.on_service(rig.provider.get).times(0));
    let deadline = Instant::now() + Duration::from_millis(200);
    let error = rig.adapter.fetch(&rig.reference, &Nothing, deadline).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Timeout, "{error}");
    control.clear_faults();
}

/// A wrong credential is never a success; where the platform names it, it is a matter for operators.
async fn wrong_credentials_are_told_from_success(rig: Rig) {
    let before = rig.order().await;
    // As long as the right one, and only its end is wrong.
    let wrong =
        build(rig.provider, &rig.simulators, |key, value| match rig.provider.secrets.contains(&key) {
            true => format!("{}zzz", &value[..value.len() - 3]),
            false => value,
        });
    let read = wrong.fetch(&rig.reference, &Nothing, soon()).await.unwrap_err();
    let change = wrong.cancel(OperationId::generate(), &before, whole(&before)).await.unwrap_err();
    if rig.provider.names_wrong_credentials {
        let link = wrong.test_connection(soon()).await.unwrap_err();
        for error in [link, read, change] {
            assert_eq!(error.kind, ErrorKind::Misconfigured, "{error}");
        }
    }
    assert_eq!(rig.simulators.control().effects(), []);
}

async fn no_credential_is_shown(rig: Rig) {
    let secrets = rig.secrets();
    assert!(!secrets.is_empty());
    let mut shown = vec![format!("{:?} {:#?}", rig.adapter, rig.adapter), rig.adapter.identity()];
    for kind in [FaultKind::Garbage { effect: false }, FaultKind::CutBefore, crate::rig::refusal("INT_902")] {
        rig.fault(rig.provider.get, kind.clone());
        // A read whose connection broke may be repeated, and then it works.
        if let Err(error) = rig.adapter.fetch(&rig.reference, &Nothing, soon()).await {
            shown.push(format!("{error} {error:?}"));
        }
    }
    assert!(shown.len() >= 4, "{shown:?}");
    for text in shown {
        for secret in &secrets {
            assert!(!text.contains(secret.as_str()), "{text}");
        }
    }
}
