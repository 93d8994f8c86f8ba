//! Cursors: opaque, authenticated with a key of the store, and bound to the client and to what the list shows, so that an
//! altered, foreign or made up one is refused. All of them have one form: the text of a place and a MAC over it and its
//! scope, in base64url.

use std::collections::BTreeMap;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit, Mac};
use serde_json::json;
use sha2::Sha256;

use crate::{
    domain::EventId,
    orders::Caller,
    problem::{Problem, ProblemCode},
    store::{
        Place,
        outbox::{CursorKey, EventAt},
    },
};

/// Bytes of the MAC that are kept: 128 bits cannot be guessed.
const MAC_BYTES: usize = 16;
/// Hexadecimal digits of the mark of an event. Whoever could choose them would need the key as well.
const EVENT_DIGITS: usize = 16;
/// The mark where there is no event.
const NO_EVENT: &str = "-";

/// What a list shows and to whom: everything a cursor is bound to, by name. As JSON no two of them have one text.
pub(super) fn scope(list: &str, caller: &Caller, filter: &[(&str, Option<&str>)]) -> String {
    let filter: BTreeMap<&str, Option<&str>> = filter.iter().copied().collect();
    json!({"list": list, "client": caller.client, "filter": filter}).to_string()
}

/// Writes cursors, and reads those that it wrote.
#[derive(Debug, Clone)]
pub(super) struct Cursors {
    key: CursorKey,
}

impl Cursors {
    pub(super) fn new(key: CursorKey) -> Self {
        Self { key }
    }

    /// The cursor of a place in a list.
    pub(super) fn encode(&self, place: &Place, scope: &str) -> String {
        self.seal(&format!("{:x}.{}", place.0, place.1), scope)
    }

    /// The place of a cursor that was given out for this list.
    pub(super) fn decode(&self, cursor: &str, scope: &str) -> Result<Place, Problem> {
        let place = || {
            let text = self.open(cursor, scope)?;
            let (time, id) = text.split_once('.')?;
            Some((i64::from_str_radix(time, 16).ok()?, id.to_owned()))
        };
        place().ok_or_else(|| Problem::plain(ProblemCode::InvalidCursor))
    }

    /// One page of what was found with one item more than the limit, and the cursor of the next page.
    pub(super) fn page<T>(
        &self,
        mut found: Vec<(Place, T)>,
        limit: u32,
        scope: &str,
    ) -> (Vec<T>, Option<String>) {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let has_more = found.len() > limit;
        found.truncate(limit);
        let next = found.last().filter(|_| has_more).map(|(place, _)| self.encode(place, scope));
        (found.into_iter().map(|(_, item)| item).collect(), next)
    }

    /// The cursor of a position of the feed and the event there.
    pub(super) fn encode_event(&self, position: i64, event: Option<EventId>, scope: &str) -> String {
        self.encode(&(position, self.event_mark(event)), scope)
    }

    /// Refuses a cursor, whose mark this is, when its position is beyond the newest event or holds another one than when
    /// it was given: the store was restored, and whoever goes on from there would miss events without a word. Where the
    /// event was dropped because it was old there is nothing to compare with.
    pub(super) fn check_event(&self, mark: &str, found: EventAt) -> Result<(), Problem> {
        let is_the_same = match found {
            EventAt::Beginning | EventAt::Event(_) => mark == self.event_mark(found.id()),
            EventAt::Dropped => true,
            EventAt::Beyond => false,
        };
        if is_the_same { Ok(()) } else { Err(Problem::plain(ProblemCode::InvalidCursor)) }
    }

    /// Stands for an event, which may be of an account that the client may not use: not even its id is told.
    fn event_mark(&self, event: Option<EventId>) -> String {
        let Some(event) = event else { return NO_EVENT.to_owned() };
        let whole = self.mac(&format!("event:{event}")).finalize().into_bytes();
        hex::encode(whole).chars().take(EVENT_DIGITS).collect()
    }

