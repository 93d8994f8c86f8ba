//! What a provider tells of operations that had ended: contradictions and reversals.

use guichet::{
    domain::{Cause, Fate, Intent, OperationId, OperationNews, OperationStatus, Order, OrderStatus, Reading},
    store::{Begun, NewOperation, Proof, Settlement, Store},
};

use super::rig::{
    Kind, begin, copy, create, event_words, keep, order_id, read, read_now, refund, settle, settlement, start,
};

/// What was captured of every order here.
const CAPTURED: i64 = 1_250;

fn captured(name: &str, as_of: i64) -> Order {
    let mut order = copy(name, OrderStatus::Paid, as_of);
    order.amounts.captured = Some(CAPTURED);
    order
}

/// A refund of 500 that ended so.
async fn refunded(store: &dyn Store, name: &str, end: OperationStatus) -> OperationId {
    let id = start(store, refund(captured(name, 1), 500, CAPTURED)).await;
    settle(store, settlement(id, end, 2)).await;
    id
}

/// A signed notification about this very operation.
fn told(id: OperationId, status: OperationStatus) -> Settlement {
    let proof = Proof { source: "notification", provider_status: Some("its word".to_owned()), order: None };
    Settlement { proof: Some(proof), settled_by: "notification".to_owned(), ..settlement(id, status, 9) }
}

/// A read that names the operation by the provider's own id.
async fn hear(store: &dyn Store, name: &str, id: OperationId, fate: Fate, as_of: i64) {
    let mut order = captured(name, as_of);
    order.news = vec![OperationNews {
        operation: id,
        fate,
        provider_id: Some("c-1".to_owned()),
        provider_status: Some("its word".to_owned()),
    }];
    let reading: Reading = read_now(store, read(order)).await;
    assert_eq!(store.save_copies(vec![reading], Cause::default()).await.unwrap(), []);
}

/// What a further refund of all would meet.
async fn refund_of_all(store: &dyn Store, name: &str) -> Begun {
    let mut next = refund(captured(name, 90), CAPTURED, CAPTURED);
    next.change_count = store.change_count(&order_id(name)).await.unwrap();
    store.begin(next).await.unwrap()
}

async fn words_of(store: &dyn Store, name: &str) -> Vec<String> {
    event_words(store, name).await.into_iter().map(|(word, _)| word).collect()
}

pub(super) async fn what_the_provider_did_all_the_same_is_a_contradiction(kind: &impl Kind) {
    let store = kind.open().unwrap();
    for (name, end, by_read) in [
        ("a", OperationStatus::Refused, false),
        ("b", OperationStatus::NotExecuted, false),
        ("c", OperationStatus::Refused, true),
        ("d", OperationStatus::NotExecuted, true),
    ] {
        let id = refunded(&*store, name, end).await;
        for _ in 0..2 {
            if by_read {
                hear(&*store, name, id, Fate::Done, 20).await;
            } else {
                let _ = store.settle(told(id, OperationStatus::Succeeded)).await.unwrap();
            }
        }
        let operation = store.operation(id).await.unwrap().unwrap();
        assert_eq!(operation.status, OperationStatus::NeedsReview, "{name}");
        let source = if by_read { "read" } else { "notification" };
        let contradiction = operation.contradiction.unwrap();
        assert_eq!(contradiction.source, source);
        assert_eq!(contradiction.provider_status.as_deref(), Some("its word"));
        let last = words_of(&*store, name).await;
        assert_eq!(last.iter().filter(|word| *word == "operation.needs_review").count(), 1, "{last:?}");
        assert_eq!(refund_of_all(&*store, name).await, Begun::Blocked(id), "it blocks its order");
        let view = store.look(Some(&order_id(name)), None).await.unwrap();
        assert_eq!(view.blocking, Some(id));
        let decided = settle(&*store, settlement(id, OperationStatus::Succeeded, 30)).await;
        assert!(decided.contradiction.is_some(), "what was told stays on record");
        assert_eq!(refund_of_all(&*store, name).await, Begun::LimitExceeded(750), "its amount counts");
    }
}

/// It may come while another change is under way: both stand, and the one under way ends as it ends.
pub(super) async fn a_contradiction_stands_beside_what_is_under_way(kind: &impl Kind) {
    let store = kind.open().unwrap();
    let first = refunded(&*store, "a", OperationStatus::NotExecuted).await;
    let second = start(&*store, refund(captured("a", 3), 900, CAPTURED)).await;
    let contradicted = settle(&*store, told(first, OperationStatus::Succeeded)).await;
    assert_eq!(contradicted.status, OperationStatus::NeedsReview, "even above the limit");
    let ended = settle(&*store, settlement(second, OperationStatus::Succeeded, 12)).await;
    assert_eq!(ended.status, OperationStatus::Succeeded);
    assert_eq!(refund_of_all(&*store, "a").await, Begun::Blocked(first));
    settle(&*store, settlement(first, OperationStatus::Succeeded, 13)).await;
    assert_eq!(refund_of_all(&*store, "a").await, Begun::LimitExceeded(0));
}

