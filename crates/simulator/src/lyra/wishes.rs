//! What a creation or a change asks for, read strictly.
//!
//! Two layers, as the codes have it: `read` is the input layer (`INT_*`, and needs nothing but the request),
//! `check` asks the shop and the clock (`PSP_*`).
//! Source: Lyra REST API V4, `Charge/CreatePaymentOrder`; provider page `Charge/PaymentOrder/Update`, table of errors.

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::channel;
use super::order::Channel;
use super::services::UNKNOWN;
use super::shops::DemoShop;
use super::text;
use crate::members::Members;
use crate::platform::Refusal;

/// Members of a creation; a change has `paymentOrderId` too.
const KNOWN: [&str; 19] = [
    "amount",
    "currency",
    "orderId",
    "channelOptions",
    "expirationDate",
    "locale",
    "merchantComment",
    "taxRate",
    "taxAmount",
    "paymentReceiptEmail",
    "dataCollectionForm",
    "strongAuthentication",
    "transactionOptions",
    "paymentMethods",
    "customer",
    "metadata",
    "returnUrl",
    "ipnTargetUrl",
    "paymentOrderId",
];

const STRONG_AUTHENTICATION: [&str; 5] =
    ["AUTO", "DISABLED", "ENABLED", "CHALLENGE_REQUESTED", "CHALLENGE_MANDATE"];

/// Longest merchant reference. Source: third-party clients of Lyra REST API V4.
const ORDER_ID_CHARS: usize = 64;

/// Furthest expiration. Source: provider page `Charge/PaymentOrder/Update`, `PSP_1007`.
pub(super) const EXPIRATION_DAYS: i64 = 90;

/// A request that has passed the input layer. `None` means that it was not sent.
#[derive(Debug, Clone)]
pub(super) struct Wishes {
    pub(super) amount: i64,
    pub(super) currency: String,
    pub(super) channel: Option<Channel>,
    pub(super) order_id: Option<String>,
    pub(super) expires: Option<Timestamp>,
    pub(super) locale: Option<String>,
    pub(super) strong_authentication: Option<String>,
    pub(super) tax_rate: Option<Value>,
    pub(super) tax_amount: Option<i64>,
    pub(super) receipt_email: Option<String>,
    pub(super) data_form: Option<bool>,
    pub(super) manual_validation: Option<bool>,
    pub(super) capture_delay: Option<i64>,
    pub(super) merchant_comment: Option<String>,
    pub(super) metadata: Option<Value>,
    pub(super) customer: Option<Value>,
    pub(super) return_url: Option<String>,
    pub(super) ipn_url: Option<String>,
}

impl Wishes {
    /// The input layer. `is_new` tells a creation from a change.
    pub(super) fn read(members: &Members<'_>, is_new: bool) -> Result<Self, Refusal> {
        members.known(UNKNOWN, &[&KNOWN])?;
        if is_new && members.get("paymentOrderId").is_some() {
            return Err(members.wrong("paymentOrderId", "INT_900"));
        }
        let amount = amount(members, is_new)?;
        let currency = members
            .read("currency", "INT_010", |value| value.as_str().filter(|text| is_currency(text)))?
            .ok_or_else(|| members.missing("currency", "INT_010"))?
            .to_owned();
        let tax_amount = members.integer("taxAmount", "INT_869")?;
        if tax_amount.is_some_and(|tax| tax < 0) {
            return Err(members.wrong("taxAmount", "INT_869"));
        }
        if tax_amount.is_some_and(|tax| tax > amount) {
            return Err(members.wrong("taxAmount", "INT_868"));
        }
        let (manual_validation, capture_delay) = card_options(members)?;
        remaining(members)?;
        Ok(Self {
            amount,
            currency,
            channel: channel::read(members)?,
            order_id: members
                .read("orderId", "INT_013", |value| value.as_str().filter(|text| is_order_id(text)))?
                .map(str::to_owned),
            expires: members.date("expirationDate", "INT_855")?,
            locale: members.word("locale", "INT_856", &text::LOCALES)?,
            strong_authentication: members.word("strongAuthentication", "INT_050", &STRONG_AUTHENTICATION)?,
            tax_rate: members.read("taxRate", "INT_858", tax_rate)?,
            tax_amount,
            receipt_email: members.email("paymentReceiptEmail", "INT_851")?,
            data_form: members.flag("dataCollectionForm", "INT_853")?,
            manual_validation,
            capture_delay,
            merchant_comment: members.text("merchantComment", "INT_902")?,
            metadata: members.read("metadata", "INT_091", metadata)?,
            customer: customer(members)?,
            return_url: members.url("returnUrl", "INT_920")?,
            ipn_url: members.url("ipnTargetUrl", "INT_926")?,
        })
    }

