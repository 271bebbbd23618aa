//! FLUSHDB of a client: its keys are unlinked, some hundreds at a time.

use tenantsdb_codecs::redis::value::Value;
use tokio::io::{AsyncRead, AsyncWrite};

use super::ask::Asker;
use super::budget::Pace;
use super::{Error, PAGE_COUNT, Walker};

/// Keys of one UNLINK.
const UNLINK_KEYS_MAX: usize = 512;

impl<S: AsyncRead + AsyncWrite + Unpin> Walker<'_, S> {
    /// Unlinks all keys that there are when it begins, on `session`: a connection of a login that
    /// may write, between two commands. Keys that are made meanwhile may stay. Adds to `pushes`
    /// what came unasked on that connection, of which the last message may be still on its way;
    /// after an error that is settled too. Not cancel safe, as [`Asker::ask`], on either
    /// connection; what is unlinked by then is.
    ///
    /// # Errors
    ///
    /// A server's answer, or none.
    pub(crate) async fn flush<D>(
        &mut self,
        session: &mut D,
        pushes: &mut Vec<u8>,
    ) -> Result<(), Error>
    where
        D: AsyncRead + AsyncWrite + Unpin,
    {
        let mut writer = Asker::new(session);
        let flushed = self.unlink_all(&mut writer).await;
        pushes.append(&mut writer.take_pushes());
        flushed
    }

    async fn unlink_all<D>(&mut self, writer: &mut Asker<'_, D>) -> Result<(), Error>
    where
        D: AsyncRead + AsyncWrite + Unpin,
    {
        let walking = self.share.walk().await;
        let pattern = self.names.pattern(b"*");
        let mut pace = Pace::default();
        let mut next = Some(0);
        while let Some(cursor) = next {
            let turn = self.server.turn().await;
            let page = self.page(&turn, cursor, &pattern, PAGE_COUNT, None);
            let page = page.await?;
            next = page.cursor;
            for names in page.names.chunks(UNLINK_KEYS_MAX) {
                unlink(writer, names).await?;
            }
            if next.is_some() {
                pace.rest(turn).await;
            }
        }
        self.share.usage.counted(0);
        drop(walking);
        Ok(())
    }
}

async fn unlink<D>(writer: &mut Asker<'_, D>, names: &[Box<[u8]>]) -> Result<(), Error>
where
    D: AsyncRead + AsyncWrite + Unpin,
{
    let mut words: Vec<&[u8]> = vec![b"UNLINK"];
    words.extend(names.iter().map(AsRef::as_ref));
    match writer.ask(&words).await? {
        Value::Integer(_) => Ok(()),
        _ => Err(Error::Unexpected("UNLINK")),
    }
}
