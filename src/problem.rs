//! Why a call did not do what was asked, in stable codes.

use crate::{
    adapter::{VIOLATIONS_MAX, Violation},
    domain::{OperationId, OrderId, Outcome, operation::Failure},
};

/// Defines the codes once; table, pages and OpenAPI come from it.
macro_rules! problem_codes {
    ($($variant:ident $code:literal $status:literal $title:literal $meaning:literal;)*) => {
        /// A stable code of a problem.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[allow(missing_docs, reason = "each is documented by its meaning, served at /problems/<code>")]
        pub enum ProblemCode { $($variant),* }

        impl ProblemCode {
            /// Every code, in the order of the documentation.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// The word in `code` and at the end of `type`.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $code),* }
            }

            /// The HTTP status it is answered with.
            pub fn status(self) -> u16 {
                match self { $(Self::$variant => $status),* }
            }

            /// A few words, the same every time.
            pub fn title(self) -> &'static str {
                match self { $(Self::$variant => $title),* }
            }

            /// What it means and what to do, for its page.
            pub fn meaning(self) -> &'static str {
                match self { $(Self::$variant => $meaning),* }
            }
        }
    };
}

problem_codes! {
    InvalidJson "invalid_json" 400 "The body is not valid JSON" "The body could not be read as JSON: send one JSON object in UTF-8, at most 32 levels deep, without repeated members.";
    ValidationFailed "validation_failed" 400 "The request is not valid" "One or more members, parameters or headers are wrong; `errors` names each, at most 50, with a JSON pointer and says what would be right.";
    InvalidHeader "invalid_header" 400 "A header is not valid" "A request header, or the request line, is nothing guichet can read.";
    InvalidCursor "invalid_cursor" 400 "The cursor is not valid" "The cursor was altered, belongs to another list or client, or is of before a restore of the store. Start again without it.";
    IdempotencyKeyMissing "idempotency_key_missing" 400 "Idempotency-Key is required" "Creates, refunds and changes that name an amount need an `Idempotency-Key`: 1 to 255 visible ASCII characters, new for every thing you want done.";
    IdempotencyKeyInvalid "idempotency_key_invalid" 400 "Idempotency-Key is not valid" "The key must be 1 to 255 visible ASCII characters, bare or as a quoted string.";
    Unauthenticated "unauthenticated" 401 "No valid credentials" "Send an API key as `Authorization: Bearer <key>` or `X-API-Key: <key>`, or a token of the configured issuer as `Authorization: Bearer <token>`.";
    Forbidden "forbidden" 403 "Not allowed" "The client's credential does not have the scope this call needs. Without credentials (`auth.mode` is `none`): the host is none of guichet's own, or a web page of another origin is behind the call. `detail` says which.";
    NotFound "not_found" 404 "Not found" "There is no such thing, or your client may not use its account.";
    PaymentDeclined "payment_declined" 402 "Payment declined" "The issuer or the payer's side declined. Nothing moved.";
    OrderStateConflict "order_state_conflict" 409 "The order's state does not allow this" "Read the order: `available_actions` lists what may be done now and why not the rest.";
    OperationInProgress "operation_in_progress" 409 "Another change is under way" "Another operation of this order is under way, or its outcome is not known yet. Look at it before you try again.";
    IdempotencyKeyInUse "idempotency_key_in_use" 409 "This request is still running" "A request with the same key is still running. Ask again in a moment with the same key.";
    AlreadyRefunded "already_refunded" 409 "Already refunded" "Everything that was paid has been given back.";
    WindowClosed "window_closed" 409 "Too late at the provider" "The provider allows this only within a time window that has passed.";
    MerchantReferenceInUse "merchant_reference_in_use" 409 "The merchant reference is in use" "Another open or paid order of this account has this merchant reference.";
    EndpointLimitReached "endpoint_limit_reached" 409 "Too many webhook endpoints" "A client may have 20 webhook endpoints: remove one, or change it.";
    VersionMismatch "version_mismatch" 412 "The order has changed" "`If-Match` does not match the order as it is now. Read it again.";
    BodyTooLarge "body_too_large" 413 "The body is too large" "A request body may have 64 KiB.";
    UnsupportedMediaType "unsupported_media_type" 415 "The media type is not supported" "Send `Content-Type: application/json`; for PATCH also `application/merge-patch+json`. Compressed bodies are not read.";
    MethodNotAllowed "method_not_allowed" 405 "The method is not allowed" "`Allow` lists the methods of this address.";
    NotAcceptable "not_acceptable" 406 "No acceptable representation" "Answers are JSON: accept `application/json`.";
    HeadersTooLarge "headers_too_large" 431 "The headers are too large" "Request headers and the address may have 16 KiB together.";
    UnsupportedByProvider "unsupported_by_provider" 422 "The provider cannot do this" "The account's provider has no such operation or member; nothing was sent. `GET /accounts` shows what it can do.";
    AmountExceedsRemaining "amount_exceeds_remaining" 422 "The amount is more than what is left" "Name at most what is left; `available_actions` shows it.";
    CurrencyMismatch "currency_mismatch" 422 "The currency is not the order's" "Amounts of a change must be in the currency of the order.";
    CurrencyNotSupported "currency_not_supported" 422 "The currency is not supported" "The platform or the merchant's contract does not take this currency.";
    IdempotencyKeyExpired "idempotency_key_expired" 409 "The key was used long ago" "An `Idempotency-Key` that had an effect never runs again, and what it did is no longer kept with it. Look the order up; use a new key for a new thing.";
    IdempotencyKeyReused "idempotency_key_reused" 422 "The key was used for another request" "An `Idempotency-Key` belongs to one request. Use a new key for a new thing.";
    ProviderRefused "provider_refused" 422 "The provider refused" "A definite no from the provider; nothing moved. `provider` holds its code.";
    RateLimited "rate_limited" 429 "Too many requests" "Slow down; `Retry-After` says when to try again.";
    InternalError "internal_error" 500 "Internal error" "A fault of guichet. Nothing was sent to the provider.";
    ProviderBadResponse "provider_bad_response" 502 "The provider's answer is unusable" "A read was answered with something that is not the provider's protocol, or with a refusal that says nothing about the order.";
    ProviderTimeout "provider_timeout" 504 "The provider answered too late" "A read took too long. Try again later.";
    ProviderUnavailable "provider_unavailable" 503 "The provider is not available" "The provider cannot be reached or says that it cannot work now. Nothing was done.";
    AccountMisconfigured "account_misconfigured" 503 "The account is misconfigured" "The provider refuses the account's credentials, contract or options. Only an operator can help.";
    Overloaded "overloaded" 503 "Too busy" "Guichet has more work than it can do in time. Nothing was done; try again later.";
    Draining "draining" 503 "Stopping" "This instance is stopping and takes no new work. Try again: another one will answer.";
    StoreUnavailable "store_unavailable" 503 "The store is not available" "Guichet cannot write down what it is about to do, so it does nothing. Try again later.";
}

