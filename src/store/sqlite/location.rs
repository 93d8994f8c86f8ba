//! Where the file is, and the lock that keeps a second process away from it.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::ErrorKind,
    path::{Path, PathBuf},
};

use crate::store::StoreError;

const SCHEME: &str = "sqlite://";

/// The file a store address names: `sqlite://guichet.db` is relative, `sqlite:///var/lib/x.db` absolute.
pub(super) fn path_of(url: &str) -> Result<PathBuf, StoreError> {
    let wrong = |why: &str| {
        StoreError::Unavailable(format!(
            "the store address `{url}` {why}; it looks like sqlite://guichet.db or sqlite:///var/lib/guichet/guichet.db"
        ))
    };
    let path = url.strip_prefix(SCHEME).ok_or_else(|| wrong("does not begin with sqlite://"))?;
    if path.is_empty() || path.ends_with('/') {
        return Err(wrong("names no file"));
    }
    if path.contains(['?', '#']) {
        return Err(wrong("has options, and there are none"));
    }
    if path.contains(":memory:") {
        return Err(wrong("names memory, which forgets"));
    }
    Ok(PathBuf::from(path))
}

/// Creates the directory where it is missing and answers the path free of symbolic links, so that two
/// names of one file meet at one lock.
pub(super) fn resolve(path: &Path) -> Result<PathBuf, StoreError> {
    let directory = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        Some(_) | None => Path::new("."),
    };
    let is_new = !directory.is_dir();
    if is_new {
        fs::create_dir_all(directory).map_err(|error| failed("create the directory", directory, &error))?;
    }
    let directory =
        directory.canonicalize().map_err(|error| failed("find the directory", directory, &error))?;
    if is_new {
        // A directory's own entry is as volatile as a file's. Some file systems cannot sync directories.
        for ancestor in directory.ancestors() {
            let _ = File::open(ancestor).and_then(|handle| handle.sync_all());
        }
    }
    match (path.canonicalize(), path.file_name()) {
        (Ok(existing), _) => Ok(existing),
        (Err(_), Some(name)) => Ok(directory.join(name)),
        (Err(error), None) => Err(failed("find", path, &error)),
    }
}

/// Creates the file where it is missing, readable by this user only: copies of orders name payers.
///
/// To be called with the lock held, and one that exists is not opened: closing any handle of a file
/// gives up the locks that SQLite holds on it for this process.
pub(super) fn create(path: &Path) -> Result<(), StoreError> {
    let mut options = OpenOptions::new();
    options.create_new(true).write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    match options.open(path) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(failed("create", path, &error)),
    }
}

fn failed(what: &str, path: &Path, error: &std::io::Error) -> StoreError {
    StoreError::Unavailable(format!("cannot {what} {}: {error}", path.display()))
}

/// The exclusive lock on a store; released when it is dropped, and by the system when the process dies.
#[derive(Debug)]
pub(super) struct LockFile {
    held: File,
}

impl LockFile {
    /// Takes the lock beside `path`. The database file itself is not locked: other tools may read it.
    pub(super) fn take(path: &Path) -> Result<Self, StoreError> {
        let mut name = path.as_os_str().to_owned();
        name.push(".lock");
        let lock = PathBuf::from(name);
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&lock)
            .map_err(|error| failed("write the lock file", &lock, &error))?;
        match file.try_lock() {
            Ok(()) => Ok(Self { held: file }),
            Err(TryLockError::WouldBlock) => Err(StoreError::Locked(format!(
                "another process uses the store {} (it holds {}); one store serves one guichet",
                path.display(),
                lock.display()
            ))),
            Err(TryLockError::Error(error)) => Err(StoreError::Unavailable(format!(
                "cannot lock {}: {error}; the store needs a file system with locks",
                lock.display()
            ))),
        }
    }
}

impl Drop for LockFile {
    /// Unlocks by name: closing alone leaves the lock to a child process that is just being started
    /// and has not yet let go of the handles it was born with.
    fn drop(&mut self) {
        // A lock that cannot be given up here goes with the handle, which is closed next.
        let _ = self.held.unlock();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_given_up_is_free_even_if_a_copy_of_its_handle_lives() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store.db");
        let lock = LockFile::take(&path).unwrap();
        let inherited = lock.held.try_clone().unwrap();
        assert!(matches!(LockFile::take(&path), Err(StoreError::Locked(_))));
        drop(lock);
        LockFile::take(&path).unwrap();
        drop(inherited);
    }

    #[test]
    fn addresses_name_files() {
        for (url, path) in [
            ("sqlite://guichet.db", "guichet.db"),
            ("sqlite:///var/lib/guichet.db", "/var/lib/guichet.db"),
            ("sqlite://./data/x.db", "./data/x.db"),
        ] {
            assert_eq!(path_of(url).unwrap(), Path::new(path), "{url}");
        }
        for url in [
            "",
            "guichet.db",
            "postgres://x/y",
            "sqlite:x.db",
            "sqlite://",
            "sqlite:///data/",
            "sqlite://:memory:",
            "sqlite://x.db?mode=ro",
        ] {
            let error = path_of(url).unwrap_err().to_string();
            assert!(error.contains(&format!("`{url}`")), "{error}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn two_names_of_one_file_share_one_lock() {
        let directory = tempfile::tempdir().unwrap();
        let path = resolve(&directory.path().join("new/store.db")).unwrap();
        create(&path).unwrap();
        let alias = directory.path().join("alias.db");
        std::os::unix::fs::symlink(&path, &alias).unwrap();
        let _held = LockFile::take(&path).unwrap();
        let error = LockFile::take(&resolve(&alias).unwrap()).unwrap_err();
        assert!(matches!(&error, StoreError::Locked(text) if text.contains("store.db")), "{error}");
    }

    #[cfg(unix)]
    #[test]
    fn only_this_user_can_read_a_new_file() {
        use std::os::unix::fs::PermissionsExt;
        let directory = tempfile::tempdir().unwrap();
        let path = resolve(&directory.path().join("store.db")).unwrap();
        create(&path).unwrap();
        create(&path).unwrap();
        assert_eq!(fs::metadata(path).unwrap().permissions().mode() & 0o077, 0);
    }
}
