//! Where payer data and free text are in what is stored: what erasure takes away, and what is masked before.
//!
//! Every struct is taken apart member by member, so that a new member does not compile before somebody has decided
//! what becomes of it. Amounts, statuses, ids, references, instants and whatever else the record of the money needs
//! stay.

use std::fmt;

use super::{
    Checkout, Customer, Delivery, Field, Intent, NewDelivery, NewOrder, Operation, Order, OrderPatch,
    PlannedOrder, ProviderStatus, card,
    operation::Failure,
    request::{CustomerPatch, DeliveryPatch},
};

/// What a text that must be there says after erasure.
const ERASED: &str = "erased with the payer data";

/// A member whose value is never printed; only whether there is one.
pub(super) struct Hidden(pub(super) bool);

impl Hidden {
    /// Of a member that may be absent.
    pub(super) fn option<T>(value: &Option<T>) -> Self {
        Self(value.is_some())
    }

    /// Of a member that a patch may name.
    pub(super) fn field<T>(value: &Field<T>) -> Self {
        Self(value.value().is_some())
    }
}

impl fmt::Debug for Hidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0 { "[hidden]" } else { "None" })
    }
}

/// Forgets a value that a patch names.
fn forget<T>(field: &mut Field<T>) {
    if matches!(field, Field::Set(_)) {
        *field = Field::Keep;
    }
}

/// Masks a text that a patch names.
fn mask_field(field: &mut Field<String>) {
    if let Field::Set(text) = field {
        card::mask(text);
    }
}

impl Order {
    /// Takes away who pays, how to reach the payer, every free text and the caller's labels.
    pub fn erase_payer_data(&mut self) {
        let Self {
            id: _,
            provider: _,
            mode: _,
            merchant_reference: _,
            status: _,
            is_final: _,
            provider_status: ProviderStatus { code: _, message },
            amount: _,
            currency: _,
            amounts: _,
            checkout,
            delivery,
            description,
            locale: _,
            metadata,
            created_at: _,
            updated_at: _,
            expires_at: _,
            as_of: _,
            waits_for: _,
            deadline_at: _,
            news: _,
            available_actions: _,
            provider_data,
        } = self;
        *message = None;
        // Its addresses are secrets of the payer.
        *checkout = None;
        if let Some(Delivery { channel: _, recipient }) = delivery {
            *recipient = None;
        }
        *description = None;
        metadata.clear();
        // Allow-listed, but whom it names differs between providers: e-mail addresses, wallet accounts.
        provider_data.clear();
    }

    /// Masks what looks like a card number in its free texts.
    pub fn mask_card_numbers(&mut self) {
        card::mask_some(&mut self.provider_status.message);
        card::mask_some(&mut self.description);
        card::mask_labels(&mut self.metadata);
    }
}

impl NewOrder {
    fn erase_payer_data(&mut self) {
        let Self {
            amount: _,
            merchant_reference: _,
            description,
            capture: _,
            payment_method: _,
            expires_at: _,
            locale: _,
            delivery: NewDelivery { channel: _, recipient, subject, message, template: _ },
            customer,
            return_url,
            metadata,
            provider_options,
        } = self;
        for text in [description, recipient, subject, message, return_url] {
            *text = None;
        }
        *customer = Customer::default();
        metadata.clear();
        provider_options.clear();
    }

    fn mask_card_numbers(&mut self) {
        let NewDelivery { channel: _, recipient: _, subject, message, template: _ } = &mut self.delivery;
        let Customer { email: _, first_name, last_name } = &mut self.customer;
        for text in [&mut self.description, subject, message, first_name, last_name] {
            card::mask_some(text);
        }
        card::mask_labels(&mut self.metadata);
        card::mask_members(&mut self.provider_options);
    }
}

impl OrderPatch {
    fn erase_payer_data(&mut self) {
        let Self {
            amount: _,
            merchant_reference: _,
            description,
            payment_method: _,
            expires_at: _,
            locale: _,
            delivery,
            customer,
            return_url,
            metadata,
            provider_options,
        } = self;
        forget(description);
        if let Field::Set(DeliveryPatch { channel: _, recipient, subject, message, template: _ }) = delivery {
            for text in [recipient, subject, message] {
                forget(text);
            }
        }
        forget(customer);
        forget(return_url);
        forget(metadata);
        forget(provider_options);
    }

