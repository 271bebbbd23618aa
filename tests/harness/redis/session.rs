//! A connection, reply by reply.

use std::io::{self, BufReader, Write};
use std::net::Shutdown;
use std::path::Path;
use std::time::Duration;

use super::Value;
use crate::stream::Stream;
use crate::wait;

/// A connection of a client.
pub struct Session {
    stream: BufReader<Stream>,
    /// Pushes that came where [`Self::call`] waited for a reply, oldest first.
    pub pushes: Vec<Value>,
}

/// A request as an array of bulk strings.
#[must_use]
pub fn request(words: &[impl AsRef<[u8]>]) -> Vec<u8> {
    let mut bytes = format!("*{}\r\n", words.len()).into_bytes();
    for word in words {
        let word = word.as_ref();
        bytes.extend_from_slice(format!("${}\r\n", word.len()).as_bytes());
        bytes.extend_from_slice(word);
        bytes.extend_from_slice(b"\r\n");
    }
    bytes
}

impl Session {
    /// Connects in the clear; nobody is logged in.
    ///
    /// # Errors
    ///
    /// Nobody listens.
    pub fn connect(address: &str) -> io::Result<Self> {
        Ok(Self::over(Stream::connect(address)?))
    }

    /// Connects over TLS; nobody is logged in.
    ///
    /// # Errors
    ///
    /// Nobody listens, or the handshake failed.
    pub fn connect_tls(address: &str, ca: &Path) -> io::Result<Self> {
        Ok(Self::over(Stream::connect(address)?.encrypt(ca)?))
    }

    fn over(stream: Stream) -> Self {
        Self {
            stream: BufReader::new(stream),
            pushes: Vec::new(),
        }
    }

    /// Sends bytes as they are; says whether the other side took them all.
    pub fn send_raw(&mut self, bytes: &[u8]) -> bool {
        let stream = self.stream.get_mut();
        stream
            .write_all(bytes)
            .and_then(|()| stream.flush())
            .is_ok()
    }

    /// Sends a request. That the other side is gone shows when its reply is read.
    pub fn send(&mut self, words: &[impl AsRef<[u8]>]) {
        self.send_raw(&request(words));
    }

    /// Reads the next reply or push.
    ///
    /// # Errors
    ///
    /// The end of the connection, its failure, or bytes that are no reply.
    pub fn try_read(&mut self) -> io::Result<Value> {
        Value::read(&mut self.stream)
    }

    /// Reads the next reply or push.
    ///
    /// # Panics
    ///
    /// If none comes.
    #[track_caller]
    pub fn read(&mut self) -> Value {
        self.try_read().unwrap_or_else(|e| panic!("no reply: {e}"))
    }

    /// Reads the next reply or push, if it comes within this time.
    ///
    /// # Panics
    ///
    /// If the connection ends.
    #[track_caller]
    pub fn read_within(&mut self, time: Duration) -> Option<Value> {
        let set = |stream: &mut BufReader<Stream>, time| {
            stream.get_ref().socket().set_read_timeout(Some(time))
        };
        set(&mut self.stream, time).expect("not zero");
        // A reply that has begun to come is waited for: `fill_buf` takes nothing out.
        let come = io::BufRead::fill_buf(&mut self.stream).map(<[u8]>::len);
        set(&mut self.stream, wait::DEADLINE).expect("not zero");
        match come {
            Ok(0) => panic!("the connection was closed"),
            Ok(_) => Some(self.read()),
            Err(e)
                if matches!(
                    e.kind(),
                    io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut
                ) =>
            {
                None
            }
            Err(e) => panic!("no reply: {e}"),
        }
    }

    /// Sends a request and reads its reply; pushes on the way are kept in [`Self::pushes`].
    ///
    /// # Panics
    ///
    /// If none comes.
    #[track_caller]
    pub fn call(&mut self, words: &[impl AsRef<[u8]>]) -> Value {
        self.send(words);
        self.reply()
    }

    /// The next reply; pushes on the way are kept in [`Self::pushes`].
    ///
    /// # Panics
    ///
    /// If none comes.
    #[track_caller]
    pub fn reply(&mut self) -> Value {
        loop {
            match self.read() {
                push @ Value::Push(_) => self.pushes.push(push),
                reply => return reply,
            }
        }
    }

    /// [`Self::call`] with a request given as words.
    ///
    /// # Panics
    ///
    /// If no reply comes.
    #[track_caller]
    pub fn run(&mut self, words: &str) -> Value {
        let words: Vec<&str> = words.split_whitespace().collect();
        self.call(&words)
    }

    /// The text of a reply that is no error.
    ///
    /// # Panics
    ///
    /// If it is one.
    #[track_caller]
    pub fn text(&mut self, words: &str) -> String {
        let reply = self.run(words);
        assert!(reply.error().is_none(), "{words}: {reply:?}");
        reply.text()
    }

    /// The text of an error.
    ///
    /// # Panics
    ///
    /// If the reply is none.
    #[track_caller]
    pub fn fails(&mut self, words: &str) -> String {
        let reply = self.run(words);
        let error = reply.error().map(str::to_owned);
        error.unwrap_or_else(|| panic!("{words} should have failed: {reply:?}"))
    }

    /// The items of a reply as texts, in order of the alphabet.
    ///
    /// # Panics
    ///
    /// If the reply is an error.
    #[track_caller]
    pub fn list(&mut self, words: &str) -> Vec<String> {
        let reply = self.run(words);
        assert!(reply.error().is_none(), "{words}: {reply:?}");
        let mut texts = reply.texts();
        texts.sort();
        texts
    }

    /// Whether the other side has closed the connection, once it has been given the time to.
    #[must_use]
    pub fn is_closed(&mut self) -> bool {
        self.try_read().is_err_and(|e| {
            !matches!(
                e.kind(),
                io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut
            )
        })
    }

    /// Half-closes: nothing more is sent.
    pub fn shutdown_write(&self) {
        let _ = self.stream.get_ref().socket().shutdown(Shutdown::Write);
    }

    /// The stream, for what only it can do.
    #[must_use]
    pub fn stream(&self) -> &Stream {
        self.stream.get_ref()
    }
}
