//! The platform's codes and what they mean here.
//!
//! An outcome stands in `responseCode`, of the page's opening in `redirectionStatusCode`; the bank's own word is in
//! `acquirerResponseCode`. All come with HTTP 200.

use guichet_port::adapter::{
    ErrorKind::{
        self, AmountExceeded, CurrencyNotSupported, Declined, Incident, InvalidRequest, Misconfigured,
        NotFound, OutcomeUnknown, Refused, StateConflict, Temporary,
    },
    ProviderError,
};

use super::PROVIDER;

/// One code of the platform.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CodeRow {
    /// Two digits, or a letter and a digit.
    pub code: &'static str,
    /// What it means to callers as the answer to a call; `None`: it is no failure.
    pub kind: Option<ErrorKind>,
    /// The member of our API it objects to, where the code alone tells.
    pub pointer: Option<&'static str>,
    /// Why the state does not allow it, where the code alone tells.
    pub reason: Option<&'static str>,
    /// Its meaning in words.
    pub meaning: &'static str,
    /// Whether the same request may succeed later without being changed.
    pub retryable: bool,
}

const fn good(code: &'static str, meaning: &'static str) -> CodeRow {
    CodeRow { code, kind: None, pointer: None, reason: None, meaning, retryable: false }
}

const fn row(code: &'static str, kind: ErrorKind, meaning: &'static str) -> CodeRow {
    CodeRow { code, kind: Some(kind), pointer: None, reason: None, meaning, retryable: false }
}

const fn later(code: &'static str, kind: ErrorKind, meaning: &'static str) -> CodeRow {
    CodeRow { retryable: true, ..row(code, kind, meaning) }
}

const fn about(pointer: &'static str, row: CodeRow) -> CodeRow {
    CodeRow { pointer: Some(pointer), ..row }
}

const fn because(reason: &'static str, row: CodeRow) -> CodeRow {
    CodeRow { reason: Some(reason), ..row }
}

/// The one code that says two things: the state does not allow it, or another operation is running on the
/// transaction right now, such as the nightly remittance (cancel page, 2.55, `responseCode` 24).
pub(super) const STATE_OR_BUSY: &str = "24";

/// `responseCode`. Source: cancel page of the Sherlock's reference, interface 2.55; the classes and what may be
/// repeated: data dictionary and "Troubleshooting", release 25.2.
pub const RESPONSE_CODES: &[CodeRow] = &[
    good("00", "done"),
    row("01", OutcomeUnknown, "partly done"),
    row("02", Declined, "the issuer wants a phone call: the card's ceiling is exceeded"),
    row("03", Misconfigured, "the merchant or its contract is not valid"),
    row("05", Declined, "the authorization was refused"),
    row("11", Declined, "the card is blocked"),
    row("12", InvalidRequest, "the request is not valid"),
    row("14", Declined, "the payment details are not valid"),
    row("17", Declined, "the payer gave up"),
    later(
        STATE_OR_BUSY,
        StateConflict,
        "not possible in the transaction's state, or another operation is running on it",
    ),
    later("25", NotFound, "the transaction is not known"),
    row("30", InvalidRequest, "the format is wrong"),
    row("34", Misconfigured, "the seal or the version of the key is wrong"),
    row("40", Misconfigured, "the shop may not do this: the option is not enabled"),
    about("/amount/value", row("51", AmountExceeded, "the amount is too high")),
    row("54", Declined, "the payment means has expired"),
    row("55", Declined, "prepaid cards are not taken"),
    because(
        "charged_back",
        row("57", StateConflict, "the original payment was charged back, so it cannot be refunded"),
    ),
    good("60", "the transaction is pending"),
    good("62", "waits for a confirmation"),
    row("63", Declined, "security rules are not met"),
    row("75", Declined, "too many tries"),
    later("90", Incident, "the service is briefly unavailable"),
    row("94", Refused, "the reference has been used before"),
    row("97", Incident, "the session has expired"),
    later("99", Incident, "a temporary problem of the platform"),
];