    fn seal(&self, text: &str, scope: &str) -> String {
        let mut bytes = text.as_bytes().to_vec();
        bytes.extend(self.mac(&bound(text, scope)).finalize().into_bytes().iter().take(MAC_BYTES));
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// The text that was sealed for this scope. Takes one spelling only, because base64url has one.
    fn open(&self, cursor: &str, scope: &str) -> Option<String> {
        let mut bytes = URL_SAFE_NO_PAD.decode(cursor).ok()?;
        let mac = bytes.split_off(bytes.len().checked_sub(MAC_BYTES)?);
        let text = String::from_utf8(bytes).ok()?;
        self.mac(&bound(&text, scope)).verify_truncated_left(&mac).ok()?;
        Some(text)
    }

    fn mac(&self, text: &str) -> Hmac<Sha256> {
        // HMAC takes a key of any length.
        let empty = || Hmac::<Sha256>::new(&Default::default());
        Hmac::<Sha256>::new_from_slice(self.key.expose()).unwrap_or_else(|_| empty()).chain_update(text)
    }
}

/// Scope and text so that no other pair gives the same. It begins with a digit, as the mark of an event does not.
fn bound(text: &str, scope: &str) -> String {
    format!("{}:{scope}{text}", scope.len())
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// Cursors under a key of this byte.
    pub(in crate::http) fn cursors(byte: u8) -> Cursors {
        Cursors::new(CursorKey::new(vec![byte; CursorKey::BYTES]).unwrap())
    }

    #[test]
    fn a_cursor_is_good_for_its_own_list_and_store_only() {
        let cursors_1 = cursors(1);
        let place = (1_700_000_000_123, "op_0191f2c4-7a40-7c31-9a53-2f6f1f7a1b2c".to_owned());
        let cursor = cursors_1.encode(&place, "a");
        assert_eq!(cursors_1.decode(&cursor, "a").unwrap(), place);
        assert!(cursors_1.decode(&cursor, "b").is_err());
        assert!(cursors(2).decode(&cursor, "a").is_err());
        for altered in [
            format!("x{cursor}"),
            format!("{cursor}0"),
            format!("{cursor}="),
            cursor.to_lowercase(),
            cursor[4..].to_owned(),
            cursor[..cursor.len() - 4].to_owned(),
            String::new(),
            URL_SAFE_NO_PAD.encode([0; MAC_BYTES]),
        ] {
            assert!(cursors_1.decode(&altered, "a").is_err(), "{altered}");
        }
        // No two pairs of scope and text are one text.
        assert!(cursors_1.decode(&cursors_1.seal("1.x", "ab"), "a").is_err());
        assert!(cursors_1.decode(&cursors_1.seal("b1.x", "a"), "ab").is_err());
    }

    #[test]
    fn a_place_of_the_feed_is_the_event_there() {
        let cursors_1 = cursors(1);
        let (event, other) = (EventId::generate(), EventId::generate());
        let cursor = cursors_1.encode_event(255, Some(event), "feed");
        let (position, mark) = cursors_1.decode(&cursor, "feed").unwrap();
        assert_eq!(position, 255);
        let check = |found| cursors_1.check_event(&mark, found).is_ok();
        assert!(check(EventAt::Event(event)) && check(EventAt::Dropped));
        assert!(!check(EventAt::Event(other)) && !check(EventAt::Beyond) && !check(EventAt::Beginning));
        let (_, beginning) = cursors_1.decode(&cursors_1.encode_event(0, None, "feed"), "feed").unwrap();
        assert!(cursors_1.check_event(&beginning, EventAt::Beginning).is_ok());
        assert!(cursors_1.check_event(&beginning, EventAt::Event(event)).is_err());
        // What a client reads from a cursor tells it nothing of the event.
        let seen = String::from_utf8_lossy(&URL_SAFE_NO_PAD.decode(&cursor).unwrap()).into_owned();
        assert!(!seen.contains(&event.to_string()[4..12]), "{seen}");
    }
}