pub(super) async fn what_the_provider_undoes_counts_no_more(kind: &impl Kind) {
    let store = kind.open().unwrap();
    for (name, by_read) in [("a", false), ("b", true)] {
        let id = refunded(&*store, name, OperationStatus::Succeeded).await;
        assert_eq!(refund_of_all(&*store, name).await, Begun::LimitExceeded(750));
        for _ in 0..2 {
            if by_read {
                hear(&*store, name, id, Fate::Undone, 20).await;
            } else {
                let _ = store.settle(told(id, OperationStatus::Refused)).await.unwrap();
            }
        }
        let operation = store.operation(id).await.unwrap().unwrap();
        assert_eq!(operation.status, OperationStatus::Succeeded, "its outcome stays");
        assert_eq!(operation.reversed.unwrap().reason, "its word");
        let last = words_of(&*store, name).await;
        assert_eq!(last[last.len() - 2..], ["operation.reversed", "refund.failed"], "told once: {last:?}");
        assert_eq!(last.iter().filter(|word| *word == "refund.failed").count(), 1);
        assert!(store.memory(&order_id(name)).await.unwrap().movements[0].is_reversed);
        assert_eq!(refund_of_all(&*store, name).await, Begun::Started, "its amount counts no more");
    }
}

/// News of another account's order, or of an operation that is still open, change nothing.
pub(super) async fn news_touch_only_what_has_ended_on_that_order(kind: &impl Kind) {
    let store = kind.open().unwrap();
    let refused = refunded(&*store, "a", OperationStatus::Refused).await;
    let other: NewOperation = begin(refund(captured("b", 1), 500, CAPTURED).operation.intent);
    let open = start(&*store, other).await;
    hear(&*store, "b", refused, Fate::Done, 20).await;
    hear(&*store, "b", open, Fate::Done, 21).await;
    let read = async |id| store.operation(id).await.unwrap().unwrap();
    assert_eq!(read(refused).await.status, OperationStatus::Refused);
    let open = read(open).await;
    assert_eq!((open.status, open.provider_id.as_deref()), (OperationStatus::Sending, Some("c-1")));
}

/// A refund that was refused and that the provider has an id of is still looked for in what the provider shows.
pub(super) async fn what_came_to_nothing_is_remembered_by_the_providers_id(kind: &impl Kind) {
    let store = kind.open().unwrap();
    let id = start(&*store, refund(captured("a", 1), 500, CAPTURED)).await;
    let accepted =
        Settlement { provider_id: Some("c-1".to_owned()), ..settlement(id, OperationStatus::Accepted, 2) };
    settle(&*store, accepted).await;
    settle(&*store, settlement(id, OperationStatus::Refused, 3)).await;
    let memory = store.memory(&order_id("a")).await.unwrap();
    assert_eq!(memory.movements, [], "it moved nothing");
    let ended = &memory.ended[0];
    assert_eq!((ended.operation, ended.provider_id.as_deref()), (id, Some("c-1")));
    hear(&*store, "a", id, Fate::Done, 20).await;
    let operation = store.operation(id).await.unwrap().unwrap();
    assert_eq!(operation.contradiction.unwrap().source, "read");
}

/// A creation that is contradicted is tied to an order only where the provider names that order.
pub(super) async fn a_contradicted_creation_is_tied_only_to_an_order_that_is_named(kind: &impl Kind) {
    let store = kind.open().unwrap();
    for (name, is_named) in [("named", true), ("unnamed", false)] {
        let mut new = create(&format!("ref-{name}"));
        if let Intent::Create { planned } = &mut new.operation.intent {
            planned.page_token = Some(name.to_owned());
        }
        let id = start(&*store, new).await;
        settle(&*store, settlement(id, OperationStatus::NotExecuted, 2)).await;
        keep(&*store, vec![captured(name, 3)]).await;
        let mut late = told(id, OperationStatus::Succeeded);
        late.proof.as_mut().unwrap().order = is_named.then(|| order_id(name));
        let operation = settle(&*store, late).await;
        assert_eq!(operation.status, OperationStatus::NeedsReview);
        assert_eq!(operation.order_id, is_named.then(|| order_id(name)));
        let view = store.look(Some(&order_id(name)), None).await.unwrap();
        assert_eq!(view.blocking, is_named.then_some(id));
    }
}
