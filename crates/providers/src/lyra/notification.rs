//! Notifications (IPN): a form whose `kr-answer` is the text that is signed.
//!
//! Source: Lyra REST API V4, "IPN". There is no time and no event id in them.

use std::collections::BTreeMap;

use secrecy::ExposeSecret;
use sha2::{Digest, Sha256};

use super::{
    config::{Settings, mode_word},
    payments,
    signature::verifies,
    wire::{Payment, Transaction},
};
use guichet_port::{
    adapter::{Acknowledgement, Notification, NotificationError, RawNotification},
    domain::{Currency, Money, OperationId, OrderStatus},
};

/// Verifies and reads a notification.
pub(super) fn verify(settings: &Settings, raw: &RawNotification) -> Result<Notification, NotificationError> {
    let unreadable = |what: &str| NotificationError::Unreadable(what.to_owned());
    let form: BTreeMap<String, String> = url::form_urlencoded::parse(&raw.body).into_owned().collect();
    let field = |name: &str| form.get(name).map(String::as_str);
    let (Some(hash), Some(answer)) = (field("kr-hash"), field("kr-answer")) else {
        return Err(unreadable("a form with the fields kr-hash and kr-answer is expected"));
    };
    if field("kr-hash-algorithm") != Some("sha256_hmac") {
        return Err(NotificationError::BadSignature("kr-hash-algorithm is not sha256_hmac".to_owned()));
    }
    // A browser return is signed with the other key and has been seen by the payer: it is no notification.
    if field("kr-hash-key") != Some("password") {
        return Err(NotificationError::BadSignature(
            "kr-hash-key is not `password`: a browser return, or signed with the HMAC key".to_owned(),
        ));
    }
    let text = signed_text(settings, answer, hash)?;
    let payment: Payment =
        serde_json::from_str(&text).map_err(|_| unreadable("kr-answer is not a payment"))?;
    if payment.shop_id.as_deref().is_some_and(|shop| shop != settings.shop_id) {
        return Err(unreadable("it is about another shop"));
    }
    let mode = payment.order_details.as_ref().and_then(|details| details.mode.as_deref());
    if mode.is_some_and(|mode| mode != mode_word(settings.mode)) {
        return Err(unreadable("it is of the other mode"));
    }
    // Not among what is signed: it can close a refused order, never move money.
    Ok(read(&payment, field("kr-src")))
}

/// The text as it was signed: as received, or with the slashes that some servers escape again taken back.
fn signed_text(settings: &Settings, answer: &str, hash: &str) -> Result<String, NotificationError> {
    let plain = answer.replace("\\/", "/");
    let keys = [Some(&settings.password), settings.previous_password.as_ref()];
    for key in keys.into_iter().flatten() {
        for text in [answer, plain.as_str()] {
            if verifies(key.expose_secret(), text, hash) {
                return Ok(text.to_owned());
            }
        }
    }
    Err(NotificationError::BadSignature(
        "neither the account's password nor its previous one signed this text; the shop, the mode or the text may \
         be another"
            .to_owned(),
    ))
}

/// `kr-src` of what was done in the back office. Source: the platform's published plugins, read 2026-12-01.
const BACK_OFFICE: &str = "MERCH_BO";

fn read(payment: &Payment, source: Option<&str>) -> Notification {
    // The newest first is not promised: what is told last in time counts.
    let newest = payment.transactions.iter().max_by_key(|transaction| transaction.created());
    // No other try follows on a closed cycle, nor on what the merchant's own staff did.
    let closes = payment.order_cycle.as_deref() == Some("CLOSED") || source == Some(BACK_OFFICE);
    Notification {
        dedup_key: dedup_key(payment, closes),
        reference: None,
        merchant_reference: payment.order_details.as_ref().and_then(|details| details.order_id.clone()),
        operation: payment
            .transactions
            .iter()
            .find_map(|transaction| transaction.creation()?.parse::<OperationId>().ok()),
        status: status(payment),
        provider_status: payment.order_status.clone(),
        amount: newest.and_then(|transaction| {
            Money::new(transaction.amount, Currency::new(&transaction.currency).ok()?).ok()
        }),
        occurred_at: newest.and_then(Transaction::created),
        settles: None,
        signed_with: "the password, or the previous one".to_owned(),
        closes,
        acknowledgement: Acknowledgement::EMPTY,
    }
}

/// What it says of the order: as a read would, from its payment and what was given back of it. A message about a refund
/// alone says nothing of the order.
fn status(payment: &Payment) -> Option<OrderStatus> {
    if !payment.transactions.is_empty() {
        return payments::told(&payment.transactions).map(|payment| payment.canonical());
    }
    match payment.order_status.as_deref()? {
        "PAID" => Some(OrderStatus::Paid),
        "UNPAID" => Some(OrderStatus::Declined),
        "ABANDONED" => Some(OrderStatus::Failed),
        "RUNNING" => Some(OrderStatus::Processing),
        _ => Some(OrderStatus::Unknown),
    }
}

