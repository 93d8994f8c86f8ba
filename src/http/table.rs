//! Tables of the members of requests. One table gives the check of an object and its schema in the OpenAPI document, so
//! the two cannot disagree.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::{
    body::integer,
    form::{Form, or_null},
};
use crate::{
    adapter::{VIOLATIONS_MAX, Violation, member_pointer},
    domain::{Currency, Field, Money, Timestamp},
    problem::Problem,
};

/// Longest name of an unknown member for which the nearest known one is looked for, in bytes.
const GUESSED_MAX: usize = 64;

/// A member of an object.
#[derive(Debug, Clone, Copy)]
pub(super) struct Member {
    name: &'static str,
    form: Form,
    is_required: bool,
    /// Why `null` is refused. `None`: it fits, and means absent in a new thing, cleared in a patch.
    no_null: Option<&'static str>,
    /// For the document.
    meaning: &'static str,
    /// For the document, as JSON. What is no JSON is a text; none where it is empty.
    example: &'static str,
}

impl Member {
    /// A member that may be absent or `null`.
    pub(super) const fn optional(name: &'static str, form: Form, meaning: &'static str) -> Self {
        Self { name, form, is_required: false, no_null: None, meaning, example: "" }
    }

    /// A member that has to be there.
    pub(super) const fn required(name: &'static str, form: Form, meaning: &'static str) -> Self {
        Self { is_required: true, no_null: Some("is required"), ..Self::optional(name, form, meaning) }
    }

    /// The same, with a reason of its own why it may not be `null`.
    pub(super) const fn never_null(self, why: &'static str) -> Self {
        Self { no_null: Some(why), ..self }
    }

    /// The same with an example.
    pub(super) const fn example(self, example: &'static str) -> Self {
        Self { example, ..self }
    }

    fn schema(&self) -> Value {
        let mut schema = self.form.schema();
        describe(&mut schema, self.meaning, self.example);
        if self.no_null.is_none() { or_null(schema) } else { schema }
    }
}

fn describe(schema: &mut Value, meaning: &str, example: &str) {
    let Some(schema) = schema.as_object_mut() else { return };
    schema.insert("description".to_owned(), meaning.into());
    if !example.is_empty() {
        let example = serde_json::from_str(example).unwrap_or_else(|_| example.into());
        schema.insert("example".to_owned(), example);
    }
}

/// One way to fill an object that has several: these members, and no others.
#[derive(Debug)]
pub(super) struct Choice {
    /// For the document.
    pub(super) title: &'static str,
    /// The member that makes the choice.
    pub(super) by: &'static str,
    /// What may stand beside it.
    pub(super) with: &'static [&'static str],
}

impl Choice {
    fn has(&self, name: &str) -> bool {
        self.by == name || self.with.contains(&name)
    }

    fn fits(&self, values: &Map<String, Value>) -> bool {
        let mut given = values.iter().filter(|(_, value)| !value.is_null()).map(|(name, _)| name);
        values.get(self.by).is_some_and(|value| !value.is_null()) && given.all(|name| self.has(name))
    }
}

