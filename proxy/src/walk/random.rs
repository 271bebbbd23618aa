//! RANDOMKEY of a client: the first of its names from a random place on.

use tokio::io::{AsyncRead, AsyncWrite};

use super::budget::Pace;
use super::{Error, PAGE_COUNT, Walker};
use crate::nonce::random;

impl<S: AsyncRead + AsyncWrite + Unpin> Walker<'_, S> {
    /// One of the client's names, `None` if it has none. All names have a chance; names behind long
    /// stretches of other tenants' have a greater one. Not cancel safe, as
    /// [`super::ask::Asker::ask`].
    ///
    /// # Errors
    ///
    /// The server's answer, or none.
    pub(crate) async fn random_key(&mut self) -> Result<Option<Box<[u8]>>, Error> {
        let _walking = self.share.walk().await;
        let pattern = self.names.pattern(b"*");
        let start = u64::from_be_bytes(random());
        let mut pace = Pace::default();
        let (mut cursor, mut wrapped) = (start, false);
        loop {
            let turn = self.server.turn().await;
            let page = self.page(&turn, cursor, &pattern, PAGE_COUNT, None);
            let page = page.await?;
            if let Some(name) = pick(&page.names) {
                return Ok(self.names.strip(name).map(Into::into));
            }
            cursor = match page.cursor {
                Some(next) if wrapped && has_passed(next, start) => return Ok(None),
                Some(next) => next,
                None if wrapped => return Ok(None),
                None => {
                    wrapped = true;
                    0
                }
            };
            pace.rest(turn).await;
        }
    }
}

/// One of them, each as likely.
fn pick(names: &[Box<[u8]>]) -> Option<&[u8]> {
    let random = u32::from_be_bytes(random());
    let index = usize::try_from(random).ok()?.checked_rem(names.len())?;
    names.get(index).map(AsRef::as_ref)
}

/// Whether a walk from zero has come to where another began. Cursors count with their bits in
/// reverse (`dictScan` in Redis's `dict.c`), so that they hold while the table grows and shrinks.
const fn has_passed(cursor: u64, start: u64) -> bool {
    cursor.reverse_bits() >= start.reverse_bits()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cursors_count_backwards() {
        // A table of eight buckets is walked 0, 4, 2, 6, 1, 5, 3, 7.
        let order = [0, 4, 2, 6, 1, 5, 3, 7];
        for (place, cursor) in order.iter().enumerate() {
            for (other, start) in order.iter().enumerate() {
                assert_eq!(has_passed(*cursor, *start), place >= other);
            }
        }
    }

    #[test]
    fn nothing_is_picked_from_nothing() {
        assert_eq!(pick(&[]), None);
        assert_eq!(pick(&[b"a"[..].into()]), Some(&b"a"[..]));
    }
}
