//! Which events somebody wants.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::EventType;

/// Most entries of a filter.
const ENTRIES_MAX: usize = 50;
/// Longest group, and longest type within one, in characters.
const GROUP_MAX: usize = 20;
const KIND_MAX: usize = 40;

/// A choice of event types: exact ones (`order.paid`) and groups (`refund.*`). The empty one is no choice: everything.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct EventFilter(BTreeSet<String>);

/// The text is not a list of event types.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("1 to 50 event types such as order.paid, or groups such as refund.*")]
pub struct EventFilterError;

impl EventFilter {
    /// The filter that wants these types and groups. A type nobody knows yet is allowed: new ones appear.
    ///
    /// # Errors
    /// None at all, too many, or one that has not the form of a type or group.
    pub fn new<'a>(entries: impl IntoIterator<Item = &'a str>) -> Result<Self, EventFilterError> {
        let entries: Vec<String> = entries.into_iter().map(str::to_owned).collect();
        let is_word = |word: &str, longest: usize| {
            (1..=longest).contains(&word.len())
                && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
        };
        let well_formed = entries.iter().all(|entry| {
            entry.split_once('.').is_some_and(|(group, kind)| {
                is_word(group, GROUP_MAX) && (kind == "*" || is_word(kind, KIND_MAX))
            })
        });
        if well_formed && (1..=ENTRIES_MAX).contains(&entries.len()) {
            Ok(Self(entries.into_iter().collect()))
        } else {
            Err(EventFilterError)
        }
    }

    /// Whether everything is wanted.
    pub fn wants_all(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether events of this type are wanted.
    pub fn wants(&self, event_type: &EventType) -> bool {
        let word = event_type.as_str();
        let group = word.split_once('.').map(|(group, _)| format!("{group}.*"));
        self.wants_all() || self.0.contains(word) || group.is_some_and(|group| self.0.contains(&group))
    }

    /// The types and groups, in alphabetical order.
    pub fn entries(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_and_groups_are_wanted() {
        let filter = EventFilter::new(["order.paid", "refund.*"]).unwrap();
        for (word, wanted) in [
            ("order.paid", true),
            ("order.paid_twice", false),
            ("refund.failed", true),
            ("refunds.failed", false),
            ("operation.unknown", false),
        ] {
            let event_type = EventType::from_stored(word.to_owned());
            assert_eq!(filter.wants(&event_type), wanted, "{word}");
            assert!(EventFilter::default().wants(&event_type));
        }
    }

    #[test]
    fn refuses_what_is_no_type() {
        let long = format!("order.{}", "a".repeat(64));
        for entries in
            [vec![], vec!["*"], vec!["order"], vec!["order."], vec!["Order.paid"], vec!["a.b.c"], vec![&long]]
        {
            assert!(EventFilter::new(entries.clone()).is_err(), "{entries:?}");
        }
        assert!(EventFilter::new(vec!["order.paid"; 50]).is_ok());
        assert!(EventFilter::new(vec!["order.paid"; 51]).is_err(), "as the document says");
    }
}