impl ProblemCode {
    /// The code with this word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|code| code.as_str() == word)
    }

    /// Whether the same request with the same key may be sent again and may then work.
    pub fn retryable(self) -> bool {
        matches!(
            self,
            Self::IdempotencyKeyInUse
                | Self::OperationInProgress
                | Self::RateLimited
                | Self::ProviderBadResponse
                | Self::ProviderTimeout
                | Self::ProviderUnavailable
                | Self::Overloaded
                | Self::Draining
                | Self::StoreUnavailable
        )
    }
}

/// What the provider itself said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProviderWord {
    /// The platform's id.
    pub name: String,
    /// Its own code.
    pub code: Option<String>,
    /// What that code means.
    pub message: Option<String>,
}

/// Violations that the text for people names; the others are in the list only.
const IN_DETAIL: usize = 10;

/// A failed call, before it is turned into HTTP.
#[derive(Debug, Clone, PartialEq)]
pub struct Problem {
    /// The stable code.
    pub code: ProblemCode,
    /// For people; safe to show to staff.
    pub detail: String,
    /// What happened to the money; only for changes.
    pub outcome: Option<Outcome>,
    /// Whether the same request may be sent again; the code's own answer unless a case differs.
    pub retryable: bool,
    /// Every member that is wrong.
    pub errors: Vec<Violation>,
    /// What the provider said.
    pub provider: Option<ProviderWord>,
    /// The order it is about.
    pub order_id: Option<OrderId>,
    /// The operation it is about.
    pub operation_id: Option<OperationId>,
    /// Why the state does not allow it, as a stable word.
    pub reason: Option<String>,
}

