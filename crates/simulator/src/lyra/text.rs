//! Texts for payers: amounts with the right decimals, and the message with the link.
//!
//! Source: samples of the provider pages `Charge/PaymentOrder/Get` (French, English, Spanish, Portuguese) and
//! `/Update` (English). Their messages name other amounts than their `amount`; here they agree.

use jiff::Timestamp;

/// Currencies that the platform knows. Source: code published by Lyra for REST API V4; for those of Latin America facts
/// of 1 December 2026.
const KNOWN: [&str; 45] = [
    "CLP", "CRC", "GTQ", "HNL", "NIO", "SVC", "UYU", "ARS", "AUD", "BRL", "CAD", "CHF", "CNY", "COP", "CZK",
    "DKK", "EUR", "GBP", "HKD", "HUF", "IDR", "INR", "JPY", "KHR", "KRW", "KWD", "MAD", "MXN", "MYR", "NOK",
    "NZD", "PEN", "PHP", "PLN", "RUB", "SEK", "SGD", "THB", "TND", "TRY", "TWD", "USD", "XOF", "XPF", "ZAR",
];

/// Codes of ISO 4217, the metals and funds included, parted by blanks. Source: the standard's list one, 2025.
const ISO_4217: &str = "\
    AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BHD BIF BMD BND BOB BOV \
    BRL BSD BTN BWP BYN BZD CAD CDF CHE CHF CHW CLF CLP CNY COP COU CRC CUP CVE CZK \
    DJF DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GNF GTQ GYD HKD HNL \
    HTG HUF IDR ILS INR IQD IRR ISK JMD JOD JPY KES KGS KHR KMF KPW KRW KWD KYD KZT \
    LAK LBP LKR LRD LSL LYD MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MXV MYR \
    MZN NAD NGN NIO NOK NPR NZD OMR PAB PEN PGK PHP PKR PLN PYG QAR RON RSD RUB RWF \
    SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TND TOP \
    TRY TTD TWD TZS UAH UGX USD USN UYI UYU UYW UZS VED VES VND VUV WST XAF XAG XAU \
    XCD XCG XOF XPD XPF XPT XSU XUA YER ZAR ZMW ZWG";

/// Whether it is the code of a currency, known to the platform or not.
pub(super) fn is_iso_currency(code: &str) -> bool {
    code.len() == 3 && ISO_4217.split(' ').any(|known| known == code)
}

/// Languages for which a request may ask. Source: Lyra REST API V4, `Charge/CreatePaymentOrder`, field `locale`.
pub(super) const LOCALES: [&str; 7] = ["fr_FR", "en_GB", "es_ES", "es_PE", "es_AR", "es_CO", "pt_BR"];

/// Whether the platform knows this currency at all, covered by the contract or not.
pub(super) fn knows_currency(currency: &str) -> bool {
    KNOWN.contains(&currency)
}

/// Decimals of the currency. Source: code published by Lyra for REST API V4.
pub(super) fn decimals(currency: &str) -> usize {
    match currency {
        "XPF" | "XOF" | "JPY" | "KRW" | "CLP" => 0,
        "KWD" | "TND" => 3,
        _ => 2,
    }
}

/// Writes minor units with the marks given.
fn number(amount: i64, decimals: usize, point: char, group: Option<char>) -> String {
    let digits = format!("{:0width$}", amount.unsigned_abs(), width = decimals.saturating_add(1));
    let (whole, rest) = digits.split_at(digits.len().saturating_sub(decimals));
    let mut text = String::from(if amount < 0 { "-" } else { "" });
    for (position, digit) in whole.chars().enumerate() {
        let left = whole.len().saturating_sub(position);
        if let Some(mark) = group
            && position > 0
            && left.is_multiple_of(3)
        {
            text.push(mark);
        }
        text.push(digit);
    }
    if !rest.is_empty() {
        text.push(point);
        text.push_str(rest);
    }
    text
}

/// The amount as a payer of this language reads it.
pub(super) fn amount(minor: i64, currency: &str, locale: &str) -> String {
    let places = decimals(currency);
    match language(locale) {
        Language::French => format!("{} {currency}", number(minor, places, ',', None)),
        Language::English => format!("{currency} {}", number(minor, places, '.', Some(','))),
        Language::Spanish | Language::Portuguese => {
            format!("{} {currency}", number(minor, places, ',', Some('.')))
        }
    }
}

#[derive(Debug, Clone, Copy)]
enum Language {
    French,
    English,
    Spanish,
    Portuguese,
}