/// A rule that joins members.
pub(super) type Rule = fn(&Members<'_>, &mut Vec<Violation>);

/// An object that callers send.
#[derive(Debug)]
pub(super) struct Object {
    /// Its name in the document.
    pub(super) name: &'static str,
    /// For the document.
    pub(super) meaning: &'static str,
    /// For the document, as JSON; none where it is empty.
    pub(super) example: &'static str,
    pub(super) members: &'static [Member],
    /// Whether an object without members is refused: it asks for nothing.
    pub(super) is_patch: bool,
    /// The ways to fill it, and what to say when none fits; without any, all members go together.
    pub(super) choices: &'static [Choice],
    pub(super) no_choice: &'static str,
    /// What a schema of members cannot say.
    pub(super) rule: Option<Rule>,
}

impl Object {
    /// An object without members, to be filled in.
    pub(super) const EMPTY: Self = Self {
        name: "",
        meaning: "",
        example: "",
        members: &[],
        is_patch: false,
        choices: &[],
        no_choice: "",
        rule: None,
    };

    /// The members of a body.
    ///
    /// # Errors
    /// `validation_failed` with everything that is wrong.
    pub(super) fn read<'a>(&'static self, values: &'a Map<String, Value>) -> Result<Members<'a>, Problem> {
        let mut errors = Vec::new();
        self.check(values, "", &mut errors);
        if errors.is_empty() { Ok(Members { table: self, values }) } else { Err(Problem::invalid(errors)) }
    }

    /// Adds everything that is wrong with an object at this place.
    pub(super) fn check(
        &'static self,
        values: &Map<String, Value>,
        pointer: &str,
        errors: &mut Vec<Violation>,
    ) {
        let before = errors.len();
        for member in self.members {
            if let Some(value) = values.get(member.name).filter(|value| !value.is_null()) {
                member.form.check(value, &member_pointer(pointer, member.name), errors);
            }
        }
        let is_null = |name: &str| values.get(name).is_some_and(Value::is_null);
        for member in self.members.iter().filter(|member| member.is_required) {
            let why = match values.get(member.name) {
                None => Some("is required"),
                Some(value) => member.no_null.filter(|_| value.is_null()),
            };
            if let Some(why) = why {
                errors.push(Violation::invalid(&member_pointer(pointer, member.name), why));
            }
        }
        self.refuse_unknown(values, pointer, errors);
        for member in self.members.iter().filter(|member| !member.is_required) {
            if let Some(why) = member.no_null.filter(|_| is_null(member.name)) {
                errors.push(Violation::invalid(&member_pointer(pointer, member.name), why));
            }
        }
        if let Some(rule) = self.rule {
            rule(&Members { table: self, values }, errors);
        }
        if errors.len() > before {
            return;
        }
        if self.is_patch && values.is_empty() {
            errors.push(Violation::invalid(pointer, "at least one member to change"));
        }
        if !self.choices.is_empty() && !self.choices.iter().any(|choice| choice.fits(values)) {
            errors.push(Violation::invalid(pointer, self.no_choice));
        }
    }

    fn knows(&self, name: &str) -> bool {
        self.members.iter().any(|member| member.name == name)
    }

    /// Refuses members that the table has not: a typo must not change money.
    fn refuse_unknown(&self, values: &Map<String, Value>, pointer: &str, errors: &mut Vec<Violation>) {
        for name in values.keys().filter(|name| !self.knows(name)) {
            if errors.len() > VIOLATIONS_MAX {
                return;
            }
            let hint = self
                .nearest(name)
                .map(|known| format!("; the nearest known one is `{known}`"))
                .unwrap_or_default();
            errors.push(Violation::invalid(&member_pointer(pointer, name), &format!("unknown member{hint}")));
        }
    }

    /// The member that may be meant. For a long name none is looked for: that costs time, and ours are short.
    fn nearest(&self, name: &str) -> Option<&'static str> {
        let known = self.members.iter().map(|member| member.name).filter(|_| name.len() <= GUESSED_MAX);
        known.max_by(|a, b| strsim::jaro(a, name).total_cmp(&strsim::jaro(b, name)).then(a.cmp(b)))
    }

    /// The JSON Schema of what [`Self::check`] takes, without the rule that joins members.
    pub(super) fn schema(&self) -> Value {
        let mut schema = if self.choices.is_empty() {
            self.schema_of_members()
        } else {
            json!({"oneOf": self.choices.iter().map(|choice| self.schema_of(choice)).collect::<Vec<_>>()})
        };
        describe(&mut schema, self.meaning, self.example);
        schema
    }

    fn schema_of_members(&self) -> Value {
        let members = self.members.iter().map(|member| (member.name.to_owned(), member.schema()));
        let required: Vec<&str> =
            self.members.iter().filter(|member| member.is_required).map(|member| member.name).collect();
        let mut schema = Map::from_iter([
            ("type".to_owned(), "object".into()),
            ("properties".to_owned(), Value::Object(members.collect())),
            ("additionalProperties".to_owned(), false.into()),
        ]);
        if !required.is_empty() {
            schema.insert("required".to_owned(), required.into());
        }
        if self.is_patch {
            schema.insert("minProperties".to_owned(), 1.into());
        }
        Value::Object(schema)
    }

    /// The object with this choice. Members of the others may be there as `null`: clients that write every member they
    /// know send them so.
    fn schema_of(&self, choice: &Choice) -> Value {
        let member = |member: &Member| {
            let schema = match member.name {
                name if name == choice.by => member.never_null("").schema(),
                name if choice.has(name) => member.schema(),
                _ => json!({"type": "null", "description": "Not with this choice."}),
            };
            (member.name.to_owned(), schema)
        };
        let members: Map<String, Value> = self.members.iter().map(member).collect();
        json!({"type": "object", "title": choice.title, "required": [choice.by], "additionalProperties": false,
            "properties": members})
    }
}

