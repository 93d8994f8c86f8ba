//! Whether a schema takes all that the old one took (requests), or gives nothing that the old one did not (answers).

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::{members, strings};

/// Which way a schema is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    /// Callers write it.
    Request,
    /// Callers read it.
    Answer,
}

/// A schema in its document.
type Placed<'a> = (&'a Value, &'a Value);

/// What a caller of the old schema would stumble over in the new one.
pub(super) fn compare(side: Side, place: &str, old: Placed<'_>, new: Placed<'_>) -> Vec<String> {
    let (before, now) = (flat(old), flat(new));
    let mut found = Vec::new();
    let mut say = |what: String| found.push(format!("{place}: {what}"));

    let (had, has) = (types(&before), types(&now));
    // No type at all means any.
    let fits = match side {
        Side::Request => has.is_empty() || (!had.is_empty() && had.is_subset(&has)),
        Side::Answer => had.is_empty() || (!has.is_empty() && has.is_subset(&had)),
    };
    if !fits {
        say(format!("was {had:?}, is {has:?}"));
    }
    let (needed, needs) = (strings(&before["required"]), strings(&now["required"]));
    match side {
        Side::Request => needs.difference(&needed).for_each(|name| say(format!("{name} is required now"))),
        Side::Answer => needed.difference(&needs).for_each(|name| say(format!("{name} may be absent now"))),
    }
    if side == Side::Request {
        narrower(&before, &now, &mut say);
    }
    for (name, _) in members(&before["properties"]).filter(|(name, _)| now["properties"].get(*name).is_none())
    {
        say(format!("{name} is gone"));
    }
    for (name, member) in members(&before["properties"]) {
        if let Some(then) = now["properties"].get(name) {
            found.extend(compare(side, &format!("{place}/{name}"), (old.0, member), (new.0, then)));
        }
    }
    for part in ["items", "additionalProperties"] {
        if before[part].is_object() && now[part].is_object() {
            let place = format!("{place}/{part}");
            found.extend(compare(side, &place, (old.0, &before[part]), (new.0, &now[part])));
        }
    }
    alternatives(&mut found, side, place, (old.0, &before), (new.0, &now));
    found
}

/// Limits on what may be sent.
fn narrower(before: &Value, now: &Value, say: &mut impl FnMut(String)) {
    let values =
        |schema: &Value| schema["enum"].as_array().map(|all| all.iter().map(Value::to_string).collect());
    let (had, has): (Option<BTreeSet<String>>, Option<BTreeSet<String>>) = (values(before), values(now));
    if let Some(has) = has {
        match had {
            None => say("takes only some values now".to_owned()),
            Some(had) => {
                had.difference(&has).for_each(|value| say(format!("does not take {value} any more")))
            }
        }
    }
    for limit in ["minLength", "minimum", "minItems", "minProperties"] {
        if now[limit].as_i64() > before[limit].as_i64() {
            say(format!("{limit} is {}", now[limit]));
        }
    }
    for limit in ["maxLength", "maximum", "maxItems", "maxProperties"] {
        let (had, has) =
            (before[limit].as_i64().unwrap_or(i64::MAX), now[limit].as_i64().unwrap_or(i64::MAX));
        if has < had {
            say(format!("{limit} is {has}"));
        }
    }
    for rule in ["pattern", "format"] {
        // Nobody can tell which of two patterns takes more.
        if !now[rule].is_null() && now[rule] != before[rule] {
            say(format!("{rule} is {}", now[rule]));
        }
    }
    if now["additionalProperties"] == false && before["additionalProperties"] != false {
        say("takes no further members now".to_owned());
    }
}

/// Requests: each old alternative has to be taken still. Answers: each new one has to be known already.
fn alternatives(found: &mut Vec<String>, side: Side, place: &str, old: Placed<'_>, new: Placed<'_>) {
    for word in ["anyOf", "oneOf"] {
        let list = |schema: &Value| schema[word].as_array().cloned().unwrap_or_default();
        let (before, now) = (list(old.1), list(new.1));
        if before.is_empty() != now.is_empty() {
            found.push(format!("{place}: {word} is new or gone"));
            continue;
        }
        let fit = |a: &Value, b: &Value| compare(side, place, (old.0, a), (new.0, b)).is_empty();
        let (asked, offered) = match side {
            Side::Request => (&before, &now),
            Side::Answer => (&now, &before),
        };
        for one in asked {
            let known = offered.iter().any(|other| match side {
                Side::Request => fit(one, other),
                Side::Answer => fit(other, one),
            });
            if !known {
                found.push(format!("{place}: {word} differs in {one}"));
            }
        }
    }
}

fn types(schema: &Value) -> BTreeSet<String> {
    schema["type"].as_str().map_or_else(|| strings(&schema["type"]), |one| BTreeSet::from([one.to_owned()]))
}

/// A schema with its references followed and its parts (`allOf`) put together.
fn flat((document, schema): Placed<'_>) -> Value {
    let mut whole = Map::new();
    let mut parts: Vec<&Value> = schema["allOf"].as_array().into_iter().flatten().collect();
    parts
        .extend(schema["$ref"].as_str().and_then(|reference| document.pointer(reference.strip_prefix('#')?)));
    for part in parts {
        for (name, value) in members(&flat((document, part))) {
            join(&mut whole, name, value);
        }
    }
    for (name, value) in members(schema).filter(|(name, _)| !matches!(name.as_str(), "allOf" | "$ref")) {
        join(&mut whole, name, value);
    }
    Value::Object(whole)
}

fn join(whole: &mut Map<String, Value>, name: &str, value: &Value) {
    match (whole.get_mut(name), value) {
        (Some(Value::Object(all)), Value::Object(more)) => all.extend(more.clone()),
        (Some(Value::Array(all)), Value::Array(more)) if name == "required" => all.extend(more.clone()),
        _ => drop(whole.insert(name.to_owned(), value.clone())),
    }
}
