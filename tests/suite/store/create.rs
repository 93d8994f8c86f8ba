//! Creations, and what is remembered of an order and its movements.

use guichet::{
    domain::{
        CaptureMode, Field, Intent, Money, NewEvent, OperationKind, OperationStatus, OrderPatch, OrderStatus,
    },
    store::{Begun, NewOperation, Settlement, Store},
};

use super::rig::{
    ALL, Kind, at, begin, cancel, copy, create, event_words, events, keep, order_id, read, refund, rename,
    settle, settlement, start, with_key, words,
};

/// A creation that succeeded as the order of this name.
async fn made(store: &dyn Store, name: &str) -> guichet::domain::Operation {
    let id = start(store, create(&format!("ref-{name}"))).await;
    let order_after = Some(read(copy(name, OrderStatus::Pending, 5)));
    settle(store, Settlement { order_after, ..settlement(id, OperationStatus::Succeeded, 5) }).await
}

pub(super) async fn a_creation_has_no_order_until_it_is_made(kind: &impl Kind) {
    let store = kind.open().unwrap();
    let new = with_key(create("ref-a"), "k", "f");
    let operation = new.operation.clone();
    assert_eq!(store.begin(new).await.unwrap(), Begun::Started);
    assert_eq!(store.operation(operation.id).await.unwrap().as_ref(), Some(&operation));
    let view = store.look(None, Some(("till", "k"))).await.unwrap();
    assert_eq!((view.blocking, view.change_count), (None, 0));
    assert_eq!(view.key.unwrap().operation, operation);
    assert_eq!(store.order_copy(&order_id("a")).await.unwrap(), None);

    // Nobody knows yet: that is told in the numbers of the operation itself.
    let unknown = settle(&*store, settlement(operation.id, OperationStatus::Unknown, 1)).await;
    assert_eq!(NewEvent::operation(&unknown).stream(), operation.id.to_string());
    let order = copy("a", OrderStatus::Pending, 5);
    let end = Settlement {
        order_after: Some(read(order.clone())),
        ..settlement(operation.id, OperationStatus::Succeeded, 5)
    };
    let done = settle(&*store, end).await;
    assert_eq!((done.order_id.as_ref(), done.order_after.as_ref()), (Some(&order.id), Some(&order)));
    assert_eq!(store.operation(done.id).await.unwrap(), Some(done.clone()));
    assert_eq!(store.order_copy(&order.id).await.unwrap(), Some(order.clone()));
    assert_eq!(
        event_words(&*store, "a").await,
        words(&[("order.created", true), ("operation.succeeded", true)])
    );
    let again = store.begin(with_key(create("other"), "k", "f")).await.unwrap();
    assert!(matches!(again, Begun::KeyUsed(record) if record.operation == done));

    // The order is an order like any other.
    let view = store.look(Some(&order.id), None).await.unwrap();
    assert_eq!((view.blocking, view.change_count), (None, 1));
    start(&*store, cancel(order)).await;
}

/// The answer of a creation was lost, or could not be written, until its order was paid.
pub(super) async fn an_order_that_is_found_paid_is_told_as_paid(kind: &impl Kind) {
    let store = kind.open().unwrap();
    for (name, is_notified_first) in [("found", false), ("notified", true)] {
        let id = start(&*store, other_token(create(&format!("ref-{name}")), name)).await;
        let paid = copy(name, OrderStatus::Paid, 20);
        // What the answer told is older than what the notification made somebody read.
        let after = if is_notified_first { copy(name, OrderStatus::Pending, 10) } else { paid.clone() };
        let mut answer = read(after);
        if is_notified_first {
            answer.asked = 1;
            keep(&*store, vec![paid.clone()]).await;
        }
        let end = Settlement { order_after: Some(answer), ..settlement(id, OperationStatus::Succeeded, 30) };
        settle(&*store, end).await;
        let told = words(&[("order.created", true), ("operation.succeeded", true), ("order.paid", false)]);
        assert_eq!(event_words(&*store, name).await, told, "{name}");
        let created = &events(&*store, name).await[0].event.data;
        assert_eq!(created["status"], "paid", "the newest copy");
        // Read again, it is no news.
        keep(&*store, vec![copy(name, OrderStatus::Paid, 40)]).await;
        assert_eq!(event_words(&*store, name).await, told, "{name}");
    }
}
pub(super) async fn a_creation_claims_its_reference(kind: &impl Kind) {
    let store = kind.open().unwrap();
    let id = start(&*store, create("ref-a")).await;
    for rival in [other_token(create("ref-a"), "w"), rename(copy("b", OrderStatus::Pending, 0), "ref-a")] {
        assert_eq!(store.begin(rival).await.unwrap(), Begun::ReferenceInUse(None));
    }
    let mut elsewhere = other_token(create("ref-a"), "z");
    elsewhere.operation.account = "other-shop".parse().unwrap();
    start(&*store, elsewhere).await;

    settle(&*store, settlement(id, OperationStatus::Unknown, 1)).await;
    assert_eq!(store.begin(other_token(create("ref-a"), "x")).await.unwrap(), Begun::ReferenceInUse(None));
    // Released, and later found made: then the order has it again.
    let released = Settlement {
        releases_reference: true,
        next_check_at: Some(at(9)),
        ..settlement(id, OperationStatus::Unknown, 2)
    };
    settle(&*store, released).await;
    let second = start(&*store, other_token(create("ref-a"), "y")).await;
    settle(&*store, settlement(second, OperationStatus::NotExecuted, 3)).await;
    let order_after = Some(read(copy("a", OrderStatus::Pending, 5)));
    settle(&*store, Settlement { order_after, ..settlement(id, OperationStatus::Succeeded, 5) }).await;
    let third = store.begin(other_token(create("ref-a"), "v")).await.unwrap();
    assert_eq!(third, Begun::ReferenceInUse(Some(order_id("a"))));
}

