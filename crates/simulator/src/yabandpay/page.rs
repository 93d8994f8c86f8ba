//! The payer's page: what a person clicks in the sandbox, behind a link or a QR code.

use bytes::Bytes;
use http::{Method, Response, StatusCode};

use super::merchant::MERCHANT;
use super::order::{CANCELLED, EXPIRED, Order, PAID, is_open};
use super::{YabandPay, amount};
use crate::platform::{PayerAction, Received, answer, html, see_other};

const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;background:#eef2ff;color:#1f2937;margin:0;padding:2rem 1rem}\
main{max-width:26rem;margin:0 auto;background:#fff;border-radius:.75rem;padding:1.5rem;box-shadow:0 1px 4px #0002}\
.note{background:#fef3c7;border-radius:.5rem;padding:.5rem .75rem;font-size:.875rem}\
h1{font-size:1.25rem}.price{font-size:2rem;font-weight:600;margin:.5rem 0}\
dl{display:grid;grid-template-columns:auto 1fr;gap:.25rem 1rem;margin:1rem 0}dt{color:#6b7280}\
dd{margin:0;overflow-wrap:anywhere}button{font:inherit;width:100%;padding:.6rem;margin-top:.5rem;border-radius:.5rem;\
border:1px solid #d1d5db;background:#fff;cursor:pointer}button.pay{background:#3730a3;color:#fff;border-color:#3730a3}";

/// Text for a place between tags.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

impl YabandPay {
    /// Shows the page, or does what its form says.
    pub(super) fn payment_page(&self, request: &Received) -> Response<Bytes> {
        let id = request.path.rsplit('/').next().unwrap_or_default();
        if request.method == Method::POST {
            self.click(id, &request.body)
        } else if request.method == Method::GET {
            self.show(id)
        } else {
            answer(StatusCode::METHOD_NOT_ALLOWED, "text/plain", "GET or POST\n")
        }
    }

    fn show(&self, id: &str) -> Response<Bytes> {
        let now = self.frame.clock.now();
        let book = self.book();
        let Some(order) = book.orders.get(id) else { return unknown(id) };
        let state = order.state_at(now);
        if is_open(state) {
            let form = "<form method=\"post\"><button class=\"pay\" name=\"action\" value=\"pay\">Pay</button>\
                        <button name=\"action\" value=\"decline\">Decline</button>\
                        <button name=\"action\" value=\"leave\">Leave</button></form>";
            html(StatusCode::OK, document("Payment", &format!("{}{form}", facts(order))))
        } else {
            let closed = format!("{}<p>{}</p>", facts(order), closed(state));
            html(StatusCode::OK, document("Payment closed", &closed))
        }
    }

    /// The real platform may send the signed result along with the browser; here the browser is only sent on.
    fn click(&self, id: &str, form: &Bytes) -> Response<Bytes> {
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
        if self.pay(id, action).is_err() {
            // Paid, cancelled or expired since the page was shown: the page says so.
            return self.show(id);
        }
        let book = self.book();
        let Some(order) = book.orders.get(id) else { return unknown(id) };
        let (own, title, said) = match action {
            PayerAction::Pay => (&None, "Paid", "The payment was accepted."),
            PayerAction::Decline => (&None, "Declined", "The payment was declined."),
            PayerAction::Leave => {
                (&order.cancel_url, "Left", "You left without paying. The link stays open.")
            }
        };
        match own.as_ref().or(order.redirect_url.as_ref()) {
            Some(address) => see_other(address),
            None => html(StatusCode::OK, document(title, &format!("{}<p>{said}</p>", facts(order)))),
        }
    }
}

fn unknown(id: &str) -> Response<Bytes> {
    let text = format!("<p>There is no payment behind <b>{}</b>.</p>", escaped(id));
    html(StatusCode::NOT_FOUND, document("Unknown link", &text))
}

fn closed(state: &str) -> String {
    match state {
        PAID => "This payment has been made.".to_owned(),
        EXPIRED => "This payment has expired.".to_owned(),
        CANCELLED => "This payment was cancelled by the merchant.".to_owned(),
        other => format!("This payment cannot be made, its state is {}.", escaped(other)),
    }
}

fn facts(order: &Order) -> String {
    format!(
        "<p class=\"price\">{} {}</p><dl><dt>Merchant</dt><dd>{}</dd><dt>Method</dt><dd>{}</dd>\
         <dt>Order</dt><dd>{}</dd><dt>For</dt><dd>{}</dd><dt>Valid until</dt><dd>{} UTC</dd></dl>",
        escaped(&order.currency),
        amount::text(order.amount),
        MERCHANT.store_name,
        escaped(&order.sub_pay_method),
        escaped(&order.order_id),
        escaped(&order.description),
        order.expires().strftime("%Y-%m-%d %H:%M"),
    )
}

fn document(title: &str, content: &str) -> String {
    format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" \
         content=\"width=device-width,initial-scale=1\"><title>{title}</title><style>{STYLE}</style></head><body>\
         <main><p class=\"note\">This is a simulator. No money moves.</p><h1>{title}</h1>{content}</main></body></html>"
    )
}
