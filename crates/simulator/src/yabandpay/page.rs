//! The payer's page, behind a link or a QR code.

use bytes::Bytes;
use http::Response;

use super::merchant::MERCHANT;
use super::order::{CANCELLED, EXPIRED, Order, PAID, is_open};
use super::{BRAND, YabandPay, amount};
use crate::page::{self, State, View};
use crate::platform::{PayerAction, Received, see_other};

impl YabandPay {
    /// Shows the page, or does what its form says.
    pub(super) fn payment_page(&self, request: &Received) -> Response<Bytes> {
        let id = request.path.rsplit('/').next().unwrap_or_default();
        let view = || self.with_order(BRAND, id, |_, order| self.view(order)).ok();
        page::serve(request, view, |action| self.click(id, action))
    }

    fn view(&self, order: &Order) -> View {
        let closed = |text: &str| State::Closed(text.to_owned());
        let state = match order.state_at(self.now()) {
            state if is_open(state) => State::Open(""),
            PAID => closed("This payment has been made."),
            EXPIRED => closed("This payment has expired."),
            CANCELLED => closed("This payment was cancelled by the merchant."),
            other => State::Closed(format!("This payment cannot be made, its state is {other}.")),
        };
        View {
            price: format!("{} {}", order.currency, amount::text(order.amount)),
            facts: vec![
                ("Merchant", MERCHANT.store_name.to_owned()),
                ("Method", order.sub_pay_method.clone()),
                ("Order", order.order_id.clone()),
                ("For", order.description.clone()),
                ("Valid until", format!("{} UTC", order.expires().strftime("%Y-%m-%d %H:%M"))),
            ],
            state,
        }
    }

    /// The real platform may send the signed result along with the browser; here the browser is only sent on.
    fn click(&self, id: &str, action: PayerAction) -> Option<Response<Bytes>> {
        self.pay(self.book(BRAND)?, id, action).ok()?;
        let answer = |order: &Order| {
            let (own, title, said) = match action {
                PayerAction::Pay => (None, "Paid", "The payment was accepted."),
                PayerAction::Decline => (None, "Declined", "The payment was declined."),
                PayerAction::Leave => {
                    let said = "You left without paying. The link stays open.";
                    (order.cancel_url.as_ref(), "Left", said)
                }
            };
            match own.or(order.redirect_url.as_ref()) {
                Some(address) => see_other(address),
                None => self.view(order).saying(title, said),
            }
        };
        self.with_order(BRAND, id, |_, order| answer(order)).ok()
    }
}
