//! `channelOptions`: how the link reaches the payer.
//!
//! Source: Lyra REST API V4, `Charge/CreatePaymentOrder`; provider page `Charge/PaymentOrder/Update`, table of errors.

use super::order::{Channel, Mail};
use super::services::UNKNOWN;
use super::shops::DemoShop;
use crate::members::{Members, is_email, is_phone};
use crate::platform::Refusal;

/// The one e-mail template of the demo shops, and the languages it exists in.
const TEMPLATE: &str = "demo_template";
const TEMPLATE_LOCALES: [&str; 2] = ["fr_FR", "en_GB"];

/// Languages of the WhatsApp templates of the demo shops.
const WHATS_APP_LOCALES: [&str; 3] = ["fr_FR", "en_GB", "es_ES"];

/// Longest message, in characters. The limit itself is not published.
const MESSAGE_CHARS: usize = 10_000;

/// Ends of phone numbers that stand for trouble at the WhatsApp gateway.
const WHATS_APP_TROUBLE: [(&str, &str); 2] = [("991001", "PSP_1001"), ("991002", "PSP_1002")];

/// Ends of phone numbers that stand for trouble with the SMS account or gateway.
const SMS_TROUBLE: [(&str, &str); 4] =
    [("991028", "PSP_1028"), ("991029", "PSP_1029"), ("991030", "PSP_1030"), ("991044", "PSP_1044")];

/// The input layer; `None` when the request has no `channelOptions`.
pub(super) fn read(members: &Members<'_>) -> Result<Option<Channel>, Refusal> {
    let Some(options) = members.object("channelOptions", "INT_902")? else { return Ok(None) };
    options.known(UNKNOWN, &[&["channelType", "mailOptions", "smsOptions", "whatsAppOptions"]])?;
    let channel_type = options.text("channelType", "INT_854")?;
    match channel_type.as_deref() {
        // Source: Lyra REST API V4, `Charge/CreatePaymentOrder`: URL when absent.
        None | Some("URL") => Ok(Some(Channel::Url)),
        Some("MAIL") => mail(&options).map(Some),
        Some("SMS") => {
            let sms = options.needed_object("smsOptions", "INT_836")?;
            sms.known(UNKNOWN, &[&["phoneNumber", "message"]])?;
            let phone = sms.needed_text("phoneNumber", "INT_838")?;
            Ok(Some(Channel::Sms { phone, message: message(&sms, "message")? }))
        }
        Some("WHATSAPP") => {
            let whats_app = options.needed_object("whatsAppOptions", "INT_839")?;
            whats_app.known(UNKNOWN, &[&["phoneNumber"]])?;
            Ok(Some(Channel::WhatsApp { phone: whats_app.needed_text("phoneNumber", "INT_837")? }))
        }
        // Options of some shops, which these do not have.
        Some("INVOICE" | "IVR") => Err(options.wrong("channelType", "PSP_1016")),
        Some(_) => Err(options.wrong("channelType", "INT_854")),
    }
}

/// The provider pages' sample names a recipient only: subject and body then have defaults.
fn mail(options: &Members<'_>) -> Result<Channel, Refusal> {
    let mail = options.needed_object("mailOptions", "INT_841")?;
    mail.known(UNKNOWN, &[&["recipient", "bcc", "subject", "body", "template"]])?;
    Ok(Channel::Mail(Mail {
        recipient: mail.needed_text("recipient", "INT_850")?,
        bcc: mail.text("bcc", "INT_902")?,
        subject: mail.text("subject", "INT_843")?,
        body: message(&mail, "body")?,
        template: mail.text("template", "INT_845")?,
    }))
}

fn message(members: &Members<'_>, name: &str) -> Result<Option<String>, Refusal> {
    let text = members.text(name, "INT_842")?;
    match text {
        Some(long) if long.chars().count() > MESSAGE_CHARS => Err(members.wrong(name, "INT_914")),
        text => Ok(text),
    }
}

/// What the shop and the recipient allow.
pub(super) fn check(channel: &Channel, shop: &DemoShop, locale: &str) -> Result<(), Refusal> {
    match channel {
        Channel::Url => Ok(()),
        Channel::Mail(mail) => {
            let copies = mail.bcc.iter().flat_map(|list| list.split(';')).map(str::trim);
            if !is_email(&mail.recipient) || !copies.into_iter().all(is_email) {
                return Err(Refusal::new("PSP_1033"));
            }
            // A template is ignored when subject and body are given.
            let own_words = mail.subject.is_some() && mail.body.is_some();
            let exists = |name: &String| name == TEMPLATE && TEMPLATE_LOCALES.contains(&locale);
            if own_words || mail.template.as_ref().is_none_or(exists) {
                Ok(())
            } else {
                Err(Refusal::new("PSP_1022"))
            }
        }
        Channel::Sms { phone, .. } => {
            if is_phone(phone) {
                trouble(&SMS_TROUBLE, phone)
            } else {
                Err(Refusal::new("PSP_1031"))
            }
        }
        Channel::WhatsApp { phone } => whats_app(phone, shop, locale),
    }
}

fn whats_app(phone: &str, shop: &DemoShop, locale: &str) -> Result<(), Refusal> {
    if !shop.whats_app {
        return Err(Refusal::new("PSP_1003"));
    }
    if !is_phone(phone) {
        return Err(Refusal::new("PSP_1031"));
    }
    if !WHATS_APP_LOCALES.contains(&locale) {
        return Err(Refusal::new("PSP_1004"));
    }
    trouble(&WHATS_APP_TROUBLE, phone)
}

fn trouble(table: &[(&str, &str)], phone: &str) -> Result<(), Refusal> {
    let hit = table.iter().find(|(end, _)| phone.ends_with(end));
    hit.map_or(Ok(()), |(_, code)| Err(Refusal::new(*code)))
}

/// What a change must send again, missing altogether. Source: provider page `Charge/PaymentOrder/Update`: the
/// channel is required unless it is the link.
pub(super) fn missing(present: &Channel) -> Option<Refusal> {
    let (code, name) = match present {
        Channel::Url => return None,
        Channel::Mail(_) => ("INT_841", "mailOptions"),
        Channel::Sms { .. } => ("INT_836", "smsOptions"),
        Channel::WhatsApp { .. } => ("INT_839", "whatsAppOptions"),
    };
    Some(Refusal::new(code).detail(format!("Input value not defined [name=channelOptions.{name}]")))
}

/// The channel after a change. What the request does not name stays, except the words of the message: those are
/// written anew, because they name the amount.
pub(super) fn changed(present: &Channel, wanted: Channel) -> Result<Channel, Refusal> {
    match (present, wanted) {
        (Channel::Url, Channel::Url) => Ok(Channel::Url),
        (Channel::Mail(old), Channel::Mail(new)) => Ok(Channel::Mail(Mail {
            bcc: new.bcc.or_else(|| old.bcc.clone()),
            template: new.template.or_else(|| old.template.clone()),
            ..new
        })),
        (Channel::Sms { .. }, new @ Channel::Sms { .. })
        | (Channel::WhatsApp { .. }, new @ Channel::WhatsApp { .. }) => Ok(new),
        (Channel::Url | Channel::Mail(_) | Channel::Sms { .. } | Channel::WhatsApp { .. }, _) => {
            Err(Refusal::new("PSP_1017"))
        }
    }
}
