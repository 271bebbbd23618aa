//! Small private files: read whole, replaced whole.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::error::Error;

/// Longest wait for another `tdb` that is changing the same file.
const LOCK_TIMEOUT: Duration = Duration::from_secs(5);
const LOCK_POLL: Duration = Duration::from_millis(20);

/// Reads a JSON file; a missing file is the empty value.
pub(super) fn read<T: DeserializeOwned + Default>(path: &Path) -> Result<T, Error> {
    let text = match fs::read(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(T::default()),
        Err(error) => return Err(failed("read", path, &error)),
    };
    serde_json::from_slice(&text).map_err(|error| {
        let text = format!("{} is not what tdb wrote: {error}", path.display());
        Error::local(text, "mend it, or move it away")
    })
}

/// Changes a JSON file, or makes it: readable by its owner alone, never half written, and no change
/// of another `tdb` at the same time gets lost.
///
/// Not cancel safe: the change may or may not have been made.
pub(super) async fn update<T: DeserializeOwned + Default + Serialize>(
    path: &Path,
    change: impl FnOnce(&mut T),
) -> Result<(), Error> {
    let folder = path.parent().unwrap_or(Path::new("."));
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
        .map_err(|error| failed("make the folder of", path, &error))?;
    let _lock = lock(&with_suffix(path, ".lock")).await?;
    let mut value: T = read(path)?;
    change(&mut value);
    replace(path, folder, &value).map_err(|error| failed("write", path, &error))
}

fn replace(path: &Path, folder: &Path, value: &impl Serialize) -> io::Result<()> {
    let temporary = with_suffix(path, ".new");
    // Left behind by a tdb that was killed; the lock says that nobody is writing it.
    match fs::remove_file(&temporary) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&temporary)?;
    let mut text = serde_json::to_vec_pretty(value)?;
    text.push(b'\n');
    file.write_all(&text)?;
    file.sync_all()?;
    fs::rename(&temporary, path)?;
    File::open(folder)?.sync_all()
}

async fn lock(path: &Path) -> Result<File, Error> {
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)
        .map_err(|error| failed("open", path, &error))?;
    let wait = async {
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(()),
                Err(TryLockError::WouldBlock) => tokio::time::sleep(LOCK_POLL).await,
                Err(TryLockError::Error(error)) => return Err(failed("lock", path, &error)),
            }
        }
    };
    match tokio::time::timeout(LOCK_TIMEOUT, wait).await {
        Ok(outcome) => outcome.map(|()| file),
        Err(_) => Err(Error::local(
            format!("another tdb keeps {} locked", path.display()),
            "wait for it, or end it",
        )),
    }
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

fn failed(what: &str, path: &Path, error: &io::Error) -> Error {
    Error::local(
        format!("cannot {what} {}: {error}", path.display()),
        "TDB_CONFIG names another place",
    )
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    type Words = BTreeMap<String, u32>;

    #[tokio::test]
    async fn a_file_is_private_even_if_it_was_not_before() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep/er/words.json");
        update::<Words>(&path, |words| {
            words.insert("a".into(), 1);
        })
        .await
        .unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        update::<Words>(&path, |words| {
            words.insert("b".into(), 2);
        })
        .await
        .unwrap();

        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let folder = fs::metadata(path.parent().unwrap())
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(folder & 0o777, 0o700);
        assert_eq!(
            read::<Words>(&path).unwrap(),
            Words::from([("a".into(), 1), ("b".into(), 2)])
        );
    }

    #[tokio::test]
    async fn a_file_that_was_left_half_written_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("words.json");
        fs::write(with_suffix(&path, ".new"), "{\"a").unwrap();
        update::<Words>(&path, |words| {
            words.insert("a".into(), 1);
        })
        .await
        .unwrap();
        assert_eq!(read::<Words>(&path).unwrap().len(), 1);
    }

    #[tokio::test]
    async fn changes_made_at_the_same_time_are_all_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("words.json");
        let changes = (0..20).map(|n| {
            let path = path.clone();
            tokio::spawn(async move {
                update::<Words>(&path, |words| {
                    words.insert(n.to_string(), n);
                })
                .await
                .unwrap();
            })
        });
        for change in changes.collect::<Vec<_>>() {
            change.await.unwrap();
        }
        assert_eq!(read::<Words>(&path).unwrap().len(), 20);
    }

    #[test]
    fn a_file_that_is_no_json_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("words.json");
        fs::write(&path, "hello").unwrap();
        assert!(matches!(read::<Words>(&path), Err(Error::Local { .. })));
    }
}