    fn mask_card_numbers(&mut self) {
        mask_field(&mut self.description);
        if let Field::Set(DeliveryPatch { channel: _, recipient: _, subject, message, template: _ }) =
            &mut self.delivery
        {
            mask_field(subject);
            mask_field(message);
        }
        if let Field::Set(CustomerPatch { email: _, first_name, last_name }) = &mut self.customer {
            mask_field(first_name);
            mask_field(last_name);
        }
        if let Field::Set(labels) = &mut self.metadata {
            labels.values_mut().for_each(card::mask_some);
        }
        if let Field::Set(options) = &mut self.provider_options {
            card::mask_members(options);
        }
    }
}

impl Intent {
    fn erase_payer_data(&mut self) {
        match self {
            Self::Create { planned } => {
                let PlannedOrder { order, expires_at: _, reference: _, page_token } = &mut **planned;
                order.erase_payer_data();
                *page_token = None;
            }
            Self::Update { before, patch } => {
                before.erase_payer_data();
                patch.erase_payer_data();
            }
            Self::Cancel { before, part: _ }
            | Self::Capture { before, part: _ }
            | Self::Refund { before, part: _ } => before.erase_payer_data(),
        }
    }

    fn mask_card_numbers(&mut self) {
        match self {
            Self::Create { planned } => planned.order.mask_card_numbers(),
            Self::Update { before, patch } => {
                before.mask_card_numbers();
                patch.mask_card_numbers();
            }
            Self::Cancel { before, .. } | Self::Capture { before, .. } | Self::Refund { before, .. } => {
                before.mask_card_numbers();
            }
        }
    }
}

impl Failure {
    fn erase_payer_data(&mut self) {
        // The texts may repeat the provider's; the codes say the same for the record.
        let Self { code: _, detail, provider_code: _, provider_message, pointer: _, reason: _ } = self;
        ERASED.clone_into(detail);
        *provider_message = None;
    }

    /// Masks what looks like a card number in its texts.
    pub fn mask_card_numbers(&mut self) {
        card::mask(&mut self.detail);
        card::mask_some(&mut self.provider_message);
    }
}

impl Operation {
    /// Takes away who pays, how to reach the payer, every free text and the caller's labels. What was asked for, what
    /// it moved and how it ended stay. Only for an operation that is over: a later look for evidence needs all of it.
    pub fn erase_payer_data(&mut self) {
        let Self {
            id: _,
            kind: _,
            account: _,
            order_id: _,
            provider: _,
            client: _,
            request_id: _,
            traceparent: _,
            amount: _,
            status: _,
            already_done: _,
            intent,
            repeat_harmless: _,
            failure,
            order_after,
            created_at: _,
            updated_at: _,
            checks: _,
            next_check_at: _,
            provider_id: _,
            claimed_done: _,
            contradiction: _,
            reversed: _,
        } = self;
        intent.erase_payer_data();
        if let Some(failure) = failure {
            failure.erase_payer_data();
        }
        if let Some(order) = order_after {
            order.erase_payer_data();
        }
    }

    /// Masks what looks like a card number in its free texts. What is sent to the provider is what the caller wrote.
    pub fn mask_card_numbers(&mut self) {
        self.intent.mask_card_numbers();
        if let Some(failure) = &mut self.failure {
            failure.mask_card_numbers();
        }
        if let Some(order) = &mut self.order_after {
            order.mask_card_numbers();
        }
    }
}

impl fmt::Debug for Customer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { email, first_name, last_name } = self;
        f.debug_struct("Customer")
            .field("email", &Hidden::option(email))
            .field("first_name", &Hidden::option(first_name))
            .field("last_name", &Hidden::option(last_name))
            .finish()
    }
}

impl fmt::Debug for CustomerPatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { email, first_name, last_name } = self;
        f.debug_struct("CustomerPatch")
            .field("email", &Hidden::field(email))
            .field("first_name", &Hidden::field(first_name))
            .field("last_name", &Hidden::field(last_name))
            .finish()
    }
}

