//! The payer's page: what is paid, and where the browser goes afterwards.

use bytes::Bytes;
use http::Response;

use super::order::{CANCELED, EXPIRED, Order, PAID, REFUSED};
use super::{Book, Lyra, text};
use crate::page::{self, State, View};
use crate::platform::{PayerAction, Received, see_other};

impl Lyra {
    /// Shows the page, or does what its form says.
    pub(super) fn payment_page(&self, request: &Received) -> Response<Bytes> {
        let mut parts = request.path.trim_start_matches('/').split('/').skip(1);
        let (brand, token) = (parts.next().unwrap_or_default(), parts.nth(1).unwrap_or_default());
        let view = || {
            let book = self.book(brand)?;
            Some(self.view(book, book.orders().of_page(token)?))
        };
        page::serve(request, view, |action| self.click(self.book(brand)?, token, action))
    }

    fn view(&self, book: &Book, order: &Order) -> View {
        let status = order.status_at(self.now());
        let closed = |text: &str| State::Closed(text.to_owned());
        let state = match status {
            REFUSED if order.is_payable(self.now()) => State::Open("The last attempt was refused."),
            _ if order.is_payable(self.now()) => State::Open(""),
            PAID => closed("This order has been paid."),
            EXPIRED => closed("This order has expired."),
            CANCELED => closed("This order was cancelled by the merchant."),
            other => State::Closed(format!("This order cannot be paid, its status is {other}.")),
        };
        View {
            price: text::amount(order.amount, &order.currency, &order.locale),
            facts: vec![
                ("Merchant", book.shop.store_name.to_owned()),
                ("Reference", order.order_id.clone().unwrap_or_else(|| "(none)".to_owned())),
                ("Valid until", format!("{} UTC", order.expires.strftime("%Y-%m-%d %H:%M"))),
            ],
            state,
        }
    }

    fn click(&self, book: &Book, token: &str, action: PayerAction) -> Option<Response<Bytes>> {
        let id = book.orders().of_page(token)?.id.clone();
        self.pay(book, &id, action).ok()?;
        let mut orders = book.orders();
        let order = orders.of_page(token)?;
        let (title, said) = match action {
            PayerAction::Pay => ("Paid", "The payment was accepted."),
            PayerAction::Decline => ("Refused", "The payment was refused. The link can be tried again."),
            PayerAction::Leave => ("Left", "You left without paying. The link stays open."),
        };
        Some(match &order.return_url {
            Some(address) => see_other(address),
            None => self.view(book, order).saying(title, said),
        })
    }
}
