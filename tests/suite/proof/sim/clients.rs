//! What the callers ask for, and what they were told: it outlives the program, as they do.

use std::{collections::BTreeMap, sync::Arc};

use guichet::{
    config::AllowedAccounts,
    domain::{
        CaptureMode, Customer, DeliveryChannel, Field, Money, NewDelivery, NewOrder, OperationId,
        OperationStatus, OrderPatch,
    },
    orders::{Caller, CallerKey, ChangeRequest, Changed, NewChange, NewCreation, Orders},
    problem::{Problem, ProblemCode},
};
use tokio::time::Instant;

use super::{
    DEADLINE_MS,
    world::{World, now, pause},
};
use crate::numbers::Random;

/// What one request asks for.
#[derive(Debug, Clone, PartialEq)]
pub enum What {
    Create { reference: String, manual: bool, mailed: bool },
    Update(i64),
    Cancel(Option<i64>),
    Capture(Option<i64>),
    Refund(Option<i64>),
}

/// Which order.
#[derive(Debug, Clone, PartialEq)]
pub enum Target {
    None,
    Seed(String, String),
    /// The order that the ask with this number made.
    Made(usize),
}

/// One caller's wish with everything it heard.
#[derive(Debug, Clone)]
pub struct Ask {
    pub at: i64,
    pub target: Target,
    pub what: What,
    pub key: Option<String>,
    pub tries_left: u32,
    pub waits: bool,
    pub heard: Vec<Heard>,
}

/// One answer.
#[derive(Debug, Clone, PartialEq)]
pub enum Heard {
    Operation(OperationId, OperationStatus),
    Problem(ProblemCode),
    /// The program died first.
    Nothing,
}

pub type Asks = Arc<std::sync::Mutex<Vec<Ask>>>;

/// The requests of a history: races on few orders, repeated keys, keys used for something else, second clicks.
pub fn plan(random: &mut Random, seeds: &[(String, String, bool)], begin: i64) -> Vec<Ask> {
    let mut asks: Vec<Ask> = Vec::new();
    for number in 0..random.between(5, 12) {
        let at = begin + random.between(0, 4) * 700 + random.between(0, 8);
        if !asks.is_empty() && random.percent(22) {
            // The same again: as a repetition with its key, or as a second click.
            let mut again = random.pick(&asks).clone();
            again.at = at.max(again.at);
            if random.percent(25) && !matches!(again.what, What::Create { .. }) {
                again.key = Some(format!("k{number}"));
            } else if random.percent(6) {
                again.what = What::Cancel(None);
            }
            if matches!(again.target, Target::None) != matches!(again.what, What::Create { .. }) {
                continue;
            }
            asks.push(again);
            continue;
        }
        let makers: Vec<usize> =
            (0..asks.len()).filter(|place| matches!(asks[*place].what, What::Create { .. })).collect();
        let part = |random: &mut Random| random.percent(55).then(|| random.between(1, 12) * 100);
        let (target, what) = if random.percent(25) {
            let reference = format!("cart-{}", random.below(3));
            (Target::None, What::Create { reference, manual: random.percent(40), mailed: random.percent(50) })
        } else if !makers.is_empty() && random.percent(30) {
            let target = Target::Made(*random.pick(&makers));
            (target, change(random, part))
        } else {
            let (account, reference, is_paid) = random.pick(seeds).clone();
            let target = Target::Seed(account, reference);
            let refunds = is_paid && random.percent(85);
            (target, if refunds { What::Refund(part(random)) } else { change(random, part) })
        };
        let needs_key = match &what {
            What::Create { .. } | What::Refund(_) => true,
            What::Cancel(amount) | What::Capture(amount) => amount.is_some(),
            What::Update(_) => false,
        };
        let key = (needs_key || random.percent(40)).then(|| format!("k{number}"));
        let tries_left = u32::try_from(random.below(4)).unwrap();
        asks.push(Ask { at, target, what, key, tries_left, waits: true, heard: Vec::new() });
    }
    asks
}

fn change(random: &mut Random, part: impl Fn(&mut Random) -> Option<i64>) -> What {
    match random.below(10) {
        0..=2 => What::Update(random.between(5, 15) * 100),
        3..=5 => What::Cancel(part(random)),
        6..=7 => What::Capture(None),
        _ => What::Refund(part(random)),
    }
}

pub fn caller() -> Caller {
    Caller {
        client: "till".to_owned(),
        accounts: AllowedAccounts::All,
        scopes: std::collections::BTreeSet::new(),
        request_id: "r".to_owned(),
    }
}

pub fn euros(value: i64) -> Money {
    Money::new(value, "EUR".parse().unwrap()).unwrap()
}

pub fn new_order(reference: &str, manual: bool, mailed: bool) -> NewOrder {
    NewOrder {
        amount: euros(1_000),
        merchant_reference: reference.to_owned(),
        description: None,
        capture: if manual { CaptureMode::Manual } else { CaptureMode::Automatic },
        payment_method: None,
        expires_at: None,
        locale: None,
        delivery: NewDelivery {
            channel: if mailed { DeliveryChannel::Email } else { DeliveryChannel::Link },
            ..NewDelivery::default()
        },
        customer: Customer::default(),
        return_url: None,
        metadata: BTreeMap::new(),
        provider_options: serde_json::Map::new(),
    }
}

