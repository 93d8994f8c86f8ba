//! The texts of the error codes.
//!
//! Source: tables of the provider pages `Charge/PaymentOrder/Get`, `/Update` and `/Cancel`, in English; codes those
//! pages do not list are described by third-party clients of Lyra REST API V4.

const TEXTS: [(&str, &str); 85] = [
    ("ACQ_001", "payment refused"),
    ("ACQ_999", "technical error at the acquirer"),
    ("INT_005", "Invalid manualValidation"),
    ("INT_006", "Invalid captureDelay"),
    ("INT_009", "Invalid amount"),
    ("INT_010", "Invalid currency"),
    ("INT_013", "Invalid orderId"),
    ("INT_015", "Invalid customer email"),
    ("INT_050", "Invalid strongAuthentication"),
    ("INT_091", "Invalid metadata"),
    ("INT_836", "smsOptions is missing"),
    ("INT_837", "whatsAppOptions.phoneNumber is missing"),
    ("INT_838", "smsOptions.phoneNumber is missing"),
    ("INT_839", "whatsAppOptions is missing"),
    ("INT_841", "mailOptions is missing"),
    ("INT_842", "Invalid message"),
    ("INT_843", "Invalid subject"),
    ("INT_845", "Invalid template"),
    ("INT_850", "mailOptions.recipient is missing"),
    ("INT_851", "Invalid paymentReceiptEmail"),
    ("INT_853", "Invalid dataCollectionForm"),
    ("INT_854", "Invalid channelType"),
    ("INT_855", "Invalid expirationDate"),
    ("INT_856", "Invalid locale"),
    ("INT_858", "Invalid taxRate"),
    ("INT_868", "taxAmount is above the amount"),
    ("INT_869", "Invalid taxAmount"),
    ("INT_875", "Invalid formAction"),
    ("INT_900", "Unknown parameter"),
    ("INT_901", "Web service not found"),
    ("INT_902", "Invalid parameter"),
    ("INT_905", "Invalid credentials"),
    ("INT_914", "Message too large"),
    ("INT_920", "Invalid returnUrl"),
    ("INT_921", "Invalid cancelUrl"),
    ("INT_922", "Invalid successUrl"),
    ("INT_923", "Invalid refusedUrl"),
    ("INT_924", "Invalid errorUrl"),
    ("INT_926", "Invalid ipnTargetUrl"),
    ("INT_927", "Invalid returnMode"),
    ("INT_928", "Invalid installmentOptions"),
    ("PSP_010", "Transaction not found"),
    ("PSP_011", "Not possible in the present state of the transaction"),
    ("PSP_015", "Too many results"),
    ("PSP_075", "The transaction is captured and cannot be cancelled"),
    ("PSP_076", "The transaction is not captured and cannot be refunded"),
    ("PSP_083", "The transaction is not paid"),
    ("PSP_099", "Too many attempts"),
    ("PSP_102", "The transaction cannot be cancelled"),
    ("PSP_104", "The transaction is already refunded in full"),
    ("PSP_105", "The transaction is already cancelled"),
    ("PSP_106", "Call limit exceeded"),
    ("PSP_510", "The amount is above the amount of the transaction"),
    ("PSP_511", "The amount is above what is left of the transaction"),
    ("PSP_519", "Unknown currency"),
    ("PSP_521", "No contract for this amount and currency"),
    ("PSP_606", "Currency not supported by the contract"),
    ("PSP_610", "No acceptance agreement available"),
    ("PSP_995", "Internal error"),
    ("PSP_996", "Internal error"),
    ("PSP_998", "Internal error"),
    ("PSP_999", "Internal error"),
    ("PSP_1000", "Payment order not found"),
    ("PSP_1001", "WhatsApp gateway unreachable"),
    ("PSP_1002", "No WhatsApp account for this phone number"),
    ("PSP_1003", "WhatsApp is not configured"),
    ("PSP_1004", "No WhatsApp template for this locale"),
    ("PSP_1005", "The payment order is finalized"),
    ("PSP_1006", "The payment order has expired"),
    ("PSP_1007", "The expiration date must be in the future and within 90 days"),
    ("PSP_1011", "The mode of the payment order differs from the mode of the request"),
    ("PSP_1015", "No data collection form for this shop"),
    ("PSP_1016", "Channel not available"),
    ("PSP_1017", "The channel cannot be changed"),
    ("PSP_1018", "The data collection form cannot be used with this currency"),
    ("PSP_1022", "The template does not exist for this locale"),
    ("PSP_1023", "The amount must be 0 when only registering"),
    ("PSP_1024", "The amount must not be 0 for a payment"),
    ("PSP_1028", "The SMS was not sent"),
    ("PSP_1029", "The SMS account was refused"),
    ("PSP_1030", "The SMS account has no credit left"),
    ("PSP_1031", "Invalid phone number"),
    ("PSP_1033", "Invalid recipient address"),
    ("PSP_1044", "SMS gateway unreachable"),
    ("PSP_1101", "The payment order is already cancelled"),
];

/// The text of a code; a general one for codes that only the fault plan makes.
pub(super) fn text(code: &str) -> &'static str {
    TEXTS.iter().find(|(known, _)| *known == code).map_or("Error ordered by the fault plan", |(_, text)| text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_listed_once_and_texts_fit() {
        for (position, (code, text)) in TEXTS.iter().enumerate() {
            assert!(TEXTS[..position].iter().all(|(other, _)| other != code), "{code} twice");
            // Source: Lyra REST API V4, error object: at most 127 characters.
            assert!(text.len() <= 127);
        }
        assert_eq!(text("PSP_1101"), "The payment order is already cancelled");
        assert_eq!(text("PSP_4711"), "Error ordered by the fault plan");
    }
}
