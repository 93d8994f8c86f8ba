//! What a creation or a change asks for, read strictly.
//!
//! Two layers, as the codes have it: `read` is the input layer (`INT_*`, and needs nothing but the request),
//! `check` asks the shop and the clock (`PSP_*`).
//! Source: Lyra REST API V4, `Charge/CreatePaymentOrder`; provider page `Charge/PaymentOrder/Update`, table of errors.

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::channel;
use super::members::Members;
use super::order::{Channel, ReturnMode, Returns};
use super::shops::DemoShop;
use super::text;
use crate::platform::Refusal;

/// Members of a creation; a change has `paymentOrderId` too.
const KNOWN: [&str; 26] = [
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
    "formAction",
    "returnMode",
    "returnUrl",
    "successUrl",
    "refusedUrl",
    "cancelUrl",
    "errorUrl",
    "ipnTargetUrl",
    "description",
    "paymentOrderId",
];

/// What the payer's page does when a request does not say.
pub(super) const PAYMENT: &str = "PAYMENT";

const STRONG_AUTHENTICATION: [&str; 5] =
    ["AUTO", "DISABLED", "ENABLED", "CHALLENGE_REQUESTED", "CHALLENGE_MANDATE"];

/// Longest merchant reference. Source: third-party clients of Lyra REST API V4.
const ORDER_ID_CHARS: usize = 64;

/// Wrong instalment options. `INT_929` to `INT_933` and `INT_945` speak of them too, and nothing says which means what.
const INSTALLMENTS: &str = "INT_928";

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
    pub(super) form_action: Option<String>,
    pub(super) returns: Returns,
    pub(super) ipn_url: Option<String>,
}