/// `redirectionStatusCode`, the answer to the opening of a page. Source: Paypage JSON guide, "paymentInit", release
/// 25.2. 99 is temporary with nothing done: the page was not opened, and the next try has a reference of its own.
pub const REDIRECTION_CODES: &[CodeRow] = &[
    good("00", "the page is open"),
    row("03", Misconfigured, "the merchant or its contract is not valid"),
    row("12", InvalidRequest, "the request is not valid"),
    row("30", InvalidRequest, "the format is wrong"),
    row("34", Misconfigured, "the seal or the version of the key is wrong"),
    row("94", Refused, "the reference has been used before"),
    later("99", Temporary, "the service is unavailable"),
];

/// `acquirerResponseCode`, the bank's answer to an authorization. Source: cancel page of the Sherlock's reference,
/// interface 2.55. It never makes a failure of what `responseCode` calls done; it puts a decline into words, and it
/// tells a bank that did not answer from one that refused.
pub const ACQUIRER_CODES: &[CodeRow] = &[
    good("00", "approved"),
    row("02", Declined, "contact the issuer"),
    row("03", Misconfigured, "the acquirer does not know the merchant"),
    row("04", Declined, "keep the card"),
    row("05", Declined, "do not honour"),
    row("07", Declined, "keep the card, special conditions"),
    row("08", Declined, "approve after identification"),
    row("12", InvalidRequest, "the transaction is not valid"),
    row("13", InvalidRequest, "the amount is not valid"),
    row("14", Declined, "the payment details are not valid"),
    row("15", Declined, "the issuer is not known"),
    row("17", Declined, "interrupted by the payer"),
    later("20", Incident, "a wrong answer of the bank's server"),
    row("24", StateConflict, "the operation is not possible"),
    row("25", NotFound, "the bank does not know the transaction"),
    row("30", InvalidRequest, "the format is wrong"),
    row("31", Misconfigured, "the acquiring organization is not known"),
    row("33", Declined, "the payment means has expired"),
    row("34", Declined, "suspicion of fraud"),
    row("40", Misconfigured, "the function is not supported"),
    row("41", Declined, "the card was lost"),
    row("43", Declined, "the card was stolen"),
    later("51", Declined, "insufficient funds or credit exceeded"),
    row("54", Declined, "the payment means has expired"),
    row("55", Declined, "the PIN is wrong"),
    row("56", Declined, "the payment means is not in the file"),
    row("57", Declined, "not permitted to this holder"),
    row("58", Misconfigured, "not permitted to this terminal"),
    row("59", Declined, "suspicion of fraud"),
    row("60", Misconfigured, "the merchant must contact its acquirer"),
    row("61", Declined, "above the card's limit"),
    row("62", OutcomeUnknown, "waits for the confirmation of the payment"),
    row("63", Declined, "security rules are not met"),
    later("65", Declined, "too many transactions today"),
    later("68", Incident, "the bank did not answer in time"),
    row("75", Declined, "too many tries of the payment details"),
    row("87", Misconfigured, "the terminal is not known"),
    later("90", Incident, "the bank's system is stopped for a moment"),
    later("91", Incident, "the issuer cannot be reached"),
    row("92", InvalidRequest, "not enough information to find the issuer"),
    row("93", Declined, "not compliant with regulation"),
    row("94", Refused, "a duplicate"),
    later("96", Incident, "the bank's system does not work properly"),
    later("97", Incident, "the request expired at the bank"),
    later("98", Incident, "the bank's server cannot be reached"),
    later("99", Incident, "a technical incident at the bank"),
    row("A1", Declined, "strong authentication is missing"),
    row("A4", Declined, "an exemption from strong authentication was misused"),
    row("R1", Declined, "the holder has revoked recurring payments to this merchant"),
    row("R3", Declined, "the holder has revoked all recurring payments"),
];

