//! The payer's page. It is opened by a POST of `redirectionVersion` and `redirectionData`, or by a payment request of the
//! POST channel; its buttons post the first two with an `action`.
//!
//! Source: Paypage JSON guide, "redirection to the payment page".

use bytes::Bytes;
use http::{Method, Response, StatusCode};

use super::answer::REDIRECTION_VERSION;
use super::init::page_end;
use super::payer::{Ending, secret};
use super::transaction::{PAGE_OPEN, Transaction};
use super::{Book, Sips, currency, post, result};
use crate::page::{State, View, field, plain};
use crate::platform::{Received, Refusal};

impl Sips {
    /// Shows the page, or does what its form says.
    pub(super) fn payment_page(&self, request: &Received) -> Response<Bytes> {
        let brand = request.path.trim_start_matches('/').split('/').nth(1).unwrap_or_default();
        let Some(book) = self.book(brand) else { return unknown() };
        if request.method != Method::POST {
            let text = "A payment page is opened by a POST of redirectionVersion and redirectionData.";
            return plain(StatusCode::METHOD_NOT_ALLOWED, "No payment here", text);
        }
        let text = |name: &str| field(&request.body, name).unwrap_or_default();
        let (version, data, action) = match post::Request::read(&request.body) {
            None => (text("redirectionVersion"), text("redirectionData"), text("action")),
            // The request of the POST channel: what it opens is shown.
            Some(asked) => match self.open_by_post(book, &asked) {
                Ok(data) => (REDIRECTION_VERSION.to_owned(), data, String::new()),
                Err(refusal) => return refused(&refusal),
            },
        };
        let Some(id) = self.visit(book, &data).filter(|_| version == REDIRECTION_VERSION) else {
            return unknown();
        };
        let ending = match action.as_str() {
            "pay" => Some(Ending::Accepted),
            "decline" => Some(Ending::Refused),
            "cancel" => Some(Ending::Abandoned),
            "" | "leave" => None,
            _ => {
                let text = "The action must be pay, decline, cancel or leave.";
                return plain(StatusCode::BAD_REQUEST, "Unknown action", text);
            }
        };
        if let Some(made) = ending.and_then(|ending| self.finish(book, &id, ending).ok()) {
            return self.after(&made);
        }
        let mut orders = book.orders();
        let Some(made) = orders.of_page(&data) else { return unknown() };
        if action == "leave" {
            let said = "You left without paying. The page waits 15 minutes for you.";
            return self.view(made).saying("Left", said);
        }
        let fields = [("redirectionVersion", version), ("redirectionData", data)];
        self.view(made).page(&fields, &[("cancel", "Cancel and go back to the shop")])
    }

    /// Whose page this is. A visit keeps it open.
    fn visit(&self, book: &Book, data: &str) -> Option<String> {
        let mut orders = book.orders();
        let made = orders.of_page(data)?;
        if self.is_open(made) {
            made.page.until = page_end(self.now());
        }
        Some(made.id.clone())
    }

    fn is_open(&self, made: &Transaction) -> bool {
        made.status == PAGE_OPEN && made.page.until > self.now()
    }

    fn view(&self, made: &Transaction) -> View {
        let state = match made.status_at(self.now()) {
            _ if self.is_open(made) => State::Open(""),
            PAGE_OPEN => State::Closed("Nobody paid within 15 minutes.".to_owned()),
            status => State::Closed(format!("This payment is over, its status is {status}.")),
        };
        View {
            price: currency::readable(made.amount, &made.currency),
            facts: vec![
                ("Merchant", made.merchant_id.clone()),
                ("Order", made.order_id.clone().unwrap_or_else(|| "(none)".to_owned())),
                ("Transaction", made.reference.clone()),
            ],
            state,
        }
    }

    /// The way back: the browser posts the result to the shop.
    fn after(&self, made: &Transaction) -> Response<Bytes> {
        let said = format!("The payment is over, its status is {}.", made.status);
        match &made.page.normal_url {
            None => self.view(made).saying("Payment", &said),
            Some(address) => {
                let fields = result::fields(made, made.page.normal_format, &secret(made));
                self.view(made).posting(address, &fields, &said)
            }
        }
    }
}

fn unknown() -> Response<Bytes> {
    plain(StatusCode::NOT_FOUND, "Unknown page", "There is no payment behind these data.")
}

/// What a payer sees of a request that was refused.
fn refused(refusal: &Refusal) -> Response<Bytes> {
    let field = refusal.detailed_message.as_deref().unwrap_or_default();
    let text = format!("The request was refused: {} {field}", refusal.code);
    plain(StatusCode::OK, "Request refused", &text)
}
