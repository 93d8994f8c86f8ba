//! An answer counts only when it is about what was asked.

use serde_json::{Value, json};

use super::{
    UPDATED, money, order,
    scripted::{Remembered, Scripted, part, soon},
};
use guichet_port::{
    adapter::ErrorKind,
    domain::{Field, OperationId, OrderMemory, OrderPatch},
};

const GET: &str = "Charge/PaymentOrder/Get";
const UPDATE: &str = "Charge/PaymentOrder/Update";
const CANCEL: &str = "Charge/PaymentOrder/Cancel";

fn envelope(changes: &[(&str, Value)]) -> Value {
    let mut envelope: Value = serde_json::from_str(UPDATED).unwrap();
    for (member, value) in changes {
        envelope["answer"][*member] = value.clone();
    }
    envelope
}

#[tokio::test]
async fn an_answer_counts_only_when_it_is_about_what_was_asked() {
    let before = order(UPDATED);
    let other = ("paymentOrderId", json!("fd8f6060f824427ba687d0161e46af8f"));
    let canceled = ("paymentOrderStatus", json!("CANCELED"));
    let patch = OrderPatch { amount: Field::Set(money(20_000, "EUR")), ..OrderPatch::default() };
    let nothing = Remembered(OrderMemory::default());
    let unknown = Some(ErrorKind::OutcomeUnknown);
    for (service, changes, expected) in [
        (GET, vec![], None),
        (GET, vec![other.clone()], Some(ErrorKind::Protocol)),
        (UPDATE, vec![], None),
        (UPDATE, vec![other.clone()], unknown),
        (UPDATE, vec![("amount", json!(20_001))], unknown),
        (UPDATE, vec![("currency", json!("USD"))], unknown),
        (CANCEL, vec![canceled.clone()], None),
        (CANCEL, vec![canceled, other], unknown),
        (CANCEL, vec![], unknown),
    ] {
        let scripted = Scripted::new(vec![envelope(&changes)]);
        let (lyra, id) = (&scripted.adapter, OperationId::generate());
        let result = match service {
            GET => lyra.fetch(before.reference(), &nothing, soon()).await.map(Some),
            UPDATE => lyra.update(id, &before, &patch, &nothing).await.map(Some),
            _ => lyra.cancel(id, &before, part(20_000, true)).await.map(|done| done.order),
        };
        assert_eq!(result.err().map(|error| error.kind), expected, "{service} {changes:?}");
        let request = scripted.requests().remove(0);
        assert!(request.starts_with(&format!("POST /api-payment/V4/{service} HTTP/1.1\r\n")), "{request}");
        assert!(request.contains("authorization: Basic "), "{request}");
        assert!(request.contains(r#"{"paymentOrderId":"d63e7f507a6f4dfa86cb40a833ecfd85""#), "{request}");
    }
}

#[tokio::test]
async fn a_part_cannot_be_canceled_and_nothing_is_sent() {
    let scripted = Scripted::new(Vec::new());
    let result = scripted.adapter.cancel(OperationId::generate(), &order(UPDATED), part(1, false)).await;
    assert_eq!(result.unwrap_err().kind, ErrorKind::Unsupported);
    assert_eq!(scripted.requests(), [""; 0]);
}
