//! Values as they are written, before anybody says what type they should have, and where they were written.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};

use super::error::KeyError;

/// The keys of one section.
pub type Table = BTreeMap<String, RawValue>;

/// Where a value was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// In the embedded `default.toml`.
    Default,
    /// In the operator's file.
    File(PathBuf),
    /// In this environment variable.
    Variable(String),
    /// In our own code: the sandbox, tests.
    Code,
}

impl Origin {
    /// For messages; nothing for what the operator did not write.
    pub fn describe(&self) -> Option<String> {
        match self {
            Self::Default | Self::Code => None,
            Self::File(path) => Some(format!("in {}", path.display())),
            Self::Variable(name) => Some(format!("set by {name}")),
        }
    }

    /// Whether numbers, booleans and lists are written as text there.
    pub fn is_text_only(&self) -> bool {
        match self {
            Self::Variable(_) | Self::Code => true,
            Self::Default | Self::File(_) => false,
        }
    }

    /// A path written there: relative ones start at the folder of the file that names them, those of a variable at the
    /// working directory.
    pub fn resolve(&self, path: &str) -> PathBuf {
        match self {
            Self::File(file) => file.parent().unwrap_or(Path::new("")).join(path),
            Self::Default | Self::Variable(_) | Self::Code => PathBuf::from(path),
        }
    }
}

/// What is written. Text is kept as a secret, since only its reader knows whether it is one: it is wiped on drop and
/// `Debug` hides it.
#[derive(Debug, Clone)]
pub enum Content {
    /// Text in quotes, or any text of a variable.
    Text(SecretString),
    /// A whole number.
    Integer(i64),
    /// `true` or `false`.
    Boolean(bool),
    /// A list.
    List(Vec<RawValue>),
    /// A section.
    Table(Table),
    /// Something no key takes; the words say what.
    Other(&'static str),
}

/// A value, where it was written, and which earlier layer's value it replaced (defaults do not count).
#[derive(Debug, Clone)]
pub struct RawValue {
    /// What is written.
    pub content: Content,
    /// Where it was written.
    pub origin: Origin,
    /// Where the value of an earlier layer was written, which this one replaced.
    pub replaced: Option<Origin>,
}

impl RawValue {
    /// A value that replaced none.
    pub fn new(content: Content, origin: Origin) -> Self {
        Self { content, origin, replaced: None }
    }

    /// Text that replaced none.
    pub fn text(text: impl Into<String>, origin: Origin) -> Self {
        Self::new(Content::Text(SecretString::from(text.into())), origin)
    }

    /// An error about this value.
    pub fn error(&self, key: &str, problem: impl Into<String>) -> KeyError {
        KeyError::new(key, problem).located(self.origin.describe())
    }

    /// What is written, for "must be ..., not ...".
    pub fn kind(&self) -> &'static str {
        match &self.content {
            Content::Text(_) => "text",
            Content::Integer(_) => "a number without quotes",
            Content::Boolean(_) => "true or false without quotes",
            Content::List(_) => "a list",
            Content::Table(_) => "a section",
            Content::Other(words) => words,
        }
    }

    /// Adds what is written to a digest.
    pub fn digest_into(&self, hasher: &mut Sha256) {
        hasher.update(self.kind());
        match &self.content {
            Content::Text(text) => hasher.update(text.expose_secret()),
            Content::Integer(number) => hasher.update(number.to_be_bytes()),
            Content::Boolean(value) => hasher.update([u8::from(*value)]),
            Content::List(items) => items.iter().for_each(|item| item.digest_into(hasher)),
            Content::Table(table) => table.iter().for_each(|(key, value)| {
                hasher.update(key);
                value.digest_into(hasher);
            }),
            Content::Other(_) => {}
        }
    }

    /// The text as it is written.
    ///
    /// # Errors
    /// It is no text.
    pub fn as_secret(&self, key: &str) -> Result<&SecretString, KeyError> {
        match &self.content {
            Content::Text(text) => Ok(text),
            Content::Integer(_)
            | Content::Boolean(_)
            | Content::List(_)
            | Content::Table(_)
            | Content::Other(_) => {
                Err(self.error(key, format!("must be text in quotes, not {}", self.kind())))
            }
        }
    }

    /// The text, which has no control characters: it may become part of a header or a log line.
    ///
    /// # Errors
    /// It is no text of one line.
    pub fn as_text(&self, key: &str) -> Result<&str, KeyError> {
        let text = self.as_secret(key)?.expose_secret();
        if text.chars().any(char::is_control) {
            return Err(self.error(key, "must be one line without control characters"));
        }
        Ok(text)
    }

    /// A whole number.
    ///
    /// # Errors
    /// It is no whole number.
    pub fn as_integer(&self, key: &str) -> Result<i64, KeyError> {
        let wrong = || self.error(key, format!("must be a whole number, not {}", self.kind()));
        match &self.content {
            Content::Integer(number) => Ok(*number),
            Content::Text(text) if self.origin.is_text_only() => {
                let text = text.expose_secret().trim();
                text.parse().map_err(|_| self.error(key, "must be a whole number, in digits alone"))
            }
            Content::Text(_)
            | Content::Boolean(_)
            | Content::List(_)
            | Content::Table(_)
            | Content::Other(_) => Err(wrong()),
        }
    }

    /// `true` or `false`.
    ///
    /// # Errors
    /// It is neither.
    pub fn as_boolean(&self, key: &str) -> Result<bool, KeyError> {
        let wrong = || self.error(key, format!("must be true or false, not {}", self.kind()));
        match &self.content {
            Content::Boolean(yes) => Ok(*yes),
            Content::Text(text) if self.origin.is_text_only() => match text.expose_secret().trim() {
                "true" => Ok(true),
                "false" => Ok(false),
                _ => Err(self.error(key, "must be true or false")),
            },
            Content::Text(_)
            | Content::Integer(_)
            | Content::List(_)
            | Content::Table(_)
            | Content::Other(_) => Err(wrong()),
        }
    }

    /// The members of a list; text with commas in a variable is a list of text.
    ///
    /// # Errors
    /// It is no list.
    pub fn as_list(&self, key: &str) -> Result<Vec<Self>, KeyError> {
        match &self.content {
            Content::List(members) => Ok(members.clone()),
            Content::Text(text) if self.origin.is_text_only() => Ok(text
                .expose_secret()
                .split(',')
                .map(str::trim)
                .filter(|member| !member.is_empty())
                .map(|member| Self::text(member, self.origin.clone()))
                .collect()),
            Content::Text(_)
            | Content::Integer(_)
            | Content::Boolean(_)
            | Content::Table(_)
            | Content::Other(_) => {
                Err(self.error(key, format!("must be a list such as [\"a\", \"b\"], not {}", self.kind())))
            }
        }
    }

    /// Lays a later layer's value over this one: sections are joined, anything else is replaced.
    fn overlay(&mut self, over: Self) {
        match (&mut self.content, over.content) {
            (Content::Table(mine), Content::Table(theirs)) => overlay(mine, theirs),
            (_, content) => {
                let replaced = match &self.origin {
                    Origin::Default => None,
                    Origin::File(_) | Origin::Variable(_) | Origin::Code => Some(self.origin.clone()),
                };
                *self = Self { content, origin: over.origin, replaced };
            }
        }
    }
}

/// Lays the keys of a later layer over those of an earlier one.
pub fn overlay(base: &mut Table, over: Table) {
    for (key, value) in over {
        match base.get_mut(&key) {
            Some(old) => old.overlay(value),
            None => {
                base.insert(key, value);
            }
        }
    }
}
