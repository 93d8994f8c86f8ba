//! Reads one section key by key. Every problem is recorded, so that all are reported at once, and every key that was
//! asked for is remembered, so that the rest can be refused.

use std::ops::RangeInclusive;
use std::time::Duration;

use guichet_port::settings::{Content, KeyError, Origin, RawValue, Table, unknown};

/// The value is not usable and the reason is recorded.
#[derive(Debug, Clone, Copy)]
pub struct Reported;

/// A value, or a recorded problem.
pub type Read<T> = Result<T, Reported>;

/// One section while it is being read.
#[derive(Debug)]
pub struct Section<'a> {
    path: String,
    table: Table,
    origin: Option<Origin>,
    /// False when the section itself is unusable: its keys are then not reported one by one.
    usable: bool,
    known: Vec<String>,
    problems: &'a mut Vec<KeyError>,
}

impl<'a> Section<'a> {
    /// The whole configuration.
    pub(super) fn root(table: Table, problems: &'a mut Vec<KeyError>) -> Self {
        Self { path: String::new(), table, origin: None, usable: true, known: Vec::new(), problems }
    }

    /// The section at `path`.
    pub(super) fn new(path: String, value: RawValue, problems: &'a mut Vec<KeyError>) -> Self {
        let origin = Some(value.origin.clone());
        let (table, usable) = match value.content {
            Content::Table(table) => (table, true),
            Content::Text(_)
            | Content::Integer(_)
            | Content::Boolean(_)
            | Content::List(_)
            | Content::Other(_) => {
                problems.push(value.error(&path, format!("must be a section, not {}", value.kind())));
                (Table::new(), false)
            }
        };
        Self { path, table, origin, usable, known: Vec::new(), problems }
    }

