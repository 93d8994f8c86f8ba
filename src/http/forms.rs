//! Readers of the members that creates and updates share: each says what would be right.

use std::collections::BTreeMap;

use serde_json::Value;

use super::body::{Members, object, text, word};
use crate::{
    adapter::{VIOLATIONS_MAX, Violation, member_pointer},
    domain::{
        DeliveryChannel,
        request::{CustomerPatch, DeliveryPatch},
        web_address::{RIGHT, plain_web_address},
    },
};

pub(super) fn locale(value: &Value, pointer: &str, errors: &mut Vec<Violation>) -> Option<String> {
    let tag = value.as_str().filter(|tag| {
        let mut parts = tag.split('-');
        let language = parts.next().unwrap_or_default();
        (2..=3).contains(&language.len())
            && language.bytes().all(|b| b.is_ascii_lowercase())
            && parts
                .all(|part| (2..=8).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_alphanumeric()))
    });
    if tag.is_none() {
        errors.push(Violation::invalid(pointer, "a BCP 47 language tag such as fr-FR"));
    }
    tag.map(str::to_owned)
}

pub(super) fn delivery(value: &Value, pointer: &str, errors: &mut Vec<Violation>) -> Option<DeliveryPatch> {
    let mut members = Members::new(object(value, pointer, errors)?, pointer);
    let channel = word(&["link", "email", "sms", "whatsapp"], DeliveryChannel::from_word);
    let patch = DeliveryPatch {
        channel: members.field("channel", errors, channel),
        recipient: members.field("recipient", errors, text(1, 254)),
        subject: members.field("subject", errors, text(1, 255)),
        message: members.field("message", errors, text(1, 20_000)),
        template: members.field("template", errors, text(1, 127)),
    };
    members.end(errors);
    Some(patch)
}

pub(super) fn customer(value: &Value, pointer: &str, errors: &mut Vec<Violation>) -> Option<CustomerPatch> {
    let mut members = Members::new(object(value, pointer, errors)?, pointer);
    let patch = CustomerPatch {
        email: members.field("email", errors, text(3, 150)),
        first_name: members.field("first_name", errors, text(1, 63)),
        last_name: members.field("last_name", errors, text(1, 63)),
    };
    members.end(errors);
    Some(patch)
}

/// Longest `return_url`, in characters.
const RETURN_URL_MAX: usize = 1_024;

/// Where the payer's browser goes back to. It is checked before anybody pays, because afterwards nobody could correct it.
pub(super) fn return_url(value: &Value, pointer: &str, errors: &mut Vec<Violation>) -> Option<String> {
    let wrong = match value.as_str() {
        Some(text) if text.len() > RETURN_URL_MAX => format!("at most {RETURN_URL_MAX} characters"),
        Some(text) => match plain_web_address(text) {
            Ok(_) => return Some(text.to_owned()),
            Err(right) => right.to_owned(),
        },
        None => RIGHT.to_owned(),
    };
    errors.push(Violation::invalid(pointer, &wrong));
    None
}

pub(super) fn metadata(
    value: &Value,
    pointer: &str,
    errors: &mut Vec<Violation>,
) -> Option<BTreeMap<String, Option<String>>> {
    let object = object(value, pointer, errors)?;
    let mut labels = BTreeMap::new();
    for (name, value) in object {
        if errors.len() > VIOLATIONS_MAX {
            break;
        }
        let at = member_pointer(pointer, name);
        match value {
            Value::Null => {
                labels.insert(name.clone(), None);
            }
            Value::String(label) if label.chars().count() <= 255 => {
                labels.insert(name.clone(), Some(label.clone()));
            }
            Value::String(_) | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
                errors
                    .push(Violation::invalid(&at, "a text of at most 255 characters, or null to remove it"));
            }
        }
    }
    if object.len() > 50 {
        errors.push(Violation::invalid(pointer, "at most 50 labels"));
    }
    Some(labels)
}
