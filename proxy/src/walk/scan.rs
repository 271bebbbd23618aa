//! SCAN of a client: its cursors are the server's, its pages are its own names.

use tokio::io::{AsyncRead, AsyncWrite};

use super::ask::number;
use super::budget::Pace;
use super::names::Names;
use super::{Error, Walker};

/// What a client that says no COUNT gets, as in Redis.
const COUNT_DEFAULT: u64 = 10;

/// The server looks at as many buckets at least: nearly all are of other tenants, and each page
/// costs the client a round trip.
const COUNT_MIN: u64 = 100;

/// And at most: a SCAN that says COUNT 10000000 would stop the server for everybody.
const COUNT_MAX: u64 = 1000;

/// Pages without any of the tenant's names that are asked for before the client is told so, with
/// the cursor to go on from.
const EMPTY_PAGES_MAX: u32 = 10;

/// What a client asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Scan<'a> {
    cursor: u64,
    pattern: &'a [u8],
    count: u64,
    kind: Option<&'a [u8]>,
}

/// Why that cannot be asked for. The text is Redis's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ScanError {
    /// Not a number.
    #[error("ERR invalid cursor")]
    Cursor,
    /// Not an option, or one without a value.
    #[error("ERR syntax error")]
    Syntax,
    /// Of COUNT.
    #[error("ERR value is not an integer or out of range")]
    Number,
    /// Nothing behind SCAN.
    #[error("ERR wrong number of arguments for 'scan' command")]
    Arguments,
}

/// What the client gets.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Scanned {
    /// Where to go on; zero at the end.
    pub(crate) cursor: u64,
    /// The client's names.
    pub(crate) names: Vec<Box<[u8]>>,
}

impl<'a> Scan<'a> {
    /// The words behind SCAN.
    ///
    /// # Errors
    ///
    /// What is wrong with them.
    pub(crate) fn read(words: &[&'a [u8]]) -> Result<Self, ScanError> {
        let [cursor, options @ ..] = words else {
            return Err(ScanError::Arguments);
        };
        let mut scan = Self {
            cursor: number(cursor).ok_or(ScanError::Cursor)?,
            pattern: b"*",
            count: COUNT_DEFAULT,
            kind: None,
        };
        let mut rest = options;
        while let [option, value, behind @ ..] = rest {
            rest = behind;
            match option.to_ascii_lowercase().as_slice() {
                b"match" => scan.pattern = value,
                b"type" => scan.kind = Some(value),
                b"count" => {
                    let text = std::str::from_utf8(value).map_err(|_| ScanError::Number)?;
                    let count: i64 = text.parse().map_err(|_| ScanError::Number)?;
                    let count = u64::try_from(count).map_err(|_| ScanError::Syntax)?;
                    scan.count = Some(count).filter(|n| *n > 0).ok_or(ScanError::Syntax)?;
                }
                _ => return Err(ScanError::Syntax),
            }
        }
        if rest.is_empty() {
            Ok(scan)
        } else {
            Err(ScanError::Syntax)
        }
    }

    fn server_count(&self) -> u32 {
        let count = self.count.clamp(COUNT_MIN, COUNT_MAX);
        u32::try_from(count).unwrap_or(u32::MAX)
    }
}

/// Names as the client knows them.
pub(super) fn stripped(names: &Names<'_>, found: Vec<Box<[u8]>>) -> Vec<Box<[u8]>> {
    let stripped = found.iter().filter_map(|name| names.strip(name));
    stripped.map(Into::into).collect()
}

impl<S: AsyncRead + AsyncWrite + Unpin> Walker<'_, S> {
    /// The client's next names. Not cancel safe, as [`super::ask::Asker::ask`].
    ///
    /// # Errors
    ///
    /// The server's answer, or none.
    pub(crate) async fn scan(&mut self, scan: &Scan<'_>) -> Result<Scanned, Error> {
        let _step = self.share.step().await;
        let pattern = self.names.pattern(scan.pattern);
        let mut pace = Pace::default();
        let mut cursor = scan.cursor;
        for _ in 1..EMPTY_PAGES_MAX {
            let turn = self.server.turn().await;
            let page = self.page(&turn, cursor, &pattern, scan.server_count(), scan.kind);
            let page = page.await?;
            match page.cursor {
                Some(next) if page.names.is_empty() => cursor = next,
                next => return Ok(self.scanned(next, page.names)),
            }
            pace.rest(turn).await;
        }
        let turn = self.server.turn().await;
        let page = self.page(&turn, cursor, &pattern, scan.server_count(), scan.kind);
        let page = page.await?;
        Ok(self.scanned(page.cursor, page.names))
    }

    fn scanned(&self, next: Option<u64>, found: Vec<Box<[u8]>>) -> Scanned {
        Scanned {
            cursor: next.unwrap_or(0),
            names: stripped(&self.names, found),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(words: &str) -> Result<Scan<'_>, ScanError> {
        let words: Vec<&[u8]> = words.split_whitespace().map(str::as_bytes).collect();
        Scan::read(&words)
    }

    #[test]
    fn a_count_is_kept_within_what_is_good_for_others() {
        assert_eq!(read("0").unwrap().server_count(), 100);
        assert_eq!(read("0 COUNT 500").unwrap().server_count(), 500);
        assert_eq!(read("0 count 100000000").unwrap().server_count(), 1000);
    }

    #[test]
    fn words_are_read_as_redis_reads_them() {
        let scan = read("7 MATCH user:* COUNT 5 TYPE hash MATCH u*").unwrap();
        assert_eq!((scan.cursor, scan.pattern), (7, &b"u*"[..]));
        assert_eq!(scan.kind, Some(&b"hash"[..]));
        assert_eq!(read("x"), Err(ScanError::Cursor));
        assert_eq!(read(""), Err(ScanError::Arguments));
        assert_eq!(read("0 MATCH"), Err(ScanError::Syntax));
        assert_eq!(read("0 COUNT 0"), Err(ScanError::Syntax));
        assert_eq!(read("0 COUNT -1"), Err(ScanError::Syntax));
        assert_eq!(read("0 COUNT x"), Err(ScanError::Number));
        assert_eq!(read("0 FOO 1"), Err(ScanError::Syntax));
    }
}
