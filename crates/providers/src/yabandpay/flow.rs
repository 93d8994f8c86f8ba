//! The platform's ways to be paid: which method of the API makes a payment, and what each of them takes.
//!
//! Source: "Create payments" of API v3 and the pages of the other create methods; spellings of
//! `sub_pay_method` from the same pages, `PayPal` from an integration of a third party. Methods that charge
//! at once (scanned codes, card numbers, tokens, terminals) are left out: a lost answer there could not be
//! left alone. So are spellings that only old plugins have.

/// Currencies that integrations offer; which of them a merchant may use is in its contract. Source:
/// integrations of third parties. All have two decimals.
pub(super) const CURRENCIES: &[&str] =
    &["EUR", "CNY", "HKD", "GBP", "CHF", "DKK", "SEK", "PLN", "NOK", "USD", "HUF", "CZK"];

/// What `payment_method` may name.
pub(super) const PAYMENT_METHODS: &[&str] =
    &["wechat_pay", "alipay", "unionpay", "ideal", "bancontact", "payconiq", "paypal", "card"];

/// Whether a flow takes an address for the payer to come back to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ReturnUrl {
    Optional,
    Required,
    None,
}

/// One way to be paid.
#[derive(Debug)]
pub(super) struct Flow {
    /// Our word; `None` leaves the choice to the payer.
    pub(super) payment_method: Option<&'static str>,
    /// What `provider_options.flow` says; the first of a payment method is its default.
    pub(super) name: &'static str,
    /// The method of the API.
    pub(super) method: &'static str,
    /// Members that are always the same.
    pub(super) fixed: &'static [(&'static str, &'static str)],
    /// Options that must be given.
    pub(super) required: &'static [&'static str],
    /// Options that may be given.
    pub(super) optional: &'static [&'static str],
    /// Whether it takes no other currency than EUR.
    pub(super) euro_only: bool,
    /// The smallest amount in EUR cents.
    pub(super) minimum_eur: i64,
    pub(super) return_url: ReturnUrl,
    /// Whether the payer's e-mail address has a place.
    pub(super) takes_email: bool,
    /// Whether the merchant may capture by hand.
    pub(super) captures_by_hand: bool,
}

/// EUR 0.10 for most. Source: "Create payments" of API v3.
const USUAL: Flow = Flow {
    payment_method: None,
    name: "redirect",
    method: "v3.CreatePayments",
    fixed: &[],
    required: &[],
    optional: &[],
    euro_only: false,
    minimum_eur: 10,
    return_url: ReturnUrl::Optional,
    takes_email: false,
    captures_by_hand: false,
};

/// CNY 1.00 for all. Source: "Create payments" of API v3.
pub(super) const MINIMUM_CNY: i64 = 100;

const WECHAT: &[(&str, &str)] = &[("pay_method", "online"), ("sub_pay_method", "WeChat Pay")];
const ALIPAY: &[(&str, &str)] = &[("pay_method", "online"), ("sub_pay_method", "Alipay")];
const IDEAL: &[(&str, &str)] = &[("pay_method", "online"), ("sub_pay_method", "iDEAL")];

