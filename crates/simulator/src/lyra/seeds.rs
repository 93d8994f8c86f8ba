//! The sample orders of the provider pages, open and with their dates moved to the present.
//!
//! Source: provider pages `Charge/PaymentOrder/Update` and `/Cancel` (Systempay) and `/Get` (EpayNC). Their messages
//! name other amounts than their `amount` member; here the message is written for the amount.

use serde_json::{Value, json};

use super::Lyra;
use super::draft;
use super::envelope::date;
use crate::clock::days_after;

/// Puts the samples into fresh books.
pub(super) fn add(lyra: &Lyra) {
    for (brand, draft) in samples(lyra) {
        if let Some(book) = lyra.book(brand) {
            let added = draft::add(lyra, book, &draft);
            debug_assert!(added.is_ok(), "{added:?}");
        }
    }
}

fn samples(lyra: &Lyra) -> [(&'static str, Value); 3] {
    let now = lyra.now();
    let creation = date(days_after(now, -2));
    let expiration = date(days_after(now, 28));
    let sample = |id: &str, token: &str, currency: &str, locale: &str| {
        json!({
            "id": id,
            "token": token,
            "amount": 10_000,
            "currency": currency,
            "locale": locale,
            "orderId": "myOrderId-1234",
            "channel": "MAIL",
            "recipient": "sample@example.com",
            "paymentReceiptEmail": "sample@example.com",
            "creationDate": creation,
            "expirationDate": expiration,
        })
    };
    [
        ("systempay", sample("d63e7f507a6f4dfa86cb40a833ecfd85", "328zq5so", "EUR", "en_GB")),
        ("systempay", sample("fd8f6060f824427ba687d0161e46af8f", "w5izg024", "EUR", "fr_FR")),
        ("epaync", sample("fd8f6060f824427ba687d0161e46af8f", "328zq5so", "XPF", "fr_FR")),
    ]
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::rig::{GET, Rig};

    /// The whole sample of the provider page `Charge/PaymentOrder/Get` (EpayNC), but for dates, link and amount text.
    #[tokio::test]
    async fn the_answer_has_the_members_of_the_sample() {
        let rig = Rig::seeded().await;
        let id = "fd8f6060f824427ba687d0161e46af8f";
        let mut envelope = rig.call("epaync", GET, &json!({"paymentOrderId": id})).await;
        let text = envelope["answer"]["message"].as_str().unwrap().to_owned();
        assert!(
            text.starts_with("<b>Message envoyé par DEMO STORE</b>") && text.contains("de 10000 XPF valable")
        );
        let answer = envelope["answer"].as_object_mut().unwrap();
        assert_eq!(answer.remove("formAction"), Some(json!("PAYMENT")), "newer than the sample");
        assert!(answer.remove("customer").unwrap().is_object());
        for pointer in [
            "/serverUrl",
            "/serverDate",
            "/answer/paymentURL",
            "/answer/creationDate",
            "/answer/expirationDate",
            "/answer/message",
            "/answer/channelDetails/mailDetails/body",
        ] {
            *envelope.pointer_mut(pointer).unwrap() = json!("-");
        }
        assert_eq!(
            envelope,
            json!({
                "webService": "Charge/PaymentOrder/Get", "version": "V4", "applicationVersion": "7.2.2",
                "status": "SUCCESS",
                "answer": {
                    "paymentOrderId": id, "paymentURL": "-", "paymentOrderStatus": "RUNNING", "creationDate": "-",
                    "updateDate": null, "amount": 10000, "currency": "XPF", "locale": "fr_FR",
                    "strongAuthentication": "AUTO", "orderId": "myOrderId-1234",
                    "channelDetails": {
                        "channelType": "MAIL",
                        "mailDetails": {
                            "subject": "Votre ordre de paiement", "body": "-", "template": null,
                            "recipient": "sample@example.com", "bcc": null, "_type": "V4/MailDetails"
                        },
                        "smsDetails": null, "whatsAppDetails": null, "_type": "V4/ChannelDetails"
                    },
                    "paymentReceiptEmail": "sample@example.com", "taxRate": null, "taxAmount": null,
                    "expirationDate": "-",
                    "transactionDetails": {
                        "cardDetails": {"manualValidation": "NO", "captureDelay": 0, "_type": "V4/CardDetails"},
                        "_type": "V4/PaymentOrderTransactionDetails"
                    },
                    "dataCollectionForm": false, "merchantComment": null, "message": "-", "_type": "V4/PaymentOrder"
                },
                "ticket": null, "serverDate": "-", "applicationProvider": "CSB", "metadata": null,
                "mode": "TEST", "serverUrl": "-", "_type": "V4/WebService/Response"
            })
        );
    }
}
