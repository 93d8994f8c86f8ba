//! Everything that is wrong with a configuration, at once.

use std::fmt;

use guichet_port::settings::KeyError;

/// All problems of a configuration at once; shown as one line per problem.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigErrors(Vec<KeyError>);

impl ConfigErrors {
    /// The problems, in the order in which they were found.
    pub fn iter(&self) -> impl Iterator<Item = &KeyError> {
        self.0.iter()
    }
}

impl From<Vec<KeyError>> for ConfigErrors {
    fn from(problems: Vec<KeyError>) -> Self {
        Self(problems)
    }
}

impl From<KeyError> for ConfigErrors {
    fn from(problem: KeyError) -> Self {
        Self(vec![problem])
    }
}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, problem) in self.0.iter().enumerate() {
            if position > 0 {
                writeln!(f)?;
            }
            write!(f, "{problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigErrors {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn problems_are_shown_one_per_line() {
        let errors = ConfigErrors::from(vec![
            KeyError::new("a.b", "is missing"),
            KeyError::new("c", "is wrong").located(Some("set by GUICHET__C".into())),
        ]);
        assert_eq!(errors.to_string(), "a.b: is missing\nc: is wrong (set by GUICHET__C)");
    }
}