/// The same with a page token of its own: no two creations have the same.
fn other_token(mut new: NewOperation, token: &str) -> NewOperation {
    if let Intent::Create { planned } = &mut new.operation.intent {
        planned.page_token = Some(token.to_owned());
    }
    new
}

pub(super) async fn after_a_crash_only_what_is_harmless_to_repeat_gives_its_reference_back(kind: &impl Kind) {
    let store = kind.open().unwrap();
    for (reference, harmless) in [("link", true), ("mail", false)] {
        let mut new = create(reference);
        new.operation.repeat_harmless = harmless;
        start(&*store, new).await;
    }
    store.close().await;
    let store = kind.open().unwrap();
    let changed = store.recover(at(50)).await.unwrap();
    assert_eq!(changed.len(), 2);
    assert!(changed.iter().all(|operation| operation.status == OperationStatus::Unknown));
    start(&*store, other_token(create("link"), "x")).await;
    assert_eq!(store.begin(other_token(create("mail"), "y")).await.unwrap(), Begun::ReferenceInUse(None));
}

pub(super) async fn a_creation_proved_by_its_payment_keeps_its_reference(kind: &impl Kind) {
    let store = kind.open().unwrap();
    let id = start(&*store, create("ref-a")).await;
    settle(&*store, settlement(id, OperationStatus::Unknown, 1)).await;
    let done = settle(&*store, settlement(id, OperationStatus::Succeeded, 2)).await;
    assert_eq!((done.order_id, done.order_after), (None, None), "its number is not told");
    assert_eq!(store.begin(other_token(create("ref-a"), "x")).await.unwrap(), Begun::ReferenceInUse(None));
}

pub(super) async fn a_creation_refused_leaves_nothing(kind: &impl Kind) {
    let store = kind.open().unwrap();
    for status in [OperationStatus::Refused, OperationStatus::NotExecuted] {
        let id = start(&*store, other_token(create("ref-a"), status.as_str())).await;
        let done = settle(&*store, settlement(id, status, 5)).await;
        assert_eq!((done.order_id, done.order_after), (None, None));
    }
    start(&*store, create("ref-a")).await;
    assert_eq!(store.order_copy(&order_id("a")).await.unwrap(), None);
}

pub(super) async fn movements_together_never_exceed_the_limit(kind: &impl Kind) {
    let store = kind.open().unwrap();
    let paid = || copy("a", OrderStatus::Paid, 0);
    for (status, counts) in [
        (OperationStatus::Accepted, true),
        (OperationStatus::Succeeded, true),
        (OperationStatus::Refused, false),
        (OperationStatus::NotExecuted, false),
    ] {
        let name = status.as_str().replace('_', "-");
        let paid = || copy(&name, OrderStatus::Paid, 0);
        let id = start(&*store, refund(paid(), 700, 1_000)).await;
        settle(&*store, settlement(id, status, 1)).await;
        let mut next = refund(paid(), 301, 1_000);
        next.change_count = store.look(Some(&order_id(&name)), None).await.unwrap().change_count;
        let refused = next.operation.id;
        let begun = store.begin(next).await.unwrap();
        assert_eq!(begun, if counts { Begun::LimitExceeded(300) } else { Begun::Started }, "{status:?}");
        if counts {
            assert_eq!(store.operation(refused).await.unwrap(), None);
            start(&*store, refund(paid(), 300, 1_000)).await;
        }
    }
    // What is unknown or in review blocks the order altogether; other kinds do not count, nor does no limit.
    let id = start(&*store, cancel(paid())).await;
    settle(&*store, settlement(id, OperationStatus::Succeeded, 1)).await;
    let id = start(&*store, refund(paid(), 1_000, 1_000)).await;
    settle(&*store, settlement(id, OperationStatus::Unknown, 2)).await;
    settle(&*store, settlement(id, OperationStatus::NeedsReview, 3)).await;
    let mut next = refund(paid(), 1, 1_000);
    next.change_count = store.look(Some(&order_id("a")), None).await.unwrap().change_count;
    assert_eq!(store.begin(next).await.unwrap(), Begun::Blocked(id));
    settle(&*store, settlement(id, OperationStatus::Succeeded, 4)).await;
    start(&*store, NewOperation { limit: None, ..refund(paid(), 1, 1_000) }).await;
}