/// Every flow. The default of a payment method comes first.
pub(super) const FLOWS: &[Flow] = &[
    // The platform's own page, which offers what the merchant has activated.
    Flow { fixed: &[("pay_method", "online"), ("sub_pay_method", "YabandPay")], ..USUAL },
    // In the shop: the merchant shows a QR code that any wallet scans.
    Flow {
        name: "qr",
        method: "v3.QRcodePayment",
        fixed: &[("pay_method", "offline"), ("sub_pay_method", "QRcode")],
        optional: &["tip_amount"],
        ..USUAL
    },
    Flow { payment_method: Some("wechat_pay"), fixed: WECHAT, ..USUAL },
    Flow {
        payment_method: Some("wechat_pay"),
        name: "qr",
        method: "v3.CreateWechatNativePay",
        optional: &["url_type"],
        ..USUAL
    },
    Flow {
        payment_method: Some("wechat_pay"),
        name: "h5",
        method: "v3.CreatePaymentsWechatH5Pay",
        fixed: WECHAT,
        required: &["ip_address"],
        ..USUAL
    },
    Flow {
        payment_method: Some("wechat_pay"),
        name: "app",
        method: "v3.CreatePaymentsWechatAPPPay",
        fixed: WECHAT,
        required: &["sub_app_id"],
        ..USUAL
    },
    Flow {
        payment_method: Some("wechat_pay"),
        name: "mini_program",
        method: "v3.CreatePaymentsWechatMiniPay",
        fixed: WECHAT,
        required: &["sub_app_id", "sub_open_id"],
        return_url: ReturnUrl::None,
        ..USUAL
    },
    Flow { payment_method: Some("alipay"), fixed: ALIPAY, optional: &["sub_pay_method_type"], ..USUAL },
    Flow {
        payment_method: Some("alipay"),
        name: "web",
        method: "v3.CreatePaymentsAlipayWeb",
        fixed: ALIPAY,
        optional: &["sub_pay_method_type"],
        ..USUAL
    },
    Flow {
        payment_method: Some("alipay"),
        name: "wap",
        method: "v3.CreatePaymentsAlipayWap",
        fixed: ALIPAY,
        optional: &["sub_pay_method_type"],
        ..USUAL
    },
    Flow {
        payment_method: Some("alipay"),
        name: "app",
        method: "v3.CreatePaymentsAlipayAppPay",
        fixed: ALIPAY,
        required: &["os_type"],
        ..USUAL
    },
    // EUR 1.00 at least.
    Flow {
        payment_method: Some("unionpay"),
        fixed: &[("pay_method", "online"), ("sub_pay_method", "UnionPayWap")],
        minimum_eur: 100,
        ..USUAL
    },
    Flow { payment_method: Some("ideal"), fixed: IDEAL, optional: &["bic"], euro_only: true, ..USUAL },
    Flow {
        payment_method: Some("ideal"),
        name: "qr",
        method: "v3.CreatePaymentsiDEALQRcode",
        fixed: IDEAL,
        euro_only: true,
        ..USUAL
    },
    Flow {
        payment_method: Some("ideal"),
        name: "fast_checkout",
        fixed: &[("pay_method", "online"), ("sub_pay_method", "iDEAL Fast Checkout")],
        euro_only: true,
        ..USUAL
    },
    Flow {
        payment_method: Some("bancontact"),
        fixed: &[("pay_method", "online"), ("sub_pay_method", "Bancontact")],
        euro_only: true,
        takes_email: true,
        ..USUAL
    },
    Flow {
        payment_method: Some("payconiq"),
        fixed: &[("pay_method", "online"), ("sub_pay_method", "Payconiq")],
        euro_only: true,
        takes_email: true,
        ..USUAL
    },
    Flow {
        payment_method: Some("paypal"),
        fixed: &[("pay_method", "online"), ("sub_pay_method", "PayPal")],
        takes_email: true,
        ..USUAL
    },
    // The hosted page. The older edition had a minimum of EUR 1.00, the present one names none of its own.
    Flow {
        payment_method: Some("card"),
        method: "v3.CreateCardPayments",
        fixed: &[("pay_method", "online"), ("sub_pay_method", "Cards HPP")],
        optional: &["three_ds", "form_type"],
        return_url: ReturnUrl::Required,
        takes_email: true,
        captures_by_hand: true,
        ..USUAL
    },
];

/// The flows of a payment method, its default first.
pub(super) fn flows_of(payment_method: Option<&str>) -> impl Iterator<Item = &'static Flow> {
    FLOWS.iter().filter(move |flow| flow.payment_method == payment_method)
}

/// The flow of this name, or the default one.
pub(super) fn find(payment_method: Option<&str>, name: Option<&str>) -> Option<&'static Flow> {
    flows_of(payment_method).find(|flow| name.is_none_or(|name| flow.name == name))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::{super::options::OPTIONS, *};

    #[test]
    fn the_table_is_consistent() {
        let named: BTreeSet<_> = FLOWS.iter().filter_map(|flow| flow.payment_method).collect();
        assert_eq!(named, PAYMENT_METHODS.iter().copied().collect());
        let mut seen = BTreeSet::new();
        for flow in FLOWS {
            assert!(seen.insert((flow.payment_method, flow.name)), "{flow:?}");
            for option in flow.required.iter().chain(flow.optional) {
                assert!(OPTIONS.iter().any(|known| known.name == *option), "{option}");
            }
        }
        for method in PAYMENT_METHODS.iter().copied().map(Some).chain([None]) {
            assert_eq!(find(method, None).unwrap().name, "redirect", "{method:?}");
        }
        assert!(find(Some("klarna"), None).is_none() && find(Some("card"), Some("qr")).is_none());
    }
}