    /// A section inside this one.
    pub(super) fn child(&mut self, key: &str) -> Section<'_> {
        let path = self.path(key);
        match self.take(key) {
            Some(value) => Section::new(path, value, self.problems),
            None => Section {
                path,
                table: Table::new(),
                origin: None,
                usable: self.usable,
                known: Vec::new(),
                problems: self.problems,
            },
        }
    }

    /// Blocks by name, such as `[accounts.<name>]`. Absent: none.
    pub(super) fn blocks(&mut self, key: &str) -> Table {
        let path = self.path(key);
        match self.take(key) {
            Some(value) => Section::new(path, value, self.problems).table,
            None => Table::new(),
        }
    }

    /// Reads each block of a list such as `[[routes]]`. Absent: none.
    pub(super) fn each<T>(
        &mut self,
        key: &str,
        mut read: impl FnMut(Section<'_>) -> Read<T>,
    ) -> Read<Vec<T>> {
        let path = self.path(key);
        let blocks = match self.take(key) {
            None => return Ok(Vec::new()),
            Some(RawValue { content: Content::List(blocks), .. }) => blocks,
            Some(value) => {
                let wrong = format!(
                    "must be a list of blocks ([[{path}]] in the file, GUICHET__{}_JSON as a variable), not {}",
                    path.to_uppercase().replace('.', "__"),
                    value.kind()
                );
                return Err(self.report(value.error(&path, wrong)));
            }
        };
        let mut all = Ok(Vec::new());
        for (position, block) in blocks.into_iter().enumerate() {
            let block = read(Section::new(format!("{path}[{position}]"), block, self.problems));
            all = match (all, block) {
                (Ok(mut all), Ok(block)) => {
                    all.push(block);
                    Ok(all)
                }
                (Err(Reported), _) | (_, Err(Reported)) => Err(Reported),
            };
        }
        all
    }

    /// The whole path of a key of this section.
    pub(super) fn path(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    /// The list that problems go to.
    pub(super) fn problems(&mut self) -> &mut Vec<KeyError> {
        self.problems
    }

    /// Records a problem.
    pub(super) fn report(&mut self, problem: KeyError) -> Reported {
        self.problems.push(problem);
        Reported
    }

    /// Records a problem with a key, whose value is `value`.
    pub(super) fn refuse(&mut self, key: &str, value: &RawValue, problem: impl Into<String>) -> Reported {
        let problem = value.error(&self.path(key), problem);
        self.report(problem)
    }

    /// Takes a key that need not be there.
    pub(super) fn take(&mut self, key: &str) -> Option<RawValue> {
        self.known.push(key.to_owned());
        self.table.remove(key)
    }

    /// Takes a key that must be there.
    pub(super) fn need(&mut self, key: &str) -> Read<RawValue> {
        match self.take(key) {
            Some(value) => Ok(value),
            None => {
                if self.usable {
                    let origin = self.origin.as_ref().and_then(Origin::describe);
                    self.problems.push(KeyError::new(self.path(key), "is missing").located(origin));
                }
                Err(Reported)
            }
        }
    }

    fn checked<T>(&mut self, result: Result<T, KeyError>) -> Read<T> {
        result.map_err(|problem| self.report(problem))
    }

    /// Text with a meaning: `parse` says what it is, or what is wrong with it. Only `parse` knows whether the text may be
    /// repeated in that message.
    pub fn parsed<T>(&mut self, key: &str, parse: impl FnOnce(&str) -> Result<T, String>) -> Read<T> {
        let value = self.need(key)?;
        let path = self.path(key);
        let text = self.checked(value.as_text(&path))?;
        parse(text).map_err(|wrong| self.refuse(key, &value, wrong))
    }

    /// Text that may be absent or empty, which is the same.
    pub(super) fn optional_text(&mut self, key: &str) -> Read<Option<String>> {
        let Some(value) = self.take(key) else { return Ok(None) };
        let path = self.path(key);
        let text = self.checked(value.as_text(&path))?;
        Ok((!text.is_empty()).then(|| text.to_owned()))
    }

    /// One word of a list of words.
    pub(super) fn choice<T: Copy>(&mut self, key: &str, choices: &[(&str, T)]) -> Read<T> {
        let value = self.need(key)?;
        let path = self.path(key);
        let word = self.checked(value.as_text(&path))?;
        match choices.iter().find(|(name, _)| *name == word) {
            Some((_, choice)) => Ok(*choice),
            None => {
                let names: Vec<&str> = choices.iter().map(|(name, _)| *name).collect();
                let wrong = format!("must be one of {}, not `{word}`", names.join(", "));
                Err(self.refuse(key, &value, wrong))
            }
        }
    }

    /// `true` or `false`.
    pub fn boolean(&mut self, key: &str) -> Read<bool> {
        let value = self.need(key)?;
        let path = self.path(key);
        self.checked(value.as_boolean(&path))
    }

    /// `true`, `false` or absent.
    pub(super) fn optional_boolean(&mut self, key: &str) -> Read<Option<bool>> {
        let Some(value) = self.take(key) else { return Ok(None) };
        let path = self.path(key);
        self.checked(value.as_boolean(&path)).map(Some)
    }

    /// A whole number in a range; `unit` is for the message.
    pub fn integer(&mut self, key: &str, range: RangeInclusive<u64>, unit: &str) -> Read<u64> {
        let value = self.need(key)?;
        self.in_range(key, &value, range, unit)
    }

    /// A whole number in a range, or absent.
    pub(super) fn optional_integer(
        &mut self,
        key: &str,
        range: RangeInclusive<u64>,
        unit: &str,
    ) -> Read<Option<u64>> {
        match self.take(key) {
            Some(value) => self.in_range(key, &value, range, unit).map(Some),
            None => Ok(None),
        }
    }

    fn in_range(&mut self, key: &str, value: &RawValue, range: RangeInclusive<u64>, unit: &str) -> Read<u64> {
        let path = self.path(key);
        let number = self.checked(value.as_integer(&path))?;
        match u64::try_from(number) {
            Ok(number) if range.contains(&number) => Ok(number),
            Ok(_) | Err(_) => {
                let wrong = format!("must be {} to {} {unit}, not {number}", range.start(), range.end());
                Err(self.refuse(key, value, wrong))
            }
        }
    }

    /// A time in milliseconds.
    pub(super) fn milliseconds(&mut self, key: &str, range: RangeInclusive<u64>) -> Read<Duration> {
        self.integer(key, range, "milliseconds").map(Duration::from_millis)
    }

    /// A list of text; absent: empty. `parse` is asked about each member, as in [`Self::parsed`].
    pub(super) fn list<T>(
        &mut self,
        key: &str,
        mut parse: impl FnMut(&str) -> Result<T, String>,
    ) -> Read<Vec<T>> {
        let Some(value) = self.take(key) else { return Ok(Vec::new()) };
        let path = self.path(key);
        let members = self.checked(value.as_list(&path))?;
        let mut all = Ok(Vec::new());
        for member in &members {
            let parsed = match member.as_text(&path) {
                Ok(text) => parse(text).map_err(|wrong| member.error(&path, wrong)),
                Err(problem) => Err(problem),
            };
            match (parsed, &mut all) {
                (Ok(parsed), Ok(all)) => all.push(parsed),
                (Ok(_), Err(Reported)) => {}
                (Err(problem), _) => all = Err(self.report(problem)),
            }
        }
        all
    }

    /// Like [`Self::list`], with the lengths that are allowed.
    pub(super) fn list_of<T>(
        &mut self,
        key: &str,
        lengths: RangeInclusive<usize>,
        parse: impl FnMut(&str) -> Result<T, String>,
    ) -> Read<Vec<T>> {
        let value = self.need(key)?;
        self.table.insert(key.to_owned(), value.clone());
        let all = self.list(key, parse)?;
        if lengths.contains(&all.len()) {
            return Ok(all);
        }
        let wrong = if *lengths.end() == usize::MAX {
            format!("must have at least {} member(s)", lengths.start())
        } else {
            format!("must have {} to {} members, not {}", lengths.start(), lengths.end(), all.len())
        };
        Err(self.refuse(key, &value, wrong))
    }

    /// Refuses what was not asked for, naming the nearest key that was.
    pub fn finish(self) {
        for (key, value) in &self.table {
            let near = unknown("key", key, self.known.iter().map(String::as_str));
            self.problems.push(value.error(&self.path(key), near));
        }
    }
}
