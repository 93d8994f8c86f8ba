//! Cursors of lists: opaque, and bound to the client and to what the list shows, so that an altered or foreign one is
//! refused.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest, Sha256};

use crate::{
    adapter::Violation,
    orders::Caller,
    problem::{Problem, ProblemCode},
    store::Place,
};

/// Items of a page when the caller does not say.
pub(super) const LIMIT: u32 = 50;
/// Characters of the mark that binds a cursor.
const MARK_CHARS: usize = 16;

/// Name and value of every query parameter.
pub(super) fn pairs(query: Option<&str>) -> Vec<(String, String)> {
    url::form_urlencoded::parse(query.unwrap_or_default().as_bytes()).into_owned().collect()
}

/// A page size: at least 1, cut to 200 however large it is.
pub(super) fn read_limit(text: &str) -> Option<u32> {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let number = text.parse::<u64>().unwrap_or(u64::MAX).min(200);
    (is_number && number >= 1).then(|| u32::try_from(number).unwrap_or(200))
}

pub(super) fn unknown_parameter(name: &str) -> Violation {
    Violation::invalid(&format!("/{}", name.replace('~', "~0").replace('/', "~1")), "unknown query parameter")
}

/// What a list shows and to whom: everything a cursor is bound to.
pub(super) fn scope(list: &str, caller: &Caller, filter: &str) -> String {
    format!("{list}\n{}\n{filter}", caller.client)
}

/// The cursor of a place.
pub(super) fn encode(place: &Place, scope: &str) -> String {
    marked(&format!("{:x}.{}", place.0, place.1), scope)
}

/// A text with the mark that binds it.
pub(super) fn marked(text: &str, scope: &str) -> String {
    format!("{}.{}", URL_SAFE_NO_PAD.encode(text), mark(text, scope))
}

fn mark(text: &str, scope: &str) -> String {
    hex::encode(Sha256::digest(format!("{scope}\n{text}").as_bytes())).chars().take(MARK_CHARS).collect()
}

/// The place of a cursor that was given out for this list.
pub(super) fn decode(cursor: &str, scope: &str) -> Result<Place, Problem> {
    let place = || {
        let (text, _) = cursor.rsplit_once('.')?;
        let text = String::from_utf8(URL_SAFE_NO_PAD.decode(text).ok()?).ok()?;
        let (time, id) = text.split_once('.')?;
        Some((i64::from_str_radix(time, 16).ok()?, id.to_owned()))
    };
    // The mark and the one spelling at once.
    place()
        .filter(|place| encode(place, scope) == cursor)
        .ok_or_else(|| Problem::plain(ProblemCode::InvalidCursor))
}

/// One page of what was found with one item more than the limit, and the cursor of the next page.
pub(super) fn page<T>(mut found: Vec<(Place, T)>, limit: u32, scope: &str) -> (Vec<T>, Option<String>) {
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let has_more = found.len() > limit;
    found.truncate(limit);
    let next = found.last().filter(|_| has_more).map(|(place, _)| encode(place, scope));
    (found.into_iter().map(|(_, item)| item).collect(), next)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_good_for_its_own_list_only() {
        let place = (1_700_000_000_123, "op_0191f2c4-7a40-7c31-9a53-2f6f1f7a1b2c".to_owned());
        let cursor = encode(&place, "a");
        assert_eq!(decode(&cursor, "a").unwrap(), place);
        assert!(decode(&cursor, "b").is_err());
        for text in ["+1f.x", "001f.x", "1F.x", "-1.x"] {
            assert!(decode(&marked(text, "a"), "a").is_err(), "another spelling: {text}");
        }
        for altered in [format!("x{cursor}"), cursor.replace('.', ""), format!("{cursor}0"), String::new()] {
            assert!(decode(&altered, "a").is_err(), "{altered}");
        }
    }

    #[test]
    fn limits_are_cut_not_refused() {
        let limits = ["1", "200", "201", "99999999999999999999"].map(read_limit);
        assert_eq!(limits, [Some(1), Some(200), Some(200), Some(200)]);
        assert_eq!(["0", "-1", "", "x", "1.5"].map(read_limit), [None; 5]);
    }
}
