//! The web services of the platform that the adapter calls. Source: Lyra REST API V4, the page of each.

pub(super) const CREATE: &str = "Charge/CreatePaymentOrder";
pub(super) const GET: &str = "Charge/PaymentOrder/Get";
pub(super) const UPDATE: &str = "Charge/PaymentOrder/Update";
pub(super) const CANCEL: &str = "Charge/PaymentOrder/Cancel";
pub(super) const SDK_TEST: &str = "Charge/SDKTest";
pub(super) const TRANSACTIONS: &str = "Order/Get";
pub(super) const CANCEL_OR_REFUND: &str = "Transaction/CancelOrRefund";
pub(super) const VALIDATE: &str = "Transaction/Validate";
pub(super) const TRANSACTION_UPDATE: &str = "Transaction/Update";