fn language(locale: &str) -> Language {
    match locale.split('_').next() {
        Some("fr") => Language::French,
        Some("es") => Language::Spanish,
        Some("pt") => Language::Portuguese,
        Some(_) | None => Language::English,
    }
}

/// What a message says.
#[derive(Debug)]
pub(super) struct Facts<'a> {
    pub(super) store: &'a str,
    pub(super) minor: i64,
    pub(super) currency: &'a str,
    pub(super) locale: &'a str,
    pub(super) expires: Timestamp,
    pub(super) link: &'a str,
}

/// Subject of an e-mail that names none.
pub(super) fn subject(locale: &str) -> &'static str {
    match language(locale) {
        Language::French => "Votre ordre de paiement",
        Language::English => "Your payment order",
        // The Portuguese sample of the provider page has the Spanish subject.
        Language::Spanish | Language::Portuguese => "Su solicitud de pago",
    }
}

/// Text of a message that names none.
pub(super) fn message(facts: &Facts<'_>) -> String {
    let Facts { store, link, .. } = facts;
    let price = amount(facts.minor, facts.currency, facts.locale);
    let until = facts.expires.strftime("%d/%m/%Y");
    match language(facts.locale) {
        Language::French => format!(
            "<b>Message envoyé par {store}</b> <p>Bonjour,</p> <p>Cet e-mail comporte un ordre de paiement d'un \
             montant de {price} valable jusqu'au {until}. Pour confirmer le paiement, veuillez cliquer sur le lien \
             suivant : </p> <p>{link}</p> <p>En cas de problème, ou si ce message ne s'affiche pas correctement, \
             merci de contacter support@demostore.com.</p>"
        ),
        Language::English => format!(
            "<b>Message sent by {store}</b> <p>Dear customer,</p> <p>This e-mail is a payment order of {price} valid \
             until {until}. To confirm, please click on the link below : </p> <p>{link}</p> <p>In case of problems, \
             or if this message is not correctly displayed, please contact support@demostore.com.</p>"
        ),
        Language::Spanish => format!(
            "<b>Mensaje enviado por {store}</b> <p>Hola,</p> <p>Este correo electrónico contiene una solicitud de \
             pago por un importe de {price}, válida hasta el {until}. Para confirmar el pago, haga clic en el enlace \
             siguiente : </p> <p>{link}</p> <p>En caso de problemas, o si este mensaje no se muestra correctamente, \
             por favor contacte support@demostore.com.</p>"
        ),
        Language::Portuguese => format!(
            "<b>Mensagem enviada por {store}</b> <p>Caro cliente,</p> <p>Este e-mail contém uma ordem de pagamento \
             no valor de {price} válida até {until}. Para confirmar o pagamento, favor clicar sobre o link seguinte \
             : </p> <p>{link}</p> <p>Em caso de problema ou se esta mensagem não é exibida corretamente, favor \
             contactar support@demostore.com.</p>"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(minor: i64, currency: &str, locale: &str, expected: &str) {
        assert_eq!(amount(minor, currency, locale), expected);
    }

    #[test]
    fn amounts_follow_currency_and_language() {
        check(200_050, "EUR", "en_GB", "EUR 2,000.50");
        check(200_050, "PEN", "es_PE", "2.000,50 PEN");
        check(200_050, "BRL", "pt_BR", "2.000,50 BRL");
        check(200_050, "EUR", "fr_FR", "2000,50 EUR");
        check(200_050, "XPF", "fr_FR", "200050 XPF");
        check(200_050, "XPF", "en_GB", "XPF 200,050");
        check(5, "EUR", "fr_FR", "0,05 EUR");
        check(5, "KWD", "en_GB", "KWD 0.005");
        check(0, "XPF", "en_GB", "XPF 0");
        check(-150, "EUR", "en_GB", "EUR -1.50");
        check(1234, "CLP", "es_PE", "1.234 CLP");
    }

    #[test]
    fn the_english_message_is_the_one_of_the_provider_page() {
        let facts = Facts {
            store: "DEMO STORE",
            minor: 200_050,
            currency: "EUR",
            locale: "en_GB",
            expires: "2020-04-01T10:00:00Z".parse().unwrap(),
            link: "https://secure.systempay.fr/t/w5izg024",
        };
        assert_eq!(
            message(&facts),
            "<b>Message sent by DEMO STORE</b> <p>Dear customer,</p> <p>This e-mail is a payment order of EUR \
             2,000.50 valid until 01/04/2020. To confirm, please click on the link below : </p> \
             <p>https://secure.systempay.fr/t/w5izg024</p> <p>In case of problems, or if this message is not \
             correctly displayed, please contact support@demostore.com.</p>"
        );
    }
}
