//! The payer's page: what a person clicks in the sandbox. It is opened by a POST of `redirectionVersion` and
//! `redirectionData`, or by a payment request of the POST channel; its buttons post the first two with an `action`.
//!
//! Source: Paypage JSON guide, "redirection to the payment page".

use bytes::Bytes;
use http::{Method, Response, StatusCode};
use jiff::Timestamp;

use super::answer::{Denial, REDIRECTION_VERSION};
use super::init::page_end;
use super::payer::{Ending, secret};
use super::transaction::{PAGE_OPEN, Transaction};
use super::{Book, Sips, currency, post, result};
use crate::platform::{Received, html};

const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;background:#f3f4f6;color:#1f2937;margin:0;padding:2rem 1rem}\
main{max-width:26rem;margin:0 auto;background:#fff;border-radius:.75rem;padding:1.5rem}\
.note{background:#fef3c7;border-radius:.5rem;padding:.5rem .75rem;font-size:.875rem}\
h1{font-size:1.25rem}.price{font-size:2rem;font-weight:600;margin:.5rem 0}dt{color:#6b7280}\
dd{margin:0;overflow-wrap:anywhere}button{font:inherit;width:100%;padding:.6rem;margin-top:.5rem;border-radius:.5rem;\
border:1px solid #d1d5db;background:#fff;cursor:pointer}button.pay{background:#166534;color:#fff}";

/// What the form says.
#[derive(Debug, Default)]
struct Form {
    version: String,
    data: String,
    action: String,
}

impl Form {
    fn read(body: &[u8]) -> Self {
        let mut form = Self::default();
        for (name, value) in url::form_urlencoded::parse(body) {
            let slot = match name.as_ref() {
                "redirectionVersion" => &mut form.version,
                "redirectionData" => &mut form.data,
                "action" => &mut form.action,
                _ => continue,
            };
            *slot = value.into_owned();
        }
        form
    }
}

impl Sips {
    /// Shows the page, or does what its form says.
    pub(super) fn payment_page(&self, request: &Received) -> Response<Bytes> {
        let brand = request.path.trim_start_matches('/').split('/').nth(1).unwrap_or_default();
        let Some(book) = self.book(brand) else { return unknown() };
        if request.method != Method::POST {
            let text = "<p>A payment page is opened by a POST of <b>redirectionVersion</b> and \
                        <b>redirectionData</b>.</p>";
            return html(StatusCode::METHOD_NOT_ALLOWED, document("No payment here", text));
        }
        let now = self.frame.clock.now();
        let form = match post::Request::read(&request.body) {
            None => Form::read(&request.body),
            // The request of the POST channel: what it opens is shown.
            Some(asked) => match self.open_by_post(book, &asked, now) {
                Ok(data) => Form { version: REDIRECTION_VERSION.to_owned(), data, ..Form::default() },
                Err(denial) => return denied(&denial),
            },
        };
        let Some((id, is_open)) = visit(book, &form, now) else { return unknown() };
        let ending = match form.action.as_str() {
            "pay" => Some(Ending::Accepted),
            "decline" => Some(Ending::Refused),
            "cancel" => Some(Ending::Abandoned),
            "" | "leave" => None,
            _ => {
                let text = "<p>The action must be pay, decline, cancel or leave.</p>";
                return html(StatusCode::BAD_REQUEST, document("Unknown action", text));
            }
        };
        match ending {
            Some(ending) if is_open => match self.finish(book, &id, ending) {
                Ok(made) => after(&made),
                // Paid in another window since.
                Err(_) => show(book, &id, false, now),
            },
            _ if form.action == "leave" => {
                let text = "<p>You left without paying. The page waits 15 minutes for you.</p>";
                html(StatusCode::OK, document("Left", text))
            }
            _ => show(book, &id, is_open, now),
        }
    }
}

/// Whose page this is, and whether it can still be used; a visit keeps it open.
fn visit(book: &Book, form: &Form, now: Timestamp) -> Option<(String, bool)> {
    if form.version != REDIRECTION_VERSION {
        return None;
    }
    let mut transactions = book.transactions();
    let made = transactions.of_page_mut(&form.data)?;
    let is_open = made.status == PAGE_OPEN && made.page.until > now;
    if is_open {
        made.page.until = page_end(now);
    }
    Some((made.id.clone(), is_open))
}

fn show(book: &Book, id: &str, is_open: bool, now: Timestamp) -> Response<Bytes> {
    let mut transactions = book.transactions();
    let Ok(made) = transactions.named_mut(id) else { return unknown() };
    if is_open {
        let form = format!(
            "<form method=\"post\">{}{}<button class=\"pay\" name=\"action\" value=\"pay\">Pay</button>\
             <button name=\"action\" value=\"decline\">Decline</button>\
             <button name=\"action\" value=\"cancel\">Cancel and go back to the shop</button>\
             <button name=\"action\" value=\"leave\">Leave</button></form>",
            hidden("redirectionVersion", REDIRECTION_VERSION),
            hidden("redirectionData", &made.page.data),
        );
        return html(StatusCode::OK, document("Payment", &format!("{}{form}", facts(made))));
    }
    let said = match made.status_at(now) {
        PAGE_OPEN => "Nobody paid within 15 minutes.".to_owned(),
        status => format!("This payment is over, its status is {}.", escaped(status)),
    };
    html(StatusCode::OK, document("Payment closed", &format!("{}<p>{said}</p>", facts(made))))
}

/// The way back: the browser posts the result to the shop.
fn after(made: &Transaction) -> Response<Bytes> {
    let said = format!("{}<p>The payment is over, its status is {}.</p>", facts(made), escaped(&made.status));
    let Some(address) = &made.page.normal_url else {
        return html(StatusCode::OK, document("Payment", &said));
    };
    let fields = result::fields(made, made.page.normal_format, &secret(made));
    let fields: String = fields.iter().map(|(name, value)| hidden(name, value)).collect();
    let form = format!(
        "{said}<form method=\"post\" action=\"{}\">{fields}<button class=\"pay\">Back to the shop</button></form>\
         <script>document.forms[0].submit()</script>",
        escaped(address)
    );
    html(StatusCode::OK, document("Payment", &form))
}

fn unknown() -> Response<Bytes> {
    html(StatusCode::NOT_FOUND, document("Unknown page", "<p>There is no payment behind these data.</p>"))
}

/// What a payer sees of a request that was refused.
fn denied(denial: &Denial) -> Response<Bytes> {
    let field = denial.field.as_deref().unwrap_or_default();
    let text = format!("<p>The request was refused: {} {}</p>", escaped(&denial.code), escaped(field));
    html(StatusCode::OK, document("Request refused", &text))
}

fn facts(made: &Transaction) -> String {
    format!(
        "<p class=\"price\">{}</p><dl><dt>Merchant</dt><dd>{}</dd><dt>Order</dt><dd>{}</dd>\
         <dt>Transaction</dt><dd>{}</dd></dl>",
        escaped(&currency::readable(made.amount, &made.currency)),
        escaped(&made.merchant_id),
        escaped(made.order_id.as_deref().unwrap_or("(none)")),
        escaped(&made.reference),
    )
}

fn hidden(name: &str, value: &str) -> String {
    format!("<input type=\"hidden\" name=\"{}\" value=\"{}\">", escaped(name), escaped(value))
}

/// Text for a place between tags or in a quoted attribute.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
        .replace('\'', "&#39;")
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
mod tests;
