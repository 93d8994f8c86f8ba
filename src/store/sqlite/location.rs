//! Where the file is, and the lock on it that keeps a second process away.

use std::{
    collections::BTreeSet,
    fs::{self, File, OpenOptions, Permissions, TryLockError},
    os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

use parking_lot::{Mutex, MutexGuard};

use crate::store::StoreError;

const SCHEME: &str = "sqlite://";
/// What the group and others may do with a file.
const OTHERS: u32 = 0o077;

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

fn failed(what: &str, path: &Path, error: &std::io::Error) -> StoreError {
    StoreError::Unavailable(format!("cannot {what} {}: {error}", path.display()))
}

/// Refuses a file that has several names. SQLite finds the log of a file by its name: under another name it would not see
/// what the log holds, and would begin a second one.
pub(super) fn expect_one_name(path: &Path) -> Result<(), StoreError> {
    let links = fs::metadata(path).map_err(|error| failed("look at", path, &error))?.nlink();
    if links <= 1 {
        return Ok(());
    }
    Err(StoreError::Unavailable(format!(
        "{} has {links} names (hard links), and SQLite needs it to have one: what was committed last may be in a log \
         beside another of them; keep the name that was used last and remove the others",
        path.display()
    )))
}

/// The file beside the store with this at the end of its name.
fn beside(path: &Path, end: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(end);
    PathBuf::from(name)
}

/// Takes away what the group and others may do with the files of a store: they name payers, and who can read a file can
/// lock it, which keeps guichet from starting. SQLite makes the missing ones like the database file, so this comes before
/// SQLite opens it. A file of another user stays as it is, with a warning.
fn keep_from_others(path: &Path) {
    for file in ["", "-wal", "-shm", "-journal", ".lock"].map(|end| beside(path, end)) {
        let Ok(found) = fs::symlink_metadata(&file) else { continue };
        let mode = found.permissions().mode();
        if !found.is_file() || mode & OTHERS == 0 {
            continue;
        }
        match fs::set_permissions(&file, Permissions::from_mode(mode & 0o7777 & !OTHERS)) {
            Ok(()) => tracing::warn!(
                file = %file.display(),
                "a file of the store was open to its group or to others; only its owner may use it now"
            ),
            Err(error) => tracing::warn!(
                file = %file.display(),
                %error,
                "a file of the store is open to its group or to others; who can read it can keep guichet from starting"
            ),
        }
    }
}

/// Device and inode: what a file is, whatever it is called.
type FileId = (u64, u64);

/// The files that stores of this process hold. They must not be opened a second time: the system drops the locks that
/// SQLite has on a file for this process as soon as any of its handles is closed.
static HELD: Mutex<BTreeSet<FileId>> = Mutex::new(BTreeSet::new());

fn held() -> MutexGuard<'static, BTreeSet<FileId>> {
    HELD.lock()
}

/// The exclusive lock (`flock`) on the file of a store; released when it is dropped, and by the system when the process
/// dies. It is independent of the locks that SQLite takes on the same file (`fcntl`), so that backups and `guichet erase`
/// work beside it. To be taken before SQLite opens the file and dropped after SQLite has closed it.
#[derive(Debug)]
pub(super) struct Lock {
    file: File,
    id: FileId,
}

