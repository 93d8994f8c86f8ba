//! A payment order as the platform keeps it, and its JSON.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::envelope::date;
use super::shops::{DemoShop, Mode};
use super::text;
use super::transaction::{Transaction, new_id};
use crate::clock::days_after;
use crate::platform::merge;

/// Open, no successful payment.
pub(super) const RUNNING: &str = "RUNNING";
/// Paid; transactions exist.
pub(super) const PAID: &str = "PAID";
/// An attempt was refused; can still be paid while it has not expired (inferred, the pages do not say).
pub(super) const REFUSED: &str = "REFUSED";
/// The expiration date has passed.
pub(super) const EXPIRED: &str = "EXPIRED";
/// Cancelled by the merchant. One L: provider page `Charge/PaymentOrder/Cancel`.
pub(super) const CANCELED: &str = "CANCELED";

/// Expiration when a request names none, the demo shops' setting.
const DEFAULT_EXPIRATION_DAYS: i64 = 30;

/// How the link reaches the payer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Channel {
    Url,
    Mail(Mail),
    Sms {
        phone: String,
        /// Text of the last request, if it named one.
        message: Option<String>,
    },
    WhatsApp {
        phone: String,
    },
}

/// `mailOptions` of the last request.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Mail {
    pub(super) recipient: String,
    pub(super) bcc: Option<String>,
    pub(super) subject: Option<String>,
    pub(super) body: Option<String>,
    pub(super) template: Option<String>,
}

impl Channel {
    /// The platform's word, `channelType`.
    pub(super) fn word(&self) -> &'static str {
        match self {
            Self::Url => "URL",
            Self::Mail(_) => "MAIL",
            Self::Sms { .. } => "SMS",
            Self::WhatsApp { .. } => "WHATSAPP",
        }
    }
}

/// A payment order.
#[derive(Debug, Clone)]
pub(crate) struct Order {
    pub(super) id: String,
    /// Last segment of the payment page's path.
    pub(super) token: String,
    pub(super) mode: Mode,
    /// As stored; ask `status_at` for the one that counts.
    pub(super) status: String,
    pub(super) created: Timestamp,
    pub(super) updated: Option<Timestamp>,
    pub(super) expires: Timestamp,
    pub(super) amount: i64,
    pub(super) currency: String,
    pub(super) locale: String,
    pub(super) strong_authentication: String,
    pub(super) order_id: Option<String>,
    pub(super) channel: Channel,
    /// What the payer is told: rendered, or the request's own words.
    pub(super) subject: Option<String>,
    pub(super) message: String,
    pub(super) receipt_email: Option<String>,
    pub(super) tax_rate: Option<Value>,
    pub(super) tax_amount: Option<i64>,
    pub(super) manual_validation: bool,
    pub(super) capture_delay: i64,
    pub(super) data_form: bool,
    pub(super) merchant_comment: Option<String>,
    pub(super) metadata: Option<Value>,
    /// As the request had it.
    pub(super) customer: Option<Value>,
    /// Where the payer's browser goes afterwards.
    pub(super) return_url: Option<String>,
    /// Where notifications of this order go; the Back Office's address when `None`.
    pub(super) ipn_url: Option<String>,
    pub(super) transactions: Vec<Transaction>,
    /// Whether nobody can try to pay any more, whatever the status says: the order's cycle is over.
    pub(super) closed: bool,
    /// Merge patch of the control API over the answer.
    pub(super) patch: Option<Value>,
}

impl Order {
    /// An order of a shop that has nothing but usual values.
    pub(super) fn usual(shop: &DemoShop, token: String, mode: Mode, now: Timestamp) -> Self {
        Self {
            id: new_id(),
            token,
            mode,
            status: RUNNING.to_owned(),
            created: now,
            updated: None,
            expires: days_after(now, DEFAULT_EXPIRATION_DAYS),
            amount: 0,
            currency: shop.currencies.first().copied().unwrap_or("EUR").to_owned(),
            locale: shop.locale.to_owned(),
            strong_authentication: "AUTO".to_owned(),
            order_id: None,
            channel: Channel::Url,
            subject: None,
            message: String::new(),
            receipt_email: None,
            tax_rate: None,
            tax_amount: None,
            manual_validation: false,
            capture_delay: 0,
            data_form: false,
            merchant_comment: None,
            metadata: None,
            customer: None,
            return_url: None,
            ipn_url: None,
            transactions: Vec::new(),
            closed: false,
            patch: None,
        }
    }

