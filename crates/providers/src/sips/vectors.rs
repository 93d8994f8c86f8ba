//! The seal vectors: P as published in the guides and SDKs of Worldline, C and N computed by hand from the same rules.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value};

use super::signature::SealAlgorithm;

/// Members of a request or an answer, and the text they are sealed as.
#[derive(Deserialize)]
pub(super) struct SealedMembers {
    pub(super) name: String,
    pub(super) key: String,
    pub(super) members: Map<String, Value>,
    pub(super) text: String,
    pub(super) seals: BTreeMap<String, String>,
}

/// A text that is sealed as it is: `Data` of a notification.
#[derive(Deserialize)]
pub(super) struct SealedText {
    pub(super) name: String,
    pub(super) key: String,
    pub(super) text: String,
    pub(super) seals: BTreeMap<String, String>,
}

#[derive(Deserialize)]
pub(super) struct Vectors {
    pub(super) sealed: Vec<SealedMembers>,
    pub(super) texts: Vec<SealedText>,
}

pub(super) fn all() -> Vectors {
    serde_json::from_str(include_str!("fixtures/seal_vectors.json")).unwrap()
}

/// One vector of a text by its name.
pub(super) fn text(name: &str) -> SealedText {
    all().texts.into_iter().find(|vector| vector.name == name).unwrap()
}

/// One vector of members by its name.
pub(super) fn members(name: &str) -> SealedMembers {
    all().sealed.into_iter().find(|vector| vector.name == name).unwrap()
}

pub(super) fn algorithm(word: &str) -> SealAlgorithm {
    SealAlgorithm::from_word(word).unwrap()
}