/// The members of an object that a table describes.
#[derive(Clone, Copy)]
pub(super) struct Members<'a> {
    table: &'static Object,
    values: &'a Map<String, Value>,
}

impl std::fmt::Debug for Members<'_> {
    /// Never the values: they name payers.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Members").field("table", &self.table.name).finish_non_exhaustive()
    }
}

impl<'a> Members<'a> {
    /// A member of the table, turned into what it means.
    pub(super) fn field<T>(&self, name: &str, read: impl FnOnce(&'a Value) -> Option<T>) -> Field<T> {
        debug_assert!(self.table.knows(name), "{} has no member {name}", self.table.name);
        match self.values.get(name) {
            None => Field::Keep,
            Some(Value::Null) => Field::Clear,
            Some(value) => read(value).map_or(Field::Keep, Field::Set),
        }
    }

    pub(super) fn text(&self, name: &str) -> Field<String> {
        self.field(name, |value| value.as_str().map(str::to_owned))
    }

    /// A text that means something else.
    pub(super) fn parsed<T>(&self, name: &str, parse: impl FnOnce(&str) -> Option<T>) -> Field<T> {
        self.field(name, |value| value.as_str().and_then(parse))
    }

    pub(super) fn flag(&self, name: &str) -> Field<bool> {
        self.field(name, Value::as_bool)
    }

    pub(super) fn integer(&self, name: &str) -> Field<i64> {
        self.field(name, |value| value.as_number().and_then(integer))
    }

    pub(super) fn instant(&self, name: &str) -> Field<Timestamp> {
        self.parsed(name, |text| Timestamp::parse(text).ok())
    }

    pub(super) fn money(&self, name: &str) -> Field<Money> {
        self.field(name, |value| {
            let amount = value.get("value").and_then(Value::as_number).and_then(integer)?;
            let currency = value.get("currency").and_then(Value::as_str)?;
            Money::new(amount, Currency::new(currency).ok()?).ok()
        })
    }

    /// The labels; those that are `null` are to be removed.
    pub(super) fn labels(&self, name: &str) -> Field<BTreeMap<String, Option<String>>> {
        self.field(name, |value| {
            let label = |(name, label): (&String, &Value)| (name.clone(), label.as_str().map(str::to_owned));
            value.as_object().map(|labels| labels.iter().map(label).collect())
        })
    }

    /// An object without a table.
    pub(super) fn map(&self, name: &str) -> Field<Map<String, Value>> {
        self.field(name, |value| value.as_object().cloned())
    }

    /// The members of an object with this table.
    pub(super) fn object(&self, name: &str, table: &'static Object) -> Field<Members<'a>> {
        self.field(name, |value| value.as_object().map(|values| Members { table, values }))
    }
}

/// The value that was given, if there was one.
pub(super) fn given<T>(field: Field<T>) -> Option<T> {
    match field {
        Field::Set(value) => Some(value),
        Field::Keep | Field::Clear => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    static SIZE: Object = Object {
        name: "Size",
        meaning: "A size.",
        members: &[Member::required("width", Form::Integer { min: 1, max: 9 }, "How wide.").example("3")],
        ..Object::EMPTY
    };
    static THING: Object = Object {
        name: "Thing",
        meaning: "A thing.",
        members: &[
            Member::optional("word", Form::Text { min: 1, max: 3 }, "A word.").example("abc"),
            Member::optional("size", Form::Object(&SIZE), "Its size."),
            Member::optional("old", Form::Flag, "Whether it is old.").never_null("true or false"),
        ],
        is_patch: true,
        ..Object::EMPTY
    };
    static EITHER: Object = Object {
        name: "Either",
        meaning: "One or the other.",
        members: &[
            Member::optional("one", Form::Flag, "One."),
            Member::optional("other", Form::Flag, "The other."),
            Member::optional("more", Form::Flag, "Beside the other."),
        ],
        choices: &[
            Choice { title: "One", by: "one", with: &[] },
            Choice { title: "Other", by: "other", with: &["more"] },
        ],
        no_choice: "one or the other",
        ..Object::EMPTY
    };

    fn wrong(table: &'static Object, values: Value) -> Vec<(String, String)> {
        let read = table.read(values.as_object().unwrap()).map(|_| ());
        let errors = read.err().map_or_else(Vec::new, |problem| problem.errors);
        errors.into_iter().map(|error| (error.pointer, error.detail)).collect()
    }

    #[test]
    fn everything_wrong_is_told_with_what_would_be_right() {
        let told = |values: Value| -> Vec<String> {
            wrong(&THING, values).into_iter().map(|(at, what)| format!("{at}: {what}")).collect()
        };
        assert_eq!(told(json!({"word": null, "size": {"width": 9.0}, "old": true})), [""; 0]);
        assert_eq!(told(json!({})), [": at least one member to change"]);
        assert_eq!(
            told(json!({"old": null, "wort": 1, "size": {"width": null, "w": 1}, "word": "long"})),
            [
                "/word: a text of 1 to 3 characters",
                "/size/width: is required",
                "/size/w: unknown member; the nearest known one is `width`",
                "/wort: unknown member; the nearest known one is `word`",
                "/old: true or false",
            ]
        );
        assert_eq!(told(json!({"size": {"width": 10}})), ["/size/width: an integer from 1 to 9"]);
        assert_eq!(told(json!({"size": 3})), ["/size: a JSON object"]);
    }

    #[test]
    fn a_choice_takes_what_stands_beside_it() {
        for (values, fits) in [
            (json!({"one": true}), true),
            (json!({"one": true, "other": null, "more": null}), true),
            (json!({"other": true, "more": false}), true),
            (json!({"one": null, "other": true}), true),
            (json!({"one": true, "other": true}), false),
            (json!({"one": true, "more": true}), false),
            (json!({"more": true}), false),
            (json!({}), false),
        ] {
            let expected = if fits { vec![] } else { vec![(String::new(), "one or the other".to_owned())] };
            assert_eq!(wrong(&EITHER, values.clone()), expected, "{values}");
            let schema = jsonschema::validator_for(&EITHER.schema()).unwrap();
            assert_eq!(schema.is_valid(&values), fits, "{values}");
        }
    }

    #[test]
    fn the_schema_says_what_the_check_does() {
        assert_eq!(
            THING.schema(),
            json!({
                "type": "object", "description": "A thing.", "minProperties": 1, "additionalProperties": false,
                "properties": {
                    "word": {"type": ["string", "null"], "minLength": 1, "maxLength": 3, "example": "abc",
                        "pattern": r"^[^\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f]*$", "description": "A word."},
                    "size": {"oneOf": [
                        {"$ref": "#/components/schemas/Size", "description": "Its size."}, {"type": "null"}]},
                    "old": {"type": "boolean", "description": "Whether it is old."},
                }
            })
        );
        assert_eq!(SIZE.schema()["required"], json!(["width"]));
        assert_eq!(SIZE.schema()["properties"]["width"]["example"], 3);
    }
}