    /// What the shop's contract and the clock allow.
    ///
    /// Source for a currency without a contract: facts of 1 December 2026 (observed live) for a creation, the complete
    /// table of the provider page `Charge/PaymentOrder/Update` for a change.
    pub(super) fn check(
        &self,
        shop: &DemoShop,
        locale: &str,
        is_new: bool,
        now: Timestamp,
    ) -> Result<(), Refusal> {
        let currency = self.currency.as_str();
        if !text::knows_currency(currency) {
            return Err(Refusal::new("PSP_519"));
        }
        if !shop.currencies.contains(&currency) {
            return Err(if is_new { no_contract() } else { Refusal::new("PSP_606") });
        }
        let latest = now.checked_add(SignedDuration::from_hours(EXPIRATION_DAYS.saturating_mul(24)));
        if self.expires.is_some_and(|at| at < now || latest.is_ok_and(|latest| at > latest)) {
            return Err(Refusal::new("PSP_1007"));
        }
        if self.data_form == Some(true) {
            if shop.data_form_currencies.is_empty() {
                return Err(Refusal::new("PSP_1015"));
            }
            if !shop.data_form_currencies.contains(&currency) {
                return Err(Refusal::new("PSP_1018"));
            }
        }
        self.channel.as_ref().map_or(Ok(()), |wanted| channel::check(wanted, shop, locale))
    }
}

/// More than 0. A change knows only `INT_009` for a wrong amount (its table is complete); `PSP_1024` comes from third-party
/// clients of the creation.
fn amount(members: &Members<'_>, is_new: bool) -> Result<i64, Refusal> {
    let amount = members.integer("amount", "INT_009")?.ok_or_else(|| members.missing("amount", "INT_009"))?;
    match amount {
        1.. => Ok(amount),
        0 if is_new => Err(members.wrong("amount", "PSP_1024")),
        _ => Err(members.wrong("amount", "INT_009")),
    }
}

/// The shop has no contract for the currency.
fn no_contract() -> Refusal {
    let detailed_code = Some("NO_ACCEPTANCE_AGREEMENT_AVAILABLE".to_owned());
    Refusal { detailed_code, ..Refusal::new("PSP_610") }
}

/// Whether it is the code of a currency. One that the platform does not know is another matter, `PSP_519`.
///
/// Source: facts of 1 December 2026, a recorded message of 2019: `INT_010` for three letters that are no currency.
pub(super) fn is_currency(text: &str) -> bool {
    text::is_iso_currency(text)
}

fn is_order_id(text: &str) -> bool {
    !text.is_empty() && text.len() <= ORDER_ID_CHARS && text.bytes().all(|b| (0x20..0x7f).contains(&b))
}

/// A percentage.
fn tax_rate(value: &Value) -> Option<Value> {
    value.as_f64().filter(|rate| (0.0..=100.0).contains(rate)).map(|_| value.clone())
}

/// Texts, numbers, booleans and nulls, echoed on the transactions as they came (inferred). Source: facts of 1 December
/// 2026, official code of `Charge/CreatePayment`.
fn metadata(value: &Value) -> Option<Value> {
    let is_flat = |value: &Value| !value.is_object() && !value.is_array();
    value.as_object().filter(|map| map.values().all(is_flat)).map(|_| value.clone())
}