impl Wishes {
    /// The input layer. `is_new` tells a creation from a change.
    pub(super) fn read(members: &Members<'_>, is_new: bool) -> Result<Self, Refusal> {
        members.only(&KNOWN)?;
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
            form_action: members.text("formAction", "INT_875")?,
            returns: Returns {
                any: members.url("returnUrl", "INT_920")?,
                cancel: members.url("cancelUrl", "INT_921")?,
                success: members.url("successUrl", "INT_922")?,
                refused: members.url("refusedUrl", "INT_923")?,
                mode: members.read("returnMode", "INT_927", return_mode)?,
            },
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

/// More than 0 for a payment, 0 for `REGISTER`. A change knows only `INT_009` for a wrong amount (its table is
/// complete); `PSP_1023` and `PSP_1024` come from third-party clients of the creation.
fn amount(members: &Members<'_>, is_new: bool) -> Result<i64, Refusal> {
    let action = members.word("formAction", "INT_875", &[PAYMENT, "REGISTER", "REGISTER_PAY"])?;
    let registers_only = action.as_deref() == Some("REGISTER");
    let amount = members.integer("amount", "INT_009")?.ok_or_else(|| members.missing("amount", "INT_009"))?;
    if amount < 0 || (amount == 0 && !is_new) {
        Err(members.wrong("amount", "INT_009"))
    } else if registers_only && amount != 0 {
        Err(members.wrong("amount", "PSP_1023"))
    } else if !registers_only && amount == 0 {
        Err(members.wrong("amount", "PSP_1024"))
    } else {
        Ok(amount)
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
    options.only(&["cardOptions", "installmentOptions"])?;
    if let Some(installments) = options.object("installmentOptions", INSTALLMENTS)? {
        installments.only(&["firstAmount", "count", "period", "schedules"])?;
        for name in ["firstAmount", "count", "period"] {
            if installments.integer(name, INSTALLMENTS)?.is_some_and(|number| number < 1) {
                return Err(installments.wrong(name, INSTALLMENTS));
            }
        }
        installments.read("schedules", INSTALLMENTS, Value::as_array)?;
    }
    let Some(card) = options.object("cardOptions", "INT_902")? else { return Ok((None, None)) };
    card.only(&["manualValidation", "captureDelay"])?;
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
        customer.only(&[
            "email",
            "reference",
            "billingDetails",
            "shippingDetails",
            "shoppingCart",
            "extraDetails",
        ])?;
        customer.email("email", "INT_015")?;
    }
    Ok(members.get("customer").cloned())
}

fn return_mode(value: &Value) -> Option<ReturnMode> {
    match value.as_str()? {
        "NONE" => Some(ReturnMode::None),
        "GET" => Some(ReturnMode::Get),
        "POST" => Some(ReturnMode::Post),
        _ => None,
    }
}

/// Members that are checked and then have no effect here.
fn remaining(members: &Members<'_>) -> Result<(), Refusal> {
    members.url("errorUrl", "INT_924")?;
    members.text("description", "INT_902")?;
    members.read("paymentMethods", "INT_902", |value| {
        value.as_array().filter(|methods| methods.iter().all(Value::is_string))
    })?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::lyra::shops::demo_shop;
    use crate::platform::merge;

    fn now() -> Timestamp {
        "2026-01-01T00:00:00Z".parse().unwrap()
    }

    fn judge(brand: &str, patch: &Value, is_new: bool) -> Result<Wishes, String> {
        let mut body = json!({"amount": 1000, "currency": "EUR"});
        merge(&mut body, patch);
        let wishes = Members::of_body(&body).and_then(|members| Wishes::read(&members, is_new));
        let wishes = wishes.map_err(|refusal| refusal.code)?;
        let locale = wishes.locale.clone().unwrap_or_else(|| "fr_FR".into());
        let shop = demo_shop(brand).unwrap();
        wishes.check(&shop, &locale, is_new, now()).map_err(|refusal| refusal.code)?;
        Ok(wishes)
    }

    #[track_caller]
    fn check(patch: Value, expected: &str) {
        for is_new in [true, false] {
            assert_eq!(
                judge("systempay", &patch, is_new).err().as_deref(),
                Some(expected),
                "{patch} new={is_new}"
            );
        }
    }

    #[test]
    fn wrong_input_has_its_code() {
        check(json!({"amount": null}), "INT_009");
        check(json!({"amount": -1}), "INT_009");
        check(json!({"amount": 10.5}), "INT_009");
        check(json!({"amount": "10.5"}), "INT_009");
        check(json!({"amount": [1]}), "INT_009");
        check(json!({"currency": null}), "INT_010");
        check(json!({"currency": "eur"}), "INT_010");
        check(json!({"currency": "EURO"}), "INT_010");
        check(json!({"strongAuthentication": "MAYBE"}), "INT_050");
        check(json!({"locale": "de_XX"}), "INT_856");
        check(json!({"locale": "fr"}), "INT_856");
        check(json!({"taxRate": -1}), "INT_858");
        check(json!({"taxRate": 101}), "INT_858");
        check(json!({"taxAmount": -1}), "INT_869");
        check(json!({"taxAmount": 1001}), "INT_868");
        check(json!({"orderId": "x".repeat(65)}), "INT_013");
        check(json!({"orderId": "é"}), "INT_013");
        check(json!({"orderId": ""}), "INT_013");
        check(json!({"orderId": 12}), "INT_013");
        check(json!({"expirationDate": "2026-01-02"}), "INT_855");
        check(json!({"paymentReceiptEmail": "nobody"}), "INT_851");
        check(json!({"dataCollectionForm": "yes"}), "INT_853");
        check(json!({"metadata": {"a": {}}}), "INT_091");
        check(json!({"metadata": {"a": [1]}}), "INT_091");
        check(json!({"metadata": "a"}), "INT_091");
        check(json!({"currency": "ZZZ"}), "INT_010");
        check(json!({"formAction": "STEAL"}), "INT_875");
        check(json!({"customer": {"email": "nobody"}}), "INT_015");
        check(json!({"customer": {"mail": "x"}}), "INT_900");
        check(json!({"ammount": 1}), "INT_900");
        check(json!({"transactionOptions": {"cardOptions": {"manualValidation": true}}}), "INT_005");
        check(json!({"transactionOptions": {"cardOptions": {"captureDelay": 366}}}), "INT_006");
        check(json!({"transactionOptions": {"installmentOptions": 3}}), "INT_928");
        check(json!({"transactionOptions": {"installmentOptions": {"count": 0}}}), "INT_928");
        check(json!({"transactionOptions": {"installmentOptions": {"schedules": 1}}}), "INT_928");
        check(json!({"transactionOptions": {"card": {}}}), "INT_900");
        check(json!({"returnUrl": "ftp://x"}), "INT_920");
        check(json!({"cancelUrl": "x"}), "INT_921");
        check(json!({"successUrl": "x"}), "INT_922");
        check(json!({"refusedUrl": "x"}), "INT_923");
        check(json!({"errorUrl": "x"}), "INT_924");
        check(json!({"ipnTargetUrl": "x"}), "INT_926");
        check(json!({"returnMode": "PUT"}), "INT_927");
        check(json!({"paymentMethods": "CARD"}), "INT_902");
        check(json!({"merchantComment": 1}), "INT_902");
    }

    #[test]
    fn contract_and_clock_have_their_codes() {
        check(json!({"currency": "XAU"}), "PSP_519");
        // The complete table of the change has another code than was seen for a creation.
        let foreign = |is_new| judge("systempay", &json!({"currency": "XPF"}), is_new).err();
        assert_eq!((foreign(true).as_deref(), foreign(false).as_deref()), (Some("PSP_610"), Some("PSP_606")));
        check(json!({"expirationDate": "2025-12-31T23:59:59+00:00"}), "PSP_1007");
        check(json!({"expirationDate": "2026-04-01T00:00:01+00:00"}), "PSP_1007");
        check(json!({"dataCollectionForm": true, "currency": "USD"}), "PSP_1018");
        let form = json!({"dataCollectionForm": "true"});
        assert_eq!(judge("epaync", &form, true).err().as_deref(), Some("PSP_1015"));
    }

    #[test]
    fn an_amount_of_zero_only_registers() {
        assert_eq!(judge("systempay", &json!({"amount": 0}), true).err().as_deref(), Some("PSP_1024"));
        assert_eq!(judge("systempay", &json!({"amount": 0}), false).err().as_deref(), Some("INT_009"));
        let register = json!({"formAction": "REGISTER"});
        assert_eq!(judge("systempay", &register, true).err().as_deref(), Some("PSP_1023"));
        assert!(judge("systempay", &json!({"formAction": "REGISTER", "amount": 0}), true).is_ok());
        assert_eq!(
            judge("systempay", &json!({"paymentOrderId": "x"}), true).err().as_deref(),
            Some("INT_900"),
            "a creation names no order"
        );
    }

    #[test]
    fn everything_right_is_taken() {
        let wishes = judge(
            "systempay",
            &json!({
                "amount": "2000", "orderId": "cart-42", "locale": "es_PE", "taxRate": 21.5, "taxAmount": 0,
                "expirationDate": "2026-04-01T00:00:00+00:00", "dataCollectionForm": "true", "metadata": {"a": "b"},
                "strongAuthentication": "CHALLENGE_REQUESTED", "merchantComment": "c", "description": "d",
                "transactionOptions": {"cardOptions": {"manualValidation": "YES", "captureDelay": 0}},
                "paymentMethods": ["CARD"], "customer": {"email": "a@b.c", "billingDetails": {"any": 1}},
                "returnUrl": "https://shop.example/back", "returnMode": "GET", "formAction": "PAYMENT",
            }),
            true,
        )
        .unwrap();
        assert_eq!(
            (wishes.amount, wishes.manual_validation, wishes.data_form),
            (2000, Some(true), Some(true))
        );
        assert_eq!((wishes.metadata, wishes.channel), (Some(json!({"a": "b"})), None));
    }

    #[test]
    fn metadata_is_flat_and_echoed_as_it_came() {
        for taken in [json!({}), json!({"a": "b", "n": 1.5, "t": true, "z": null})] {
            assert_eq!(metadata(&taken), Some(taken.clone()));
        }
    }
}
