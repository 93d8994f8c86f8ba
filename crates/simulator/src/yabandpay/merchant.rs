//! The one merchant of the sandbox.

/// A merchant of the simulated platform. The credentials are open to everyone and worth nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Merchant {
    /// UID of the cashier account. Text: the leading zero counts.
    pub(super) user: &'static str,
    /// Key of the signatures, used as ASCII text.
    pub(super) secret_key: &'static str,
    pub(super) merchant_name: &'static str,
    pub(super) store_name: &'static str,
    pub(super) cashier_name: &'static str,
}

/// The user is the one of the sample of `v3.CancelPayment`; YabandPay publishes no key, this one is invented.
pub(super) const MERCHANT: Merchant = Merchant {
    user: "016683",
    secret_key: "SIMULATORYABANDPAY00000000000000",
    merchant_name: "DEMO MERCHANT",
    store_name: "DEMO STORE",
    cashier_name: "DEMO CASHIER",
};

/// Currencies that the contract covers; all have two decimals. Source: third-party integrations of the v3 API; the
/// list of a real merchant is contractual.
pub(super) const CURRENCIES: [&str; 12] =
    ["EUR", "CNY", "HKD", "GBP", "CHF", "DKK", "SEK", "PLN", "NOK", "USD", "HUF", "CZK"];
