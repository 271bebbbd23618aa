//! What servers say of their commands (COMMAND): asked once for each server and version, kept for
//! all cores.

use std::sync::Arc;

use dashmap::DashMap;
use tenantsdb_codecs::redis::server::command;
use tenantsdb_codecs::redis::table::Table;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::sync::OnceCell;

use super::Error;
use super::command::reply;
use crate::stream::Stream;

/// Longest reply to COMMAND, in bytes: Redis 8 with all of its modules sends some 300 kB.
const TABLE_BYTES_MAX: usize = 8 << 20;

/// The tables of all servers that this process is connected to, or was: some 100 kB each.
#[derive(Debug, Default)]
pub(crate) struct Tables(DashMap<Box<str>, Entry>);

/// Of one server, by control's id.
#[derive(Debug)]
struct Entry {
    version: Arc<str>,
    /// Filled by the first that comes; others wait for it, and go on if it fails.
    table: Arc<OnceCell<Arc<Table>>>,
}

// === impl Tables ===

impl Tables {
    /// The table of a server, from an earlier connection; of the version that it had then.
    pub(crate) fn known(&self, server: &str) -> Option<Arc<Table>> {
        self.0.get(server)?.table.get().cloned()
    }

    /// The table of a server that `stream` is a connection to, at rest and logged in. Not cancel
    /// safe: dropped, the connection must be closed. The deadline is the caller's.
    pub(super) async fn of<T>(
        &self,
        server: &str,
        version: &Arc<str>,
        stream: &mut Stream<T>,
    ) -> Result<Arc<Table>, Error>
    where
        T: AsyncRead + AsyncWrite + Unpin,
    {
        let cell = self.cell(server, version);
        let table = cell.get_or_try_init(|| fetch(stream)).await?;
        Ok(Arc::clone(table))
    }

    fn cell(&self, server: &str, version: &Arc<str>) -> Arc<OnceCell<Arc<Table>>> {
        if let Some(entry) = self.0.get(server)
            && entry.version == *version
        {
            return Arc::clone(&entry.table);
        }
        let made = || Entry {
            version: Arc::clone(version),
            table: Arc::default(),
        };
        let mut entry = self.0.entry(server.into()).or_insert_with(made);
        if entry.version != *version {
            *entry = made(); // the server was upgraded
        }
        Arc::clone(&entry.table)
    }
}

async fn fetch<T>(stream: &mut Stream<T>) -> Result<Arc<Table>, Error>
where
    T: AsyncRead + AsyncWrite + Unpin,
{
    let mut out = Vec::new();
    command(&[b"COMMAND"], &mut out);
    stream.write_all(&out).await?;
    stream.flush().await?;
    let reply = reply(stream, "COMMAND", TABLE_BYTES_MAX).await?;
    Ok(Arc::new(Table::read(reply.bytes())?))
}
