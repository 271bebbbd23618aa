//! One question, one answer, on a connection that nobody else uses meanwhile.

use tenantsdb_codecs::redis::reply::{self, is_push};
use tenantsdb_codecs::redis::server::command;
use tenantsdb_codecs::redis::value::{Value, value};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::{Duration, timeout};

use super::names::Names;
use super::{Error, Page};

/// How long the server may take for one answer. It is asked for pages only.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// How much is read at once.
const READ_BYTES: usize = 16 * 1024;

/// Longest answer: a page of names, some of which may be long.
const ANSWER_BYTES_MAX: usize = 64 << 20;

/// What may come unasked, for the session whose connection it is, while it waits for answers.
const PUSHES_BYTES_MAX: usize = 1 << 20;

/// A connection that is between two questions.
#[derive(Debug)]
pub(crate) struct Asker<'a, S> {
    stream: &'a mut S,
    /// The answer to the last question.
    read: Vec<u8>,
    /// Whole messages that nobody asked for.
    pushes: Vec<u8>,
    /// The beginning of another.
    rest: Vec<u8>,
}

impl<'a, S: AsyncRead + AsyncWrite + Unpin> Asker<'a, S> {
    /// Nothing is owed on the connection, and nothing was read from it.
    pub(crate) fn new(stream: &'a mut S) -> Self {
        Self {
            stream,
            read: Vec::new(),
            pushes: Vec::new(),
            rest: Vec::new(),
        }
    }

    /// What the server has sent unasked, as it came; the last message may be still on its way.
    /// Nothing more is to be asked then.
    pub(crate) fn take_pushes(&mut self) -> Vec<u8> {
        self.pushes.append(&mut self.rest);
        std::mem::take(&mut self.pushes)
    }

    /// Asks. Not cancel safe: the answer is still to come, and the connection must be closed. The
    /// same after an error that is not [`Error::is_settled`].
    pub(crate) async fn ask(&mut self, words: &[&[u8]]) -> Result<Value<'_>, Error> {
        let exchange = timeout(ANSWER_TIMEOUT, self.exchange(words));
        exchange.await.map_err(|_| Error::TimedOut)??;
        let Some((answer, _)) = value(&self.read)? else {
            return Err(Error::Unexpected("a question"));
        };
        match answer {
            Value::Error(text) => Err(Error::Refused(
                String::from_utf8_lossy(text).into_owned().into_boxed_str(),
            )),
            answer => Ok(answer),
        }
    }

    async fn exchange(&mut self, words: &[&[u8]]) -> Result<(), Error> {
        self.read.clear();
        command(words, &mut self.read);
        self.stream.write_all(&self.read).await?;
        self.stream.flush().await?;
        self.read.clear();
        self.read.append(&mut self.rest);
        let mut walker = reply::Walker::default();
        let mut walked = 0;
        loop {
            let fed = walker.feed(self.read.get(walked..).unwrap_or_default())?;
            walked += fed.consumed;
            if fed.done && self.read.first().copied().is_some_and(is_push) {
                self.has_room()?;
                self.pushes.extend(self.read.drain(..walked));
                walked = 0;
                continue;
            }
            if fed.done {
                self.rest = self.read.split_off(walked);
                return self.sort();
            }
            if self.read.len() > ANSWER_BYTES_MAX {
                return Err(Error::Unexpected("a page"));
            }
            self.read.reserve(READ_BYTES);
            if self.stream.read_buf(&mut self.read).await? == 0 {
                return Err(Error::Closed);
            }
        }
    }

    /// Whether one more message is held.
    const fn has_room(&self) -> Result<(), Error> {
        if self.pushes.len() > PUSHES_BYTES_MAX {
            return Err(Error::Unexpected("nothing"));
        }
        Ok(())
    }

    /// Whether the next byte is the first of an answer, or of a message.
    pub(super) const fn is_at_boundary(&self) -> bool {
        self.rest.is_empty()
    }

    /// Behind an answer there is nothing but what comes unasked.
    fn sort(&mut self) -> Result<(), Error> {
        while let Some(first) = self.rest.first() {
            if !is_push(*first) {
                return Err(Error::Unexpected("nothing"));
            }
            let fed = reply::Walker::default().feed(&self.rest)?;
            if !fed.done {
                break;
            }
            self.has_room()?;
            self.pushes.extend(self.rest.drain(..fed.consumed));
        }
        Ok(())
    }
}

/// An answer to SCAN: the tenant's names of it.
pub(super) fn page(answer: &Value<'_>, names: &Names<'_>) -> Result<Page, Error> {
    let wrong = || Error::Unexpected("SCAN");
    let Value::Array(parts) = answer else {
        return Err(wrong());
    };
    let [Value::Bulk(cursor), Value::Array(found)] = parts.as_slice() else {
        return Err(wrong());
    };
    let cursor = number(cursor).ok_or_else(wrong)?;
    let mut page = Page {
        cursor: (cursor != 0).then_some(cursor),
        names: Vec::new(),
    };
    for name in found {
        let Value::Bulk(name) = name else {
            return Err(wrong());
        };
        // The pattern lets no others pass; whatever the server makes of it, neither does this.
        if names.strip(name).is_some() {
            page.names.push((*name).into());
        }
    }
    Ok(page)
}

/// A number in decimal digits.
pub(super) fn number(text: &[u8]) -> Option<u64> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use tokio::io::duplex;

    use super::*;

    fn push(bytes: usize) -> Vec<u8> {
        let mut out = format!(">1\r\n${bytes}\r\n").into_bytes();
        out.resize(out.len() + bytes, b'x');
        out.extend_from_slice(b"\r\n");
        out
    }

    #[tokio::test]
    async fn messages_are_bounded_while_an_answer_is_waited_for() {
        let (mut near, mut server) = duplex(4 << 20);
        for _ in 0..3 {
            server.write_all(&push(600 << 10)).await.unwrap();
        }
        let mut asker = Asker::new(&mut near);
        let error = asker.ask(&[b"PING"]).await.unwrap_err();
        assert!(matches!(error, Error::Unexpected(_)), "{error}");
        assert!(!error.is_settled());
    }

    #[tokio::test]
    async fn half_a_message_is_known_to_be_one() {
        let (mut near, mut server) = duplex(1 << 20);
        server.write_all(b"-NOPERM no\r\n>1\r\n").await.unwrap();
        let mut asker = Asker::new(&mut near);
        assert!(asker.ask(&[b"PING"]).await.unwrap_err().is_settled());
        assert!(!asker.is_at_boundary());
        assert_eq!(asker.take_pushes(), b">1\r\n");
    }
}
