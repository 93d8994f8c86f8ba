//! What is done to the store whose power is cut: orders are changed, and each answer is acknowledged.

use std::{collections::BTreeMap, io::Write, path::Path, sync::Arc};

use guichet::{
    domain::{
        Amounts, Intent, Mode, Money, Operation, OperationId, OperationStatus, Order, OrderStatus, Part,
        ProviderStatus, Timestamp, WaitsFor,
    },
    store::{
        Begun, IdempotencyKey, NewOperation, OperationFilter, OrderFilter, Settlement, Sort, Store,
        sqlite::SqliteStore,
    },
};

use crate::numbers::{Random, amount};

const TASKS: usize = 4;
const CHANGES: usize = 12;

fn order(name: &str) -> Order {
    Order {
        id: format!("shop_{name}").parse().unwrap(),
        provider: "memory".to_owned(),
        mode: Mode::Test,
        merchant_reference: Some(name.to_owned()),
        status: OrderStatus::Pending,
        is_final: false,
        provider_status: ProviderStatus { code: "OPEN".to_owned(), message: None },
        amount: 1_000,
        currency: "EUR".parse().unwrap(),
        amounts: Amounts::unpaid(1_000),
        checkout: None,
        delivery: None,
        description: Some("x".repeat(600)),
        locale: None,
        metadata: BTreeMap::new(),
        created_at: None,
        updated_at: None,
        expires_at: None,
        as_of: Timestamp::now(),
        waits_for: WaitsFor::default(),
        deadline_at: None,
        news: Vec::new(),
        available_actions: Vec::new(),
        provider_data: serde_json::Map::new(),
    }
}

fn cancel(name: &str) -> NewOperation {
    let before = order(name);
    let money = Money::new(100, before.currency).unwrap();
    let intent =
        Intent::Cancel { before: Box::new(before.clone()), part: Part { amount: money, full: false } };
    let now = Timestamp::now();
    NewOperation {
        key: None,
        change_count: 0,
        asked: 0,
        now: Timestamp::now(),
        claims_reference: None,
        limit: None,
        operation: Operation {
            id: OperationId::generate(),
            kind: intent.kind(),
            account: before.account().clone(),
            order_id: Some(before.id),
            provider: "memory".to_owned(),
            client: "till".to_owned(),
            request_id: "r".to_owned(),
            traceparent: None,
            amount: Some(money),
            status: OperationStatus::Sending,
            already_done: false,
            intent,
            repeat_harmless: false,
            failure: None,
            order_after: None,
            created_at: now,
            updated_at: now,
            checks: 0,
            next_check_at: None,
            provider_id: None,
            claimed_done: false,
            contradiction: None,
            reversed: None,
        },
    }
}

/// Run in a process of its own, by the tests of power cuts.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "the part of the power cuts that runs in a process of its own"]
#[allow(clippy::disallowed_methods, reason = "set by the test that starts this process")]
async fn works_on_a_store() {
    let Some(folder) = std::env::var_os("GUICHET_PROOF_WORK") else { return };
    let folder = Path::new(&folder);
    let store: Arc<dyn Store> =
        Arc::new(SqliteStore::open(&format!("sqlite://{}/store.db", folder.display())).unwrap());
    let told = std::fs::File::options().create(true).append(true).open(folder.join("acknowledged")).unwrap();
    let told = Arc::new(told);
    let mut random = Random::new(amount("GUICHET_PROOF_SEED", 1));
    let tasks: Vec<_> = (0..TASKS)
        .map(|task| {
            let (store, told, random) = (Arc::clone(&store), Arc::clone(&told), Random::new(random.next()));
            tokio::spawn(change(store, told, task, random))
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    store.close().await;
}

async fn change(store: Arc<dyn Store>, told: Arc<std::fs::File>, task: usize, mut random: Random) {
    let tell = |line: String| (&*told).write_all(line.as_bytes()).unwrap();
    for number in 0..CHANGES {
        let name = format!("t{task}-{}", number / 3);
        let mut new = cancel(&name);
        let (id, order_id) = (new.operation.id, new.operation.order_id.clone().unwrap());
        let key = format!("key-{task}-{number}");
        new.key =
            Some(IdempotencyKey { client: "till".to_owned(), key: key.clone(), fingerprint: name.clone() });
        new.change_count = store.look(Some(&order_id), None).await.unwrap().change_count;
        assert_eq!(store.begin(new).await.unwrap(), Begun::Started);
        tell(format!("{id} sending {key}\n"));
        if random.percent(30) {
            tokio::time::sleep(std::time::Duration::from_millis(random.below(4))).await;
        }
        let status = *random.pick(&[
            OperationStatus::Succeeded,
            OperationStatus::Refused,
            OperationStatus::NotExecuted,
        ]);
        let settlement = Settlement {
            id,
            status,
            already_done: false,
            failure: None,
            order_after: None,
            asked: 0,
            now: Timestamp::now(),
            provider_id: None,
            claimed_done: false,
            proof: None,
            at: Timestamp::now(),
            checks: 0,
            next_check_at: None,
            releases_reference: false,
            reason: None,
            settled_by: "answer".to_owned(),
            cause: None,
        };
        store.settle(settlement).await.unwrap();
        tell(format!("{id} {} {key}\n", status.as_str()));
    }
}

/// What somebody has heard: the last status of each operation, and its key.
pub struct Acknowledged(BTreeMap<OperationId, (OperationStatus, String)>);

impl Acknowledged {
    pub fn read(text: &str) -> Self {
        let mut all = BTreeMap::new();
        for line in text.lines() {
            let mut words = line.split(' ');
            let id = words.next().unwrap().parse().unwrap();
            let status = OperationStatus::from_word(words.next().unwrap()).unwrap();
            all.insert(id, (status, words.next().unwrap().to_owned()));
        }
        Self(all)
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Everything heard is there, and what is there is whole.
    pub async fn check(&self, store: &SqliteStore) -> Result<(), String> {
        let failed = |error: guichet::store::StoreError| format!("lost: {error}");
        for (id, (status, key)) in &self.0 {
            let Some(operation) = store.operation(*id).await.map_err(failed)? else {
                return Err(format!("lost: {id} was acknowledged {status:?} and is gone"));
            };
            // The power may have gone between the next commit and its acknowledgement.
            if operation.status != *status && *status != OperationStatus::Sending {
                return Err(format!("lost: {id} was acknowledged {status:?}, is {:?}", operation.status));
            }
            let used = store.look(None, Some(("till", key))).await.map_err(failed)?.key;
            if used.map(|record| record.operation.id) != Some(*id) {
                return Err(format!("lost: the key {key} of {id}"));
            }
        }
        let oldest_first = Sort::OldestFirst;
        let listed = store.list_operations(OperationFilter::default(), oldest_first, None, 10_000).await;
        let operations = listed.map_err(failed)?.items;
        let mut finals = operations.iter().filter(|(_, operation)| operation.status.is_final()).count();
        let listed = store.list_orders(OrderFilter::default(), oldest_first, None, 10_000).await;
        for (_, order) in listed.map_err(failed)?.items {
            let events = store.order_events(&order.id, 0, 10_000).await.map_err(failed)?;
            for (event, expected) in events.iter().zip(1..) {
                if event.sequence != expected {
                    return Err(format!("contradiction: a gap at {} of {}", event.sequence, order.id));
                }
                if event.event.event_type.as_str().starts_with("operation.") {
                    finals = finals.checked_sub(1).ok_or("contradiction: an event without its change")?;
                }
            }
        }
        if finals == 0 { Ok(()) } else { Err(format!("contradiction: {finals} changes without events")) }
    }
}
