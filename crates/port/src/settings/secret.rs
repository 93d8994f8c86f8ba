//! Secrets: `x` itself, or `x_file` with a path, never both.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use secrecy::{ExposeSecret, SecretString};

use super::error::KeyError;
use super::value::{Origin, RawValue};

/// A secret file larger than this many bytes is surely the wrong file.
const MAX_SECRET_BYTES: u64 = 64 * 1024;

/// The secret at `path`, from its own value or from the file that `<path>_file` names.
///
/// # Errors
/// It is given twice, is not text, is empty, or its file cannot be read.
pub fn resolve(
    path: &str,
    value: Option<&RawValue>,
    file: Option<&RawValue>,
) -> Result<Option<SecretString>, KeyError> {
    let file_path = format!("{path}_file");
    // A default is no second source: a path in the operator's file replaces it.
    let value = value.filter(|value| file.is_none() || value.origin != Origin::Default);
    let mut sources = Vec::new();
    for (key, given) in [(path, value), (&file_path, file)] {
        let Some(given) = given else { continue };
        for origin in given.replaced.iter().chain([&given.origin]) {
            let place = origin.describe().map_or_else(String::new, |place| format!(" {place}"));
            sources.push(format!("`{key}`{place}"));
        }
    }
    if sources.len() > 1 {
        return Err(KeyError::new(path, format!("is given twice: {}; keep one", sources.join(", "))));
    }
    let secret = match (value, file) {
        (Some(value), _) => value.as_secret(path)?.clone(),
        (None, Some(file)) => {
            let name = file.origin.resolve(file.as_text(&file_path)?);
            read(&name).map_err(|error| {
                file.error(&file_path, format!("{} cannot be read: {error}", name.display()))
            })?
        }
        (None, None) => return Ok(None),
    };
    if secret.expose_secret().is_empty() {
        let key = if value.is_some() { path } else { &file_path };
        return Err(KeyError::new(key, "the secret is empty"));
    }
    Ok(Some(secret))
}

/// The content of a file without one newline at its end.
fn read(path: &Path) -> io::Result<SecretString> {
    let mut text = secrecy::zeroize::Zeroizing::new(String::new());
    let read = File::open(path)?.take(MAX_SECRET_BYTES + 1).read_to_string(&mut text)?;
    if u64::try_from(read).is_ok_and(|read| read > MAX_SECRET_BYTES) {
        return Err(io::Error::other("it is larger than 64 KiB"));
    }
    let content = match text.strip_suffix('\n') {
        Some(line) => line.strip_suffix('\r').unwrap_or(line),
        None => &text,
    };
    Ok(SecretString::from(content))
}