fn card_options(members: &Members<'_>) -> Result<(Option<bool>, Option<i64>), Refusal> {
    let Some(options) = members.object("transactionOptions", "INT_902")? else { return Ok((None, None)) };
    options.known(UNKNOWN, &[&["cardOptions"]])?;
    let Some(card) = options.object("cardOptions", "INT_902")? else { return Ok((None, None)) };
    card.known(UNKNOWN, &[&["manualValidation", "captureDelay"]])?;
    let manual = card.word("manualValidation", "INT_005", &["YES", "NO"])?;
    let delay = card.integer("captureDelay", "INT_006")?;
    if delay.is_some_and(|days| !(0..=365).contains(&days)) {
        return Err(card.wrong("captureDelay", "INT_006"));
    }
    Ok((manual.map(|word| word == "YES"), delay))
}

/// The customer is kept as sent: its inner objects have more members than the documentation lists.
fn customer(members: &Members<'_>) -> Result<Option<Value>, Refusal> {
    if let Some(customer) = members.object("customer", "INT_902")? {
        customer.known(
            UNKNOWN,
            &[&["email", "reference", "billingDetails", "shippingDetails", "shoppingCart", "extraDetails"]],
        )?;
        customer.email("email", "INT_015")?;
    }
    Ok(members.get("customer").cloned())
}