impl fmt::Debug for NewDelivery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { channel, recipient, subject, message, template } = self;
        f.debug_struct("NewDelivery")
            .field("channel", channel)
            .field("recipient", &Hidden::option(recipient))
            .field("subject", &Hidden::option(subject))
            .field("message", &Hidden::option(message))
            .field("template", template)
            .finish()
    }
}

impl fmt::Debug for DeliveryPatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { channel, recipient, subject, message, template } = self;
        f.debug_struct("DeliveryPatch")
            .field("channel", channel)
            .field("recipient", &Hidden::field(recipient))
            .field("subject", &Hidden::field(subject))
            .field("message", &Hidden::field(message))
            .field("template", template)
            .finish()
    }
}

impl fmt::Debug for Delivery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { channel, recipient } = self;
        f.debug_struct("Delivery")
            .field("channel", channel)
            .field("recipient", &Hidden::option(recipient))
            .finish()
    }
}

impl fmt::Debug for Checkout {
    /// Whoever has the address can pay as the payer, or see what is asked of them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Checkout").field("method", &self.method).finish_non_exhaustive()
    }
}

impl fmt::Debug for PlannedOrder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { order, expires_at, reference, page_token } = self;
        f.debug_struct("PlannedOrder")
            .field("order", order)
            .field("expires_at", expires_at)
            .field("reference", reference)
            .field("page_token", &Hidden::option(page_token))
            .finish()
    }
}

impl fmt::Debug for NewOrder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewOrder")
            .field("amount", &self.amount)
            .field("merchant_reference", &self.merchant_reference)
            .field("capture", &self.capture)
            .field("payment_method", &self.payment_method)
            .field("expires_at", &self.expires_at)
            .field("locale", &self.locale)
            .field("delivery", &self.delivery)
            .field("customer", &self.customer)
            .field("description", &Hidden::option(&self.description))
            .field("return_url", &Hidden::option(&self.return_url))
            .field("metadata", &Hidden(!self.metadata.is_empty()))
            .field("provider_options", &Hidden(!self.provider_options.is_empty()))
            .finish()
    }
}

impl fmt::Debug for OrderPatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OrderPatch")
            .field("amount", &self.amount)
            .field("merchant_reference", &self.merchant_reference)
            .field("payment_method", &self.payment_method)
            .field("expires_at", &self.expires_at)
            .field("locale", &self.locale)
            .field("delivery", &self.delivery)
            .field("customer", &self.customer)
            .field("description", &Hidden::field(&self.description))
            .field("return_url", &Hidden::field(&self.return_url))
            .field("metadata", &Hidden::field(&self.metadata))
            .field("provider_options", &Hidden::field(&self.provider_options))
            .finish()
    }
}

impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { code, detail: _, provider_code, provider_message: _, pointer, reason } = self;
        f.debug_struct("Failure")
            .field("code", code)
            .field("provider_code", provider_code)
            .field("pointer", pointer)
            .field("reason", reason)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for ProviderStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { code, message } = self;
        f.debug_struct("ProviderStatus")
            .field("code", code)
            .field("message", &Hidden::option(message))
            .finish()
    }
}

impl fmt::Debug for Order {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Order")
            .field("id", &self.id)
            .field("provider", &self.provider)
            .field("mode", &self.mode)
            .field("merchant_reference", &self.merchant_reference)
            .field("status", &self.status)
            .field("is_final", &self.is_final)
            .field("provider_status", &self.provider_status)
            .field("amount", &self.amount)
            .field("currency", &self.currency)
            .field("amounts", &self.amounts)
            .field("checkout", &self.checkout)
            .field("delivery", &self.delivery)
            .field("description", &Hidden::option(&self.description))
            .field("locale", &self.locale)
            .field("metadata", &Hidden(!self.metadata.is_empty()))
            .field("created_at", &self.created_at)
            .field("updated_at", &self.updated_at)
            .field("expires_at", &self.expires_at)
            .field("as_of", &self.as_of)
            .field("available_actions", &self.available_actions)
            .field("provider_data", &Hidden(!self.provider_data.is_empty()))
            .finish()
    }
}

#[cfg(test)]
#[path = "payer_data_tests.rs"]
mod tests;