/// The same for two messages only when they say the same in every member that matters here. The hash and the date are
/// new with every delivery, and a delivery that is repeated may tell a newer state.
fn dedup_key(payment: &Payment, closes: bool) -> String {
    let word = |text: Option<&str>| text.unwrap_or("-").to_owned();
    let number = |number: Option<i64>| number.map_or_else(|| "-".to_owned(), |number| number.to_string());
    let mut lines: Vec<String> = payment
        .transactions
        .iter()
        .map(|transaction| {
            [
                transaction.uuid.clone(),
                word(transaction.operation_type.as_deref()),
                word(transaction.status.as_deref()),
                transaction.detailed_status.clone(),
                transaction.amount.to_string(),
                transaction.currency.clone(),
                word(transaction.parent()),
                number(transaction.authorized()),
                transaction.refund_amount().to_string(),
                number(transaction.captured().map(|date| date.as_millis())),
            ]
            .join("\n")
        })
        .collect();
    lines.sort_unstable();
    let details = payment.order_details.as_ref();
    lines.extend([
        word(payment.order_status.as_deref()),
        word(payment.order_cycle.as_deref()),
        closes.to_string(),
        word(details.and_then(|details| details.order_id.as_deref())),
        number(details.and_then(|details| details.order_total_amount)),
        number(details.and_then(|details| details.order_effective_amount)),
        word(details.and_then(|details| details.order_currency.as_deref())),
    ]);
    hex::encode(Sha256::digest(lines.join("\n")))
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use guichet_port::adapter::AccountSettings;

    const PASSWORD: &str = "testpassword_DEMOPRIVATEKEY23G4475zXZQ2UA5x7M";
    const HASH: &str = "36dabf91587da7b748c277fea8c649a5e05071870a2c36d0899d1edf627d04a7";
    const TEXT: &str = include_str!("fixtures/notification_paid.json");

    fn settings(password: &str, previous: Option<&str>) -> Settings {
        let mut pairs = vec![("brand", "systempay"), ("shop_id", "69876357"), ("password", password)];
        pairs.extend(previous.map(|previous| ("previous_password", previous)));
        Settings::read(&AccountSettings::from_pairs("shop", "lyra", pairs)).unwrap()
    }

    fn raw(changes: &[(&str, &str)]) -> RawNotification {
        let mut form = BTreeMap::from([
            ("kr-hash", HASH),
            ("kr-hash-algorithm", "sha256_hmac"),
            ("kr-hash-key", "password"),
            ("kr-answer-type", "V4/Payment"),
            ("kr-answer", TEXT.trim_end()),
        ]);
        form.extend(changes.iter().copied());
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
        RawNotification {
            content_type: Some("application/x-www-form-urlencoded".to_owned()),
            body: Bytes::from(body),
        }
    }

    #[test]
    fn a_genuine_one_is_read() {
        let other = "testpassword_other";
        for settings in [settings(PASSWORD, None), settings(other, Some(PASSWORD))] {
            for text in [TEXT.trim_end().to_owned(), TEXT.trim_end().replace('/', "\\/")] {
                let read = verify(&settings, &raw(&[("kr-answer", &text)])).unwrap();
                assert_eq!(read.merchant_reference.as_deref(), Some("order-42"));
                assert!(read.closes);
                assert_eq!(read.status, Some(guichet_port::domain::OrderStatus::Paid));
                assert_eq!(read.amount.map(|amount| amount.value()), Some(2000));
                assert_eq!(read.acknowledgement, Acknowledgement::EMPTY);
            }
        }
    }

    #[test]
    fn whatever_is_not_signed_with_the_password_is_refused() {
        let ours = settings(PASSWORD, None);
        let forged = TEXT.trim_end().replace("2000", "9000");
        let by_hmac_key = "78895045be38a0f05901616fb3674df50a0ca33ea302480f0247ac926b4d9a23";
        for (case, changes) in [
            ("other text", vec![("kr-answer", forged.as_str())]),
            ("a browser return", vec![("kr-hash-key", "sha256_hmac"), ("kr-hash", by_hmac_key)]),
            ("a browser return that lies", vec![("kr-hash", by_hmac_key)]),
            ("another algorithm", vec![("kr-hash-algorithm", "md5")]),
            ("an empty hash", vec![("kr-hash", "")]),
        ] {
            let refused = verify(&ours, &raw(&changes));
            assert!(matches!(refused, Err(NotificationError::BadSignature(_))), "{case}: {refused:?}");
        }
        let other = settings("testpassword_other", None);
        assert!(matches!(verify(&other, &raw(&[])), Err(NotificationError::BadSignature(_))));
        let empty = RawNotification { content_type: None, body: Bytes::from_static(b"{}") };
        assert!(matches!(verify(&ours, &empty), Err(NotificationError::Unreadable(_))));
    }
}