/// `errorFieldName`, given with 12 and 30 since interface 2.21, and the member of our API that became that field.
/// Without a pointer: what an operator has set, so that no caller can mend it.
const FIELDS: &[(&str, Option<&str>)] = &[
    ("operationAmount", Some("/amount/value")),
    ("amount", Some("/amount/value")),
    ("currencyCode", Some("/amount/currency")),
    ("orderId", Some("/merchant_reference")),
    ("customerContact.email", Some("/customer/email")),
    ("email", Some("/customer/email")),
    ("customerContact.firstname", Some("/customer/first_name")),
    ("firstname", Some("/customer/first_name")),
    ("customerContact.lastname", Some("/customer/last_name")),
    ("lastname", Some("/customer/last_name")),
    ("customerLanguage", Some("/locale")),
    ("captureMode", Some("/capture")),
    ("captureDay", Some("/provider_options/capture_day")),
    ("paymentMeanBrandList", Some("/payment_method")),
    ("customerId", Some("/provider_options/customer_id")),
    ("statementReference", Some("/provider_options/statement_reference")),
    ("templateName", Some("/provider_options/template_name")),
    ("challengeMode3DS", Some("/provider_options/challenge_mode_3ds")),
    ("fraudData.challengeMode3DS", Some("/provider_options/challenge_mode_3ds")),
    ("bypassReceiptPage", Some("/provider_options/bypass_receipt_page")),
    ("paypageData.bypassReceiptPage", Some("/provider_options/bypass_receipt_page")),
    ("merchantId", None),
    ("keyVersion", None),
    ("sealAlgorithm", None),
    ("interfaceVersion", None),
    ("normalReturnUrl", None),
    ("automaticResponseUrl", None),
];

/// Longest code kept of those not known here.
const CODE_CHARS_MAX: usize = 4;

/// What a call was for, which decides what its codes prove.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Called {
    /// Read a transaction.
    Read,
    /// Cancel, validate or refund.
    Cash,
    /// Open a page.
    Page,
}

impl Called {
    /// Whether it may have changed something.
    pub(super) fn is_change(self) -> bool {
        match self {
            Self::Read => false,
            Self::Cash | Self::Page => true,
        }
    }
}

/// Only what a code may look like reaches logs and callers.
pub(super) fn clean(code: &str) -> String {
    code.chars().filter(char::is_ascii_alphanumeric).take(CODE_CHARS_MAX).collect()
}

fn find(table: &[CodeRow], code: &str) -> Option<CodeRow> {
    table.iter().find(|row| row.code == code).copied()
}

/// Whether this code of an answer that nobody could sign tells of a setting that is wrong: the platform cannot sign for
/// a merchant or a key it does not know, and signs with its own key where ours is wrong (Office JSON guide, "Seal").
pub(super) fn is_setting(code: &str) -> bool {
    matches!(code, "03" | "34" | "40")
}

