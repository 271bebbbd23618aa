//! The file.

use std::fmt;
use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

const FILE: &str = "captures.jsonl";
const TEMPORARY: &str = "captures.jsonl.tmp";
const DAMAGED: &str = "captures.jsonl.damaged";
/// Captured statements hold whatever was typed, passwords of CREATE USER among it.
const MODE: u32 = 0o600;
const DIR_MODE: u32 = 0o700;

/// What the journal needs of a file; each call blocks. After one that failed nothing is known of
/// the file's content but that what was synchronised before is there, and only
/// [`File::replace`] may be called.
pub(super) trait File: fmt::Debug + Send {
    /// Writes at the end.
    fn append(&mut self, bytes: &[u8]) -> io::Result<()>;
    /// Returns when all that was written is durable.
    fn sync(&mut self) -> io::Result<()>;
    /// Begins anew with this content; returns when it is durable. If it fails the old content may
    /// be there, or the new one.
    fn replace(&mut self, bytes: &[u8]) -> io::Result<()>;
    /// Empties it, durable with the next [`File::sync`].
    fn clear(&mut self) -> io::Result<()>;
    /// Bytes in it.
    fn len(&self) -> u64;
}

/// A file in a directory of its own.
#[derive(Debug)]
pub(super) struct Log {
    dir: PathBuf,
    file: fs::File,
    len: u64,
}

impl Log {
    /// Opens the file, which is made if there is none, and reads it.
    pub(super) fn open(dir: &Path) -> io::Result<(Self, Vec<u8>)> {
        let made = DirBuilder::new().mode(DIR_MODE).create(dir);
        match made {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            made => {
                made?;
                if let Some(parent) = dir.parent().filter(|path| !path.as_os_str().is_empty()) {
                    sync_dir(parent)?;
                }
            }
        }
        let path = dir.join(FILE);
        let mut options = OpenOptions::new();
        let file = options.append(true).create(true).mode(MODE).open(&path)?;
        let bytes = fs::read(&path)?;
        let log = Self {
            dir: dir.to_owned(),
            file,
            len: bytes.len() as u64,
        };
        Ok((log, bytes))
    }

    /// Puts a copy of the file aside for a person to look at.
    pub(super) fn keep_damaged(&self) -> io::Result<PathBuf> {
        let kept = self.dir.join(DAMAGED);
        fs::copy(self.dir.join(FILE), &kept)?;
        Ok(kept)
    }
}

impl File for Log {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)?;
        self.len += bytes.len() as u64;
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        self.file.sync_data()
    }

    fn replace(&mut self, bytes: &[u8]) -> io::Result<()> {
        let temporary = self.dir.join(TEMPORARY);
        // What a crash has left there may have other rights.
        match fs::remove_file(&temporary) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut options = OpenOptions::new();
        let options = options.append(true).create_new(true).mode(MODE);
        let mut file = options.open(&temporary)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&temporary, self.dir.join(FILE))?;
        sync_dir(&self.dir)?;
        self.file = file;
        self.len = bytes.len() as u64;
        Ok(())
    }

    fn clear(&mut self) -> io::Result<()> {
        self.file.set_len(0)?;
        self.len = 0;
        Ok(())
    }

    fn len(&self) -> u64 {
        self.len
    }
}

fn sync_dir(dir: &Path) -> io::Result<()> {
    fs::File::open(dir)?.sync_all()
}