impl Problem {
    /// A problem with a text of its own.
    pub fn new(code: ProblemCode, detail: impl Into<String>) -> Self {
        Self {
            code,
            detail: detail.into(),
            outcome: None,
            retryable: code.retryable(),
            errors: Vec::new(),
            provider: None,
            order_id: None,
            operation_id: None,
            reason: None,
        }
    }

    /// A problem explained by its code alone.
    pub fn plain(code: ProblemCode) -> Self {
        Self::new(code, code.meaning())
    }

    /// Several members are wrong. [`VIOLATIONS_MAX`] of them are named.
    pub fn invalid(mut errors: Vec<Violation>) -> Self {
        let is_cut = errors.len() > VIOLATIONS_MAX;
        errors.truncate(VIOLATIONS_MAX);
        let mut detail = errors
            .iter()
            .take(IN_DETAIL)
            .map(|error| format!("{}: {}", error.pointer, error.detail))
            .collect::<Vec<_>>()
            .join("; ");
        if errors.len() > IN_DETAIL {
            detail.push_str("; and more, see `errors`");
        }
        if is_cut {
            detail.push_str(", which names the first 50");
        }
        Self { errors, ..Self::new(ProblemCode::ValidationFailed, detail) }
    }

    /// The same, saying what happened to the money unless that is already said.
    #[must_use]
    pub fn or_outcome(mut self, outcome: Outcome) -> Self {
        self.outcome.get_or_insert(outcome);
        self
    }

    /// The same, about an order. "Not found" names none: it must not tell an absent order from one of an account
    /// that the client may not use.
    #[must_use]
    pub fn about(mut self, order: &OrderId) -> Self {
        if self.code != ProblemCode::NotFound {
            self.order_id = Some(order.clone());
        }
        self
    }

    /// What is kept of it with the operation.
    pub fn to_failure(&self) -> Failure {
        Failure {
            code: self.code.as_str().to_owned(),
            detail: self.detail.clone(),
            provider_code: self.provider.as_ref().and_then(|word| word.code.clone()),
            provider_message: self.provider.as_ref().and_then(|word| word.message.clone()),
            pointer: self.errors.first().map(|error| error.pointer.clone()),
            reason: self.reason.clone(),
        }
    }

    /// What was kept with an operation, as a problem again.
    pub fn from_failure(failure: &Failure, provider: &str) -> Self {
        let code = ProblemCode::from_word(&failure.code).unwrap_or(ProblemCode::ProviderRefused);
        let mut problem = Self::new(code, failure.detail.clone());
        if failure.provider_code.is_some() || failure.provider_message.is_some() {
            problem.provider = Some(ProviderWord {
                name: provider.to_owned(),
                code: failure.provider_code.clone(),
                message: failure.provider_message.clone(),
            });
        }
        if let Some(pointer) = &failure.pointer {
            problem.errors.push(Violation {
                pointer: pointer.clone(),
                code: code.as_str(),
                detail: failure.detail.clone(),
            });
        }
        problem.reason.clone_from(&failure.reason);
        problem
    }
}