/// Members that are checked and then have no effect here.
fn remaining(members: &Members<'_>) -> Result<(), Refusal> {
    members.read("paymentMethods", "INT_902", |value| {
        value.as_array().filter(|methods| methods.iter().all(Value::is_string))
    })?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::lyra::services::body;
    use crate::lyra::shops::demo_shop;
    use crate::platform::merge;

    /// The code that refuses a creation or a change at this brand.
    fn judge(brand: &str, patch: &Value, is_new: bool) -> Option<String> {
        let mut sent = json!({"amount": 1000, "currency": "EUR"});
        merge(&mut sent, patch);
        let now = "2026-01-01T00:00:00Z".parse().unwrap();
        let read = body(&sent).and_then(|members| Wishes::read(&members, is_new));
        let judged = read.and_then(|wishes| {
            let locale = wishes.locale.clone().unwrap_or_else(|| "fr_FR".into());
            wishes.check(&demo_shop(brand).unwrap(), &locale, is_new, now)
        });
        judged.err().map(|refusal| refusal.code)
    }

    #[test]
    fn wrong_input_has_its_code() {
        let mail =
            |options: Value| json!({"channelOptions": {"channelType": "MAIL", "mailOptions": options}});
        let sms = |phone: &str| json!({"channelOptions": {"channelType": "SMS", "smsOptions": {"phoneNumber": phone}}});
        let whats_app = |phone: &str| json!({"channelOptions": {"channelType": "WHATSAPP", "whatsAppOptions": {"phoneNumber": phone}}});
        let channel = |options: Value| json!({"channelOptions": options});
        let card = |options: Value| json!({"transactionOptions": {"cardOptions": options}});
        for (patch, code) in [
            (json!({"amount": null}), "INT_009"),
            (json!({"amount": -1}), "INT_009"),
            (json!({"amount": "10.5"}), "INT_009"),
            (json!({"currency": "eur"}), "INT_010"),
            (json!({"currency": "ZZZ"}), "INT_010"),
            (json!({"currency": "XAU"}), "PSP_519"),
            (json!({"strongAuthentication": "MAYBE"}), "INT_050"),
            (json!({"locale": "fr"}), "INT_856"),
            (json!({"taxRate": 101}), "INT_858"),
            (json!({"taxAmount": -1}), "INT_869"),
            (json!({"taxAmount": 1001}), "INT_868"),
            (json!({"orderId": "x".repeat(65)}), "INT_013"),
            (json!({"orderId": "é"}), "INT_013"),
            (json!({"expirationDate": "2026-01-02"}), "INT_855"),
            (json!({"expirationDate": "2025-12-31T23:59:59+00:00"}), "PSP_1007"),
            (json!({"expirationDate": "2026-04-01T00:00:01+00:00"}), "PSP_1007"),
            (json!({"paymentReceiptEmail": "nobody"}), "INT_851"),
            (json!({"dataCollectionForm": "yes"}), "INT_853"),
            (json!({"dataCollectionForm": true, "currency": "USD"}), "PSP_1018"),
            (json!({"metadata": {"a": [1]}}), "INT_091"),
            (json!({"customer": {"email": "nobody"}}), "INT_015"),
            (json!({"customer": {"mail": "x"}}), "INT_900"),
            (json!({"ammount": 1}), "INT_900"),
            (card(json!({"manualValidation": true})), "INT_005"),
            (card(json!({"captureDelay": 366})), "INT_006"),
            (json!({"returnUrl": "ftp://x"}), "INT_920"),
            (json!({"returnUrl": "/back"}), "INT_920"),
            (json!({"returnUrl": "javascript:alert(1)"}), "INT_920"),
            (json!({"successUrl": "https://shop.example"}), "INT_900"),
            (json!({"ipnTargetUrl": "x"}), "INT_926"),
            (json!({"paymentMethods": "CARD"}), "INT_902"),
            (channel(json!({"channelType": "PIGEON"})), "INT_854"),
            (channel(json!({"channelType": "INVOICE"})), "PSP_1016"),
            (channel(json!({"channel": "MAIL"})), "INT_900"),
            (channel(json!({"channelType": "MAIL"})), "INT_841"),
            (mail(json!({})), "INT_850"),
            (mail(json!({"recipient": "a@b..c"})), "PSP_1033"),
            (mail(json!({"recipient": "a@b.c", "bcc": "d@e.f;g"})), "PSP_1033"),
            (mail(json!({"recipient": "a@b.c", "subject": 1})), "INT_843"),
            (mail(json!({"recipient": "a@b.c", "body": 1})), "INT_842"),
            (mail(json!({"recipient": "a@b.c", "body": "x".repeat(10_001)})), "INT_914"),
            (mail(json!({"recipient": "a@b.c", "template": "x"})), "PSP_1022"),
            (channel(json!({"channelType": "SMS"})), "INT_836"),
            (channel(json!({"channelType": "SMS", "smsOptions": {"message": "m"}})), "INT_838"),
            (sms("0611111111"), "PSP_1031"),
            (sms("+33600991028"), "PSP_1028"),
            (sms("+33600991044"), "PSP_1044"),
            (channel(json!({"channelType": "WHATSAPP"})), "INT_839"),
            (channel(json!({"channelType": "WHATSAPP", "whatsAppOptions": {}})), "INT_837"),
            (whats_app("+33600991001"), "PSP_1001"),
            (whats_app("+33600991002"), "PSP_1002"),
        ] {
            for is_new in [true, false] {
                assert_eq!(judge("systempay", &patch, is_new).as_deref(), Some(code), "{patch} new={is_new}");
            }
        }
        for (brand, patch, of_creation, of_change) in [
            // The complete table of the change has another code than was seen for a creation.
            ("systempay", json!({"currency": "XPF"}), Some("PSP_610"), Some("PSP_606")),
            ("systempay", json!({"amount": 0}), Some("PSP_1024"), Some("INT_009")),
            ("systempay", json!({"paymentOrderId": "x"}), Some("INT_900"), None),
            ("epaync", json!({"dataCollectionForm": "true"}), Some("PSP_1015"), Some("PSP_1015")),
            ("epaync", whats_app("+33611111111"), Some("PSP_1003"), Some("PSP_1003")),
        ] {
            let codes = [true, false].map(|is_new| judge(brand, &patch, is_new));
            assert_eq!(codes.each_ref().map(Option::as_deref), [of_creation, of_change], "{patch}");
        }
    }

    #[test]
    fn everything_right_is_taken() {
        let all = json!({
            "amount": "2000", "orderId": "cart-42", "locale": "en_GB", "taxRate": 21.5, "taxAmount": 0,
            "expirationDate": "2026-04-01T00:00:00+00:00", "dataCollectionForm": "true",
            "metadata": {"a": "b", "n": 1.5, "t": true, "z": null}, "strongAuthentication": "CHALLENGE_REQUESTED",
            "transactionOptions": {"cardOptions": {"manualValidation": "YES", "captureDelay": 0}}, "paymentMethods": ["CARD"],
            "customer": {"email": "a@b.c", "billingDetails": {"any": 1}}, "returnUrl": "https://shop.example/back?x=1",
            "channelOptions": {"channelType": "MAIL", "mailOptions": {"recipient": "a@b.c", "template": "demo_template"}},
        });
        assert_eq!(judge("systempay", &all, true), None);
    }
}