pub(super) async fn what_is_remembered_of_an_order(kind: &impl Kind) {
    let store = kind.open().unwrap();
    assert_eq!(store.memory(&order_id("nobody")).await.unwrap(), Default::default());
    let creation = made(&*store, "a").await;
    let now = || copy("a", OrderStatus::Pending, 6);
    let amount = Money::new(900, "EUR".parse().unwrap()).unwrap();
    let patch = OrderPatch {
        amount: Field::Set(amount),
        expires_at: Field::Set(at(99)),
        metadata: Field::Set([("cart".to_owned(), None), ("till".to_owned(), Some("3".to_owned()))].into()),
        ..OrderPatch::default()
    };
    for (status, patch) in [
        (OperationStatus::Succeeded, patch),
        (
            OperationStatus::Refused,
            OrderPatch { locale: Field::Set("fr-FR".to_owned()), ..Default::default() },
        ),
    ] {
        let id =
            start(&*store, begin(Intent::Update { before: Box::new(now()), patch: Box::new(patch) })).await;
        settle(&*store, settlement(id, status, 7)).await;
    }
    let mut moved = Vec::new();
    for (value, status) in [
        (100, OperationStatus::Succeeded),
        (200, OperationStatus::Refused),
        (300, OperationStatus::NotExecuted),
        (400, OperationStatus::Accepted),
        (150, OperationStatus::Unknown),
    ] {
        let id = start(&*store, refund(now(), value, 1_250)).await;
        settle(&*store, settlement(id, status, 8)).await;
        moved.push((id, value, status));
    }
    let memory = store.memory(&order_id("a")).await.unwrap();
    let remembered = memory.creation.as_ref().unwrap();
    assert_eq!((remembered.operation, remembered.at), (creation.id, creation.created_at));
    let order = &remembered.planned.order;
    assert_eq!((order.amount, remembered.planned.expires_at), (amount, at(99)));
    assert_eq!((order.locale.as_ref(), order.capture), (None, CaptureMode::Automatic));
    assert_eq!(order.metadata, [("till".to_owned(), "3".to_owned())].into());
    let movements: Vec<_> =
        memory.movements.iter().map(|one| (one.operation, one.amount.value(), one.status)).collect();
    moved.retain(|(_, _, status)| !matches!(status, OperationStatus::Refused | OperationStatus::NotExecuted));
    assert_eq!(movements, moved);
    assert_eq!((memory.moved(OperationKind::Refund), memory.moved(OperationKind::Cancel)), (500, 0));
    assert_eq!(memory.copy.unwrap().id, order_id("a"));
}

pub(super) async fn refunds_are_told_at_their_end(kind: &impl Kind) {
    let store = kind.open().unwrap();
    let paid = || copy("a", OrderStatus::Paid, 0);
    for (steps, end) in [
        (&[OperationStatus::Succeeded][..], Some("refund.succeeded")),
        (&[OperationStatus::Refused], Some("refund.failed")),
        (&[OperationStatus::NotExecuted], None),
        (&[OperationStatus::Accepted, OperationStatus::Refused], Some("refund.failed")),
        (&[OperationStatus::Unknown, OperationStatus::Succeeded], Some("refund.succeeded")),
    ] {
        let told = event_words(&*store, "a").await.len();
        let id = start(&*store, refund(paid(), 100, 1_250)).await;
        let mut expected = Vec::new();
        for status in steps {
            settle(&*store, settlement(id, *status, 5)).await;
            expected.push(format!("operation.{}", status.as_str()));
        }
        expected.extend(end.map(str::to_owned));
        let words: Vec<String> =
            event_words(&*store, "a").await.into_iter().skip(told).map(|(word, _)| word).collect();
        assert_eq!(words, expected);
    }
    assert!(store.order_events(&order_id("a"), 0, ALL).await.unwrap().len() > 8);
}

pub(super) async fn a_page_is_found_by_its_token(kind: &impl Kind) {
    let store = kind.open().unwrap();
    let creation = made(&*store, "a").await;
    let found = store.operation_of_page("token-ref-a").await.unwrap();
    assert_eq!(found.as_ref().map(|operation| operation.id), Some(creation.id));
    assert_eq!(store.operation_of_page("token").await.unwrap(), None);
}