fn deadline() -> Instant {
    Instant::now() + std::time::Duration::from_millis(DEADLINE_MS)
}

async fn send(orders: &Arc<Orders>, ask: &Ask, id: Option<String>) -> Result<Changed, Problem> {
    let fingerprint = format!("{:?} {id:?}", ask.what);
    let key = ask.key.clone().map(|key| (key, fingerprint));
    let request = match &ask.what {
        What::Create { reference, manual, mailed } => {
            let order = new_order(reference, *manual, *mailed);
            return create(orders, order, key.unwrap(), deadline()).await;
        }
        What::Update(amount) => {
            let patch = OrderPatch { amount: Field::Set(euros(*amount)), ..OrderPatch::default() };
            ChangeRequest::Update(Box::new(patch))
        }
        What::Cancel(amount) => ChangeRequest::Cancel { amount: amount.map(euros) },
        What::Capture(amount) => ChangeRequest::Capture { amount: amount.map(euros) },
        What::Refund(amount) => ChangeRequest::Refund { amount: amount.map(euros) },
    };
    let order = orders.locate(&caller(), id.unwrap().parse().unwrap())?;
    let change = NewChange { order, request, key, precondition: None, deadline: deadline() };
    orders.changes.change(&caller(), change).await
}

/// Has an order made at the one account that callers name.
pub async fn create(
    orders: &Orders,
    order: NewOrder,
    key: CallerKey,
    deadline: Instant,
) -> Result<Changed, Problem> {
    let account = orders.changes.route(&caller(), Some(&"exact".parse().unwrap()), &order);
    orders.changes.create(&caller(), NewCreation { account, order, key, deadline }).await
}

/// One caller, until it has heard enough.
pub async fn run(orders: Arc<Orders>, world: Arc<World>, asks: Asks, place: usize) {
    loop {
        let ask = asks.lock().unwrap()[place].clone();
        if !ask.waits {
            return;
        }
        pause((ask.at - now()).max(0)).await;
        let id = match &ask.target {
            Target::None => None,
            Target::Seed(account, reference) => Some(format!("{account}_{reference}")),
            Target::Made(maker) => match made_by(&orders, &asks, *maker).await {
                Some(id) => Some(id),
                None => {
                    asks.lock().unwrap()[place].waits = false;
                    return;
                }
            },
        };
        // Whoever is cut off here hears nothing.
        asks.lock().unwrap()[place].heard.push(Heard::Nothing);
        let answer = send(&orders, &ask, id).await;
        let heard = match answer {
            Ok(changed) if changed.kept => Heard::Operation(changed.operation.id, changed.operation.status),
            // Nothing to do, and nothing kept: as settled as an order whose state allows no more.
            Ok(_) => Heard::Problem(ProblemCode::OrderStateConflict),
            Err(problem) => Heard::Problem(problem.code),
        };
        let mut state = world.state();
        let told = match &heard {
            Heard::Operation(id, status) => format!("{} {}", state.name(&id.to_string()), status.as_str()),
            Heard::Problem(code) => code.as_str().to_owned(),
            Heard::Nothing => String::new(),
        };
        state.say(&format!("ask {place} {:?} {:?}: {told}", ask.what, ask.key));
        let settled = matches!(
            heard,
            Heard::Operation(_, OperationStatus::Succeeded | OperationStatus::Refused)
                | Heard::Problem(ProblemCode::IdempotencyKeyReused | ProblemCode::OrderStateConflict)
        );
        let mut asks = asks.lock().unwrap();
        *asks[place].heard.last_mut().unwrap() = heard;
        if settled || ask.tries_left == 0 {
            asks[place].waits = false;
            return;
        }
        asks[place].tries_left -= 1;
        asks[place].at = now() + state.random.between(10, 4_000);
    }
}

async fn made_by(orders: &Arc<Orders>, asks: &Asks, maker: usize) -> Option<String> {
    for _ in 0..6 {
        let heard = asks.lock().unwrap()[maker].heard.clone();
        for told in heard {
            if let Heard::Operation(id, _) = told
                && let Ok(operation) = orders.reads.operation(&caller(), id).await
                && let Some(order) = operation.order_id
            {
                return Some(order.to_string());
            }
        }
        pause(400).await;
    }
    None
}

/// After a crash: who had asked and heard nothing asks again, with its key, or not at all.
pub fn after_a_crash(asks: &Asks, random: &mut Random) {
    for ask in asks.lock().unwrap().iter_mut() {
        if ask.waits && ask.heard.last() == Some(&Heard::Nothing) {
            ask.waits = ask.key.is_some() || random.percent(50);
            ask.at = now() + random.between(0, 1_500);
        }
    }
}