    /// The status at this time: an open order expires by the clock.
    pub(super) fn status_at(&self, now: Timestamp) -> &str {
        let open = self.status == RUNNING || self.status == REFUSED;
        if open && self.expires <= now { EXPIRED } else { &self.status }
    }

    /// Whether the payer can pay now. Inferred: a refused order can be paid while it has not expired.
    pub(super) fn is_payable(&self, now: Timestamp) -> bool {
        !self.closed && matches!(self.status_at(now), RUNNING | REFUSED)
    }

    /// The transaction of this name.
    pub(super) fn transaction(&self, uuid: &str) -> Option<&Transaction> {
        self.transactions.iter().find(|one| one.uuid == uuid)
    }

    /// Writes subject and message for the present amount, unless the last request brought its own words.
    pub(super) fn render(&mut self, shop: &DemoShop, link: &str) {
        let rendered = text::message(&text::Facts {
            store: shop.store_name,
            minor: self.amount,
            currency: &self.currency,
            locale: &self.locale,
            expires: self.expires,
            link,
        });
        let (subject, own) = match &self.channel {
            Channel::Url | Channel::WhatsApp { .. } => (None, None),
            Channel::Sms { message, .. } => (None, message.clone()),
            Channel::Mail(mail) => {
                let default = || text::subject(&self.locale).to_owned();
                (Some(mail.subject.clone().unwrap_or_else(default)), mail.body.clone())
            }
        };
        self.subject = subject;
        self.message = own.unwrap_or(rendered);
    }

    /// The `V4/PaymentOrder` of the answers, with the control API's patch over it.
    pub(super) fn answer(&self, link: &str, now: Timestamp) -> Value {
        let mut answer = json!({
            "paymentOrderId": self.id,
            "paymentURL": link,
            "paymentOrderStatus": self.status_at(now),
            "creationDate": date(self.created),
            "updateDate": self.updated.map(date),
            "amount": self.amount,
            "currency": self.currency,
            "locale": self.locale,
            "strongAuthentication": self.strong_authentication,
            "orderId": self.order_id,
            "channelDetails": self.channel_details(),
            "paymentReceiptEmail": self.receipt_email,
            "taxRate": self.tax_rate,
            "taxAmount": self.tax_amount,
            "expirationDate": date(self.expires),
            "transactionDetails": {
                "cardDetails": {
                    "manualValidation": if self.manual_validation { "YES" } else { "NO" },
                    "captureDelay": self.capture_delay,
                    "_type": "V4/CardDetails",
                },
                "_type": "V4/PaymentOrderTransactionDetails",
            },
            "dataCollectionForm": self.data_form,
            "merchantComment": self.merchant_comment,
            "message": self.message,
            // Members of newer releases. Source: third-party clients.
            "customer": self.customer_object(),
            "formAction": "PAYMENT",
            "_type": "V4/PaymentOrder",
        });
        if let Some(patch) = &self.patch {
            merge(&mut answer, patch);
        }
        answer
    }

    /// The `_type` of the SMS and WhatsApp details is inferred from that of the mail details.
    fn channel_details(&self) -> Value {
        let mut details = json!({
            "channelType": self.channel.word(),
            "mailDetails": null,
            "smsDetails": null,
            "whatsAppDetails": null,
            "_type": "V4/ChannelDetails",
        });
        let (member, value) = match &self.channel {
            Channel::Url => return details,
            Channel::Mail(mail) => (
                "mailDetails",
                json!({
                    "subject": self.subject,
                    "body": self.message,
                    "template": mail.template,
                    "recipient": mail.recipient,
                    "bcc": mail.bcc,
                    "_type": "V4/MailDetails",
                }),
            ),
            Channel::Sms { phone, .. } => (
                "smsDetails",
                json!({"phoneNumber": phone, "message": self.message, "_type": "V4/SmsDetails"}),
            ),
            Channel::WhatsApp { phone } => {
                ("whatsAppDetails", json!({"phoneNumber": phone, "_type": "V4/WhatsAppDetails"}))
            }
        };
        if let Some(slot) = details.get_mut(member) {
            *slot = value;
        }
        details
    }
}