/// The failure that an answer tells. `None`: the code is none of a failure.
pub(super) fn from_codes(
    operation: &'static str,
    called: Called,
    code: &str,
    acquirer_code: Option<&str>,
    field: Option<&str>,
) -> Option<ProviderError> {
    let table = if called == Called::Page { REDIRECTION_CODES } else { RESPONSE_CODES };
    let code = clean(code);
    let mut known = find(table, &code);
    if known.is_none() && is_setting(&code) {
        // The guide of the page does not list 40; a setting that is wrong is so for every service.
        known = find(RESPONSE_CODES, &code);
    }
    if known.is_some_and(|row| row.kind.is_none()) {
        return None;
    }
    let acquirer = acquirer_code.map(clean).filter(|code| code != "00");
    let acquirer_row = acquirer.as_deref().and_then(|code| find(ACQUIRER_CODES, code));
    // A code that is not documented is not proved to be a refusal: the state is read.
    let mut kind = known.and_then(|row| row.kind).unwrap_or(OutcomeUnknown);
    if known.is_none() {
        tracing::warn!(provider = PROVIDER, operation, code, "the provider answered with an unknown code");
    }
    let mut pointer = known.and_then(|row| row.pointer);
    let mut message = known.map_or("a code not known here", |row| row.meaning).to_owned();
    if kind == InvalidRequest
        && let Some(name) = field
        && let Some((_, to)) = FIELDS.iter().find(|(known, _)| *known == name)
    {
        pointer = *to;
        kind = match to {
            None => Misconfigured,
            Some("/amount/currency") => CurrencyNotSupported,
            Some(_) => InvalidRequest,
        };
        message = format!("{message}: {name}");
    }
    if let (Some(row), Some(acquirer)) = (acquirer_row, &acquirer) {
        // Whom the bank refused for fraud had the right seal: that 34 is no setting (data dictionary, `responseCode`).
        if code == "34" && row.kind == Some(Declined) {
            kind = Declined;
            message = "suspicion of fraud".to_owned();
        }
        message = format!("{message}; the bank: {} ({acquirer})", row.meaning);
        // Whom the bank refused for fraud had the right seal: that 34 is no setting (data dictionary, `responseCode`).
        // A bank that did not answer has not refused; one that does not know the merchant is no payer's decline.
        if kind == Declined
            && let Some(of_bank @ (Incident | OutcomeUnknown | Misconfigured)) = row.kind
        {
            kind = of_bank;
        }
    }
    let (kind, pointer) =
        if called.is_change() { (for_change(kind), pointer) } else { (for_read(kind), None) };
    Some(ProviderError {
        provider: PROVIDER,
        operation,
        kind,
        code: Some(code),
        message: Some(message),
        pointer,
        reason: known.and_then(|row| row.reason).filter(|_| called.is_change()),
    })
}

/// A payment's own result in words: the bank's where it tells one, else the platform's.
pub(super) fn words(code: Option<&str>, acquirer_code: Option<&str>) -> Option<String> {
    let told = |table: &[CodeRow], code: Option<&str>| {
        find(table, &clean(code?)).filter(|row| row.kind.is_some()).map(|row| row.meaning.to_owned())
    };
    told(ACQUIRER_CODES, acquirer_code).or_else(|| told(RESPONSE_CODES, code))
}

/// An incident during a change may have left it done.
fn for_change(kind: ErrorKind) -> ErrorKind {
    if kind == Incident { OutcomeUnknown } else { kind }
}

