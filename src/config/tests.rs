//! What the configuration promises, through its public functions only.

mod accounts;
mod edge;
mod exposed;
mod layers;
mod manual;
mod rules;

use std::fs;
use std::path::PathBuf;

use tempfile::TempDir;

use super::*;

/// A folder with a configuration file.
struct Written {
    folder: TempDir,
}

impl Written {
    fn new(toml: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("guichet.toml"), toml).unwrap();
        Self { folder }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("guichet.toml")
    }

    fn with(self, name: &str, content: impl AsRef<[u8]>) -> Self {
        fs::write(self.folder.path().join(name), content).unwrap();
        self
    }

    fn load(&self, variables: &[(&str, &str)]) -> Result<Settings, ConfigErrors> {
        load(Some(&self.path()), &environment(variables))
    }
}

fn environment(variables: &[(&str, &str)]) -> Environment {
    Environment::from_pairs(variables.iter().copied())
}

/// Loads a file and variables.
fn load_both(toml: &str, variables: &[(&str, &str)]) -> Result<Settings, ConfigErrors> {
    Written::new(toml).load(variables)
}

/// Loads variables alone.
fn load_variables(variables: &[(&str, &str)]) -> Result<Settings, ConfigErrors> {
    load(None, &environment(variables))
}

/// The lines of what is wrong with a file.
fn wrong(toml: &str) -> String {
    load_both(toml, &[]).unwrap_err().to_string()
}

/// Exactly one problem, whose line starts with `start` and contains `hint`.
fn check_one(errors: &ConfigErrors, start: &str, hint: &str) {
    let text = errors.to_string();
    assert_eq!(text.lines().count(), 1, "{text}");
    assert!(text.starts_with(start), "{text}\n  does not start with {start}");
    assert!(text.contains(hint), "{text}\n  does not contain {hint}");
}
