//! The payer's page: what a person clicks in the sandbox.

use bytes::Bytes;
use http::{Method, Response, StatusCode};

use super::ipn::{Fields, return_fields, with_query};
use super::order::{Order, ReturnMode};
use super::{Book, Lyra, text};
use crate::platform::{PayerAction, Received, answer, html, see_other};

const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;background:#f3f4f6;color:#1f2937;margin:0;padding:2rem 1rem}\
main{max-width:26rem;margin:0 auto;background:#fff;border-radius:.75rem;padding:1.5rem;box-shadow:0 1px 4px #0002}\
.note{background:#fef3c7;border-radius:.5rem;padding:.5rem .75rem;font-size:.875rem}\
h1{font-size:1.25rem}.price{font-size:2rem;font-weight:600;margin:.5rem 0}\
dl{display:grid;grid-template-columns:auto 1fr;gap:.25rem 1rem;margin:1rem 0}dt{color:#6b7280}\
dd{margin:0;overflow-wrap:anywhere}button{font:inherit;width:100%;padding:.6rem;margin-top:.5rem;border-radius:.5rem;\
border:1px solid #d1d5db;background:#fff;cursor:pointer}button.pay{background:#166534;color:#fff;border-color:#166534}";

/// Text for a place between tags or in a quoted attribute.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
        .replace('\'', "&#39;")
}

impl Lyra {
    /// Shows the page, or does what its form says.
    pub(super) fn payment_page(&self, request: &Received) -> Response<Bytes> {
        let mut parts = request.path.trim_start_matches('/').split('/').skip(1);
        let (brand, token) = (parts.next().unwrap_or_default(), parts.nth(1).unwrap_or_default());
        let Some(book) = self.book(brand) else { return unknown(token) };
        let id = book.orders().by_token.get(token).cloned();
        let Some(id) = id else { return unknown(token) };
        if request.method == Method::POST {
            self.act(book, &id, &request.body)
        } else if request.method == Method::GET {
            self.show(book, &id)
        } else {
            answer(StatusCode::METHOD_NOT_ALLOWED, "text/plain", "GET or POST\n")
        }
    }

    fn show(&self, book: &Book, id: &str) -> Response<Bytes> {
        let now = self.frame.clock.now();
        let orders = book.orders();
        let Some(order) = orders.by_id.get(id) else { return unknown(id) };
        let status = order.status_at(now);
        if order.is_payable(now) {
            let hint =
                if status == super::order::REFUSED { "<p>The last attempt was refused.</p>" } else { "" };
            let form = "<form method=\"post\"><button class=\"pay\" name=\"action\" value=\"pay\">Pay</button>\
                        <button name=\"action\" value=\"decline\">Decline</button>\
                        <button name=\"action\" value=\"leave\">Leave</button></form>";
            html(StatusCode::OK, document("Payment", &format!("{}{hint}{form}", facts(book, order))))
        } else {
            let closed = format!("{}<p>{}</p>", facts(book, order), closed(status));
            html(StatusCode::OK, document("Payment closed", &closed))
        }
    }

    fn act(&self, book: &Book, id: &str, form: &Bytes) -> Response<Bytes> {
        let action = match form.as_ref() {
            b"action=pay" => PayerAction::Pay,
            b"action=decline" => PayerAction::Decline,
            b"action=leave" => PayerAction::Leave,
            _ => {
                return answer(
                    StatusCode::BAD_REQUEST,
                    "text/plain",
                    "action must be pay, decline or leave\n",
                );
            }
        };
        let Ok(attempt) = self.pay(book, id, action) else {
            // Paid, cancelled or expired since the page was shown: the page says so.
            return self.show(book, id);
        };
        let orders = book.orders();
        let Some(order) = orders.by_id.get(id) else { return unknown(id) };
        let (own, title, said) = match action {
            PayerAction::Pay => (&order.returns.success, "Paid", "The payment was accepted."),
            PayerAction::Decline => {
                (&order.returns.refused, "Refused", "The payment was refused. The link can be tried again.")
            }
            PayerAction::Leave => {
                (&order.returns.cancel, "Left", "You left without paying. The link stays open.")
            }
        };
        match own.as_ref().or(order.returns.any.as_ref()) {
            Some(address) => {
                let now = self.frame.clock.now();
                let signed = || return_fields(order, attempt.transaction.as_deref(), &book.shop, now);
                match order.returns.mode {
                    Some(ReturnMode::Get) => see_other(&with_query(address, &signed())),
                    Some(ReturnMode::Post) => html(StatusCode::OK, posting(address, &signed())),
                    Some(ReturnMode::None) | None => see_other(address),
                }
            }
            None => html(StatusCode::OK, document(title, &format!("{}<p>{said}</p>", facts(book, order)))),
        }
    }
}

/// A page that posts the signed data to the return address by itself, and on a click where scripts are off.
fn posting(address: &str, fields: &Fields) -> String {
    let inputs: String = fields
        .iter()
        .map(|(name, value)| format!("<input type=\"hidden\" name=\"{name}\" value=\"{}\">", escaped(value)))
        .collect();
    let form = format!(
        "<form method=\"post\" action=\"{}\">{inputs}<button class=\"pay\">Back to the shop</button></form>\
         <script>document.forms[0].submit()</script>",
        escaped(address)
    );
    document("Back to the shop", &form)
}

fn unknown(token: &str) -> Response<Bytes> {
    let text = format!("<p>There is no payment order behind <b>{}</b>.</p>", escaped(token));
    html(StatusCode::NOT_FOUND, document("Unknown link", &text))
}

fn closed(status: &str) -> String {
    match status {
        super::order::PAID => "This order has been paid.".to_owned(),
        super::order::EXPIRED => "This order has expired.".to_owned(),
        super::order::CANCELED => "This order was cancelled by the merchant.".to_owned(),
        other => format!("This order cannot be paid, its status is {}.", escaped(other)),
    }
}

fn facts(book: &Book, order: &Order) -> String {
    let reference = order.order_id.as_deref().unwrap_or("(none)");
    format!(
        "<p class=\"price\">{}</p><dl><dt>Merchant</dt><dd>{}</dd><dt>Reference</dt><dd>{}</dd>\
         <dt>Valid until</dt><dd>{} UTC</dd></dl>",
        escaped(&text::amount(order.amount, &order.currency, &order.locale)),
        escaped(book.shop.store_name),
        escaped(reference),
        order.expires.strftime("%Y-%m-%d %H:%M"),
    )
}

fn document(title: &str, content: &str) -> String {
    format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" \
         content=\"width=device-width,initial-scale=1\"><title>{title}</title><style>{STYLE}</style></head><body>\
         <main><p class=\"note\">This is a simulator. No card is asked for and no money moves.</p>\
         <h1>{title}</h1>{content}</main></body></html>"
    )
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::{Value, json};

    use super::escaped;
    use crate::rig::{CREATE, GET, Rig};

    /// An order and the address of its page.
    async fn order(rig: &Rig, draft: &Value) -> (String, String) {
        let id = rig.control.add_order("lyra", "systempay", draft).unwrap();
        let answer = rig.done("systempay", GET, &json!({"paymentOrderId": id})).await;
        (id, answer["paymentURL"].as_str().unwrap().to_owned())
    }

    async fn show(rig: &Rig, url: &str) -> (u16, String) {
        let response = rig.client.get(url).send().await.unwrap();
        (response.status().as_u16(), response.text().await.unwrap())
    }

    async fn click(rig: &Rig, url: &str, action: &str) -> reqwest::Response {
        rig.client.post(url).body(format!("action={action}")).send().await.unwrap()
    }

    fn status(rig: &Rig, id: &str) -> Value {
        rig.control.order("lyra", "systempay", id).unwrap()["paymentOrderStatus"].clone()
    }

    #[test]
    fn values_cannot_become_markup() {
        assert_eq!(escaped("<a href=\"x\">'&"), "&lt;a href=&quot;x&quot;&gt;&#39;&amp;");
    }

    #[tokio::test]
    async fn the_page_shows_the_order_and_loads_nothing() {
        let rig = Rig::new().await;
        let draft = json!({"amount": 123_456, "locale": "en_GB", "orderId": "<b>cart</b>"});
        let (_, url) = order(&rig, &draft).await;
        let (code, page) = show(&rig, &url).await;
        assert_eq!(code, 200);
        for text in
            ["simulator", "EUR 1,234.56", "&lt;b&gt;cart&lt;/b&gt;", "Pay</button>", "Decline", "Leave"]
        {
            assert!(page.contains(text), "{text}");
        }
        assert!(!page.contains("src=") && !page.contains("http"), "no outside resource");
        assert_eq!(show(&rig, &format!("{url}x")).await.0, 404);
        assert_eq!(rig.control.total_requests(), 1, "the page is not a service call");
    }

    #[tokio::test]
    async fn paying_pays_once() {
        let rig = Rig::new().await;
        let (id, url) = order(&rig, &json!({"orderId": "cart-1"})).await;
        assert_eq!(click(&rig, &url, "leave").await.status(), 200);
        assert_eq!(status(&rig, &id), "RUNNING");
        assert!(click(&rig, &url, "pay").await.text().await.unwrap().contains("accepted"));
        assert_eq!(status(&rig, &id), "PAID");
        assert!(click(&rig, &url, "pay").await.text().await.unwrap().contains("has been paid"));
        let answer = rig.done("systempay", "Order/Get", &json!({"orderId": "cart-1"})).await;
        assert_eq!(answer["orderStatus"], "PAID");
        assert_eq!(answer["transactions"].as_array().unwrap().len(), 1);
        assert_eq!(answer["transactions"][0]["detailedStatus"], "AUTHORISED");
        assert_eq!(rig.effects(), [("pay".into(), Some(10_000), 10_000)]);
    }

    #[tokio::test]
    async fn a_declined_order_can_be_paid_until_it_expires() {
        let rig = Rig::new().await;
        let (id, url) = order(&rig, &json!({})).await;
        click(&rig, &url, "decline").await;
        assert_eq!(status(&rig, &id), "REFUSED");
        assert!(show(&rig, &url).await.1.contains("last attempt was refused"));
        click(&rig, &url, "pay").await;
        assert_eq!(status(&rig, &id), "PAID");
        let (id, url) = order(&rig, &json!({})).await;
        click(&rig, &url, "decline").await;
        rig.control.advance(Duration::from_secs(31 * 24 * 3600));
        assert!(click(&rig, &url, "pay").await.text().await.unwrap().contains("expired"));
        assert_eq!(status(&rig, &id), "EXPIRED");
    }

    #[tokio::test]
    async fn the_browser_is_sent_back_when_there_is_an_address() {
        let rig = Rig::new().await;
        let (_, url) = order(&rig, &json!({"returnUrl": "https://shop.example/back?a=1"})).await;
        for action in ["leave", "decline", "pay"] {
            let response = click(&rig, &url, action).await;
            assert_eq!(response.status(), 303, "{action}");
            assert_eq!(response.headers()["location"], "https://shop.example/back?a=1");
        }
    }

    /// The signed members of a browser return, in a form or a query.
    fn members(encoded: &str) -> std::collections::HashMap<String, String> {
        url::form_urlencoded::parse(encoded.as_bytes()).into_owned().collect()
    }

    /// An order whose returns carry data, and the address of its page.
    async fn returning(rig: &Rig, mode: &str) -> String {
        let body = json!({
            "amount": 100, "currency": "EUR", "returnMode": mode, "returnUrl": "https://shop.example/back?a=1",
            "successUrl": "https://shop.example/thanks", "refusedUrl": "https://shop.example/again",
            "cancelUrl": "https://shop.example/cart"
        });
        rig.done("systempay", CREATE, &body).await["paymentURL"].as_str().unwrap().to_owned()
    }

    #[tokio::test]
    async fn each_result_has_its_address_and_the_browser_carries_signed_data() {
        let rig = Rig::new().await;
        let url = returning(&rig, "GET").await;
        for (action, place, status, listed) in [
            ("leave", "cart", "ABANDONED", 0),
            ("decline", "again", "UNPAID", 1),
            ("pay", "thanks", "PAID", 1),
        ] {
            let response = click(&rig, &url, action).await;
            let location = response.headers()["location"].to_str().unwrap();
            let (address, query) = location.split_once('?').unwrap();
            assert_eq!(address, format!("https://shop.example/{place}"));
            let members = members(query);
            assert_eq!((members["kr-hash-key"].as_str(), members["kr-hash"].len()), ("sha256_hmac", 64));
            let answer: Value = serde_json::from_str(&members["kr-answer"]).unwrap();
            assert_eq!((&answer["orderStatus"], &answer["_type"]), (&json!(status), &json!("V4/Payment")));
            assert_eq!(answer["transactions"].as_array().unwrap().len(), listed);
        }
    }

    #[tokio::test]
    async fn a_return_by_post_is_a_form_that_sends_itself() {
        let rig = Rig::new().await;
        let url = returning(&rig, "POST").await;
        let page = click(&rig, &url, "pay").await.text().await.unwrap();
        for text in [
            "action=\"https://shop.example/thanks\"",
            "name=\"kr-hash\"",
            "&quot;orderStatus&quot;:&quot;PAID&quot;",
            "submit()",
        ] {
            assert!(page.contains(text), "{text}");
        }
        let url = returning(&rig, "NONE").await;
        assert_eq!(click(&rig, &url, "pay").await.headers()["location"], "https://shop.example/thanks");
    }

    #[tokio::test]
    async fn a_closed_order_says_why_and_offers_nothing() {
        let rig = Rig::new().await;
        for (word, text) in [("CANCELED", "cancelled"), ("EXPIRED", "expired"), ("ODD<", "status is ODD&lt;")]
        {
            let (_, url) = order(&rig, &json!({"status": word})).await;
            let (_, page) = show(&rig, &url).await;
            assert!(page.contains(text) && !page.contains("<button"), "{word}");
        }
        let (_, url) = order(&rig, &json!({})).await;
        assert_eq!(click(&rig, &url, "steal").await.status(), 400);
        assert_eq!(rig.client.delete(&url).send().await.unwrap().status(), 405);
    }
}