/// A read has no member of the caller, no amount and no state that could be wrong.
fn for_read(kind: ErrorKind) -> ErrorKind {
    if matches!(kind, NotFound | Misconfigured | Temporary | Incident) {
        kind
    } else if kind == OutcomeUnknown {
        ErrorKind::Protocol
    } else {
        Refused
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(called: Called, code: &str, acquirer: Option<&str>, field: Option<&str>) -> Option<ErrorKind> {
        from_codes("test", called, code, acquirer, field).map(|error| error.kind)
    }

    #[test]
    fn every_response_code_means_what_it_says() {
        for (code, change, read) in [
            ("00", None, None),
            ("01", Some(OutcomeUnknown), Some(ErrorKind::Protocol)),
            ("02", Some(Declined), Some(Refused)),
            ("03", Some(Misconfigured), Some(Misconfigured)),
            ("05", Some(Declined), Some(Refused)),
            ("11", Some(Declined), Some(Refused)),
            ("12", Some(InvalidRequest), Some(Refused)),
            ("14", Some(Declined), Some(Refused)),
            ("17", Some(Declined), Some(Refused)),
            ("24", Some(StateConflict), Some(Refused)),
            ("25", Some(NotFound), Some(NotFound)),
            ("30", Some(InvalidRequest), Some(Refused)),
            ("34", Some(Misconfigured), Some(Misconfigured)),
            ("40", Some(Misconfigured), Some(Misconfigured)),
            ("51", Some(AmountExceeded), Some(Refused)),
            ("54", Some(Declined), Some(Refused)),
            ("55", Some(Declined), Some(Refused)),
            ("57", Some(StateConflict), Some(Refused)),
            ("60", None, None),
            ("62", None, None),
            ("63", Some(Declined), Some(Refused)),
            ("75", Some(Declined), Some(Refused)),
            ("90", Some(OutcomeUnknown), Some(Incident)),
            ("94", Some(Refused), Some(Refused)),
            ("97", Some(OutcomeUnknown), Some(Incident)),
            ("99", Some(OutcomeUnknown), Some(Incident)),
            ("77", Some(OutcomeUnknown), Some(ErrorKind::Protocol)),
            ("", Some(OutcomeUnknown), Some(ErrorKind::Protocol)),
        ] {
            assert_eq!(kind(Called::Cash, code, None, None), change, "{code}");
            assert_eq!(kind(Called::Read, code, None, None), read, "{code}");
        }
        assert_eq!(RESPONSE_CODES.len(), 26);
    }

    #[test]
    fn every_code_of_the_page_means_what_it_says() {
        for (code, expected) in [
            ("00", None),
            ("03", Some(Misconfigured)),
            ("12", Some(InvalidRequest)),
            ("30", Some(InvalidRequest)),
            ("34", Some(Misconfigured)),
            ("94", Some(Refused)),
            ("99", Some(Temporary)),
            ("60", Some(OutcomeUnknown)),
        ] {
            assert_eq!(kind(Called::Page, code, None, None), expected, "{code}");
        }
    }

    #[test]
    fn a_bank_that_did_not_answer_has_not_refused() {
        for row in ACQUIRER_CODES {
            let expected = match row.kind {
                Some(Incident | OutcomeUnknown) => OutcomeUnknown,
                Some(Misconfigured) => Misconfigured,
                _ => Declined,
            };
            let error = from_codes("test", Called::Cash, "05", Some(row.code), None).unwrap();
            assert_eq!(error.kind, expected, "{}", row.code);
            assert_eq!(row.code != "00", error.message.unwrap().contains(row.meaning), "{}", row.code);
            // What is decided already stays so, whatever the bank says.
            assert_eq!(kind(Called::Cash, "24", Some(row.code), None), Some(StateConflict));
            assert_eq!(kind(Called::Cash, "00", Some(row.code), None), None);
        }
        for code in ["20", "68", "90", "91", "96", "97", "98", "99"] {
            assert_eq!(kind(Called::Cash, "05", Some(code), None), Some(OutcomeUnknown), "{code}");
        }
        assert_eq!(ACQUIRER_CODES.len(), 50);
        assert_eq!(kind(Called::Cash, "05", Some("ZZ"), None), Some(Declined));
    }

    #[test]
    fn the_field_in_error_points_to_our_member() {
        for (field, to) in FIELDS {
            for code in ["12", "30"] {
                let error = from_codes("test", Called::Page, code, None, Some(field)).unwrap();
                assert_eq!(error.pointer, *to, "{field}");
                assert_eq!(to.is_none(), error.kind == Misconfigured, "{field}");
            }
        }
        let of = |field| from_codes("test", Called::Cash, "12", None, Some(field)).unwrap();
        assert_eq!(of("currencyCode").kind, CurrencyNotSupported);
        let foreign = of("zoe@example.com");
        assert_eq!((foreign.pointer, foreign.message.as_deref()), (None, Some("the request is not valid")));
        let above = from_codes("test", Called::Cash, "51", None, None).unwrap();
        assert_eq!(above.pointer, Some("/amount/value"));
    }

    #[test]
    fn tables_have_no_doubles_and_codes_are_cleaned() {
        for table in [RESPONSE_CODES, REDIRECTION_CODES, ACQUIRER_CODES] {
            assert!(table.windows(2).all(|pair| pair[0].code < pair[1].code));
            assert!(
                table.iter().all(|row| !row.kind.is_some_and(ErrorKind::may_be_repeated) || row.retryable)
            );
        }
        let error = from_codes("test", Called::Cash, "<x>é'12345", None, None).unwrap();
        assert_eq!(error.code.as_deref(), Some("x123"));
    }
}