impl Lock {
    /// Takes the lock on the file at `path`, which is made where it is missing, readable by this user only: copies of
    /// orders name payers.
    ///
    /// # Errors
    /// `Locked` when a service uses the file, by whatever name; `Unavailable` when it cannot be written or locked, or has
    /// several names.
    pub(super) fn take(path: &Path) -> Result<Self, StoreError> {
        let in_use = |by: &str| {
            StoreError::Locked(format!(
                "{by} uses the store {}; one store serves one guichet, whatever its file is called",
                path.display()
            ))
        };
        keep_from_others(path);
        // Held to the end: two stores of this process must not both get past the first look.
        let mut held = held();
        if fs::metadata(path).is_ok_and(|found| held.contains(&id_of(&found))) {
            return Err(in_use("this process itself"));
        }
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .mode(0o600)
            .open(path)
            .map_err(|error| failed("open", path, &error))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(in_use("another process")),
            Err(TryLockError::Error(error)) => {
                return Err(StoreError::Unavailable(format!(
                    "cannot lock {}: {error}; the store needs a file system with locks",
                    path.display()
                )));
            }
        }
        expect_one_name(path)?;
        expect_no_older_service(path)?;
        let id = id_of(&file.metadata().map_err(|error| failed("look at", path, &error))?);
        // Between the opening and the lock another file may have been put in its place, by a restore for example.
        if !fs::metadata(path).is_ok_and(|found| id_of(&found) == id) {
            return Err(StoreError::Unavailable(format!("{} was replaced just now", path.display())));
        }
        held.insert(id);
        Ok(Self { file, id })
    }
}

impl Drop for Lock {
    /// Unlocks by name: closing alone leaves the lock to a child process that is just being started
    /// and has not yet let go of the handles it was born with.
    fn drop(&mut self) {
        // A lock that cannot be given up here goes with the handle, which is closed next.
        let _ = self.file.unlock();
        held().remove(&self.id);
    }
}

fn id_of(file: &fs::Metadata) -> FileId {
    (file.dev(), file.ino())
}

/// Refuses a store that an older guichet serves, which locks a file beside it. One that is left over is not locked.
fn expect_no_older_service(path: &Path) -> Result<(), StoreError> {
    let name = beside(path, ".lock");
    // No guichet has made anything but a file; opening a pipe would wait for its other end.
    if !fs::symlink_metadata(&name).is_ok_and(|found| found.is_file()) {
        return Ok(());
    }
    let Ok(lock) = OpenOptions::new().read(true).open(&name) else { return Ok(()) };
    match lock.try_lock_shared() {
        Ok(()) | Err(TryLockError::Error(_)) => Ok(()),
        Err(TryLockError::WouldBlock) => Err(StoreError::Locked(format!(
            "an older guichet uses the store {} (it holds {}); stop it first",
            path.display(),
            name.display()
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_given_up_is_free_even_if_a_copy_of_its_handle_lives() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store.db");
        let lock = Lock::take(&path).unwrap();
        let inherited = lock.file.try_clone().unwrap();
        assert!(matches!(Lock::take(&path), Err(StoreError::Locked(_))));
        drop(lock);
        Lock::take(&path).unwrap();
        drop(inherited);
    }

    #[test]
    fn a_file_in_the_place_of_a_locked_one_is_another_store() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store.db");
        let moved = folder.path().join("moved.db");
        let lock = Lock::take(&path).unwrap();
        fs::rename(&path, &moved).unwrap();
        assert!(matches!(Lock::take(&moved), Err(StoreError::Locked(_))));
        let other = Lock::take(&path).unwrap();
        drop(lock);
        Lock::take(&moved).unwrap();
        assert!(matches!(Lock::take(&path), Err(StoreError::Locked(_))));
        drop(other);
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

    #[test]
    fn two_names_of_one_file_share_one_lock() {
        let directory = tempfile::tempdir().unwrap();
        let path = resolve(&directory.path().join("new/store.db")).unwrap();
        let _held = Lock::take(&path).unwrap();
        let alias = directory.path().join("alias.db");
        std::os::unix::fs::symlink(&path, &alias).unwrap();
        let error = Lock::take(&resolve(&alias).unwrap()).unwrap_err();
        assert!(matches!(&error, StoreError::Locked(text) if text.contains("store.db")), "{error}");
    }

    #[test]
    fn only_this_user_can_read_a_new_file() {
        use std::os::unix::fs::PermissionsExt;
        let directory = tempfile::tempdir().unwrap();
        let path = resolve(&directory.path().join("store.db")).unwrap();
        drop(Lock::take(&path).unwrap());
        drop(Lock::take(&path).unwrap());
        assert_eq!(fs::metadata(path).unwrap().permissions().mode() & 0o077, 0);
    }
}
