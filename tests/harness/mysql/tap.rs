//! A TCP relay between two parts that holds bytes back, or answers in the server's place, when a
//! text goes by: what a proxy does at an exact moment can then be looked at, or ended.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use crate::wait;

/// What to do when a text goes by from the client to the server.
#[derive(Clone, Debug)]
pub enum Plan {
    /// All passes.
    Pass,
    /// The text and what follows does not reach the server.
    HoldRequest(String),
    /// The text reaches the server; nothing that it sends from then on reaches the client.
    HoldReply(String),
    /// The text does not reach the server; the client gets these bytes instead, and what it sends
    /// then is kept ([`Tap::caught`]).
    Answer(String, Vec<u8>),
    /// The text reaches the server; both sides of the connection are then cut.
    Cut(String),
}

struct State {
    plan: Plan,
    /// Connections that the plan has met.
    met: usize,
    /// What came behind an answer.
    caught: Vec<u8>,
    /// Raised by a release; who holds an older number goes on.
    released: usize,
    /// What is held at a release is dropped with its connection.
    forgotten: bool,
}

struct Shared {
    target: String,
    state: Mutex<State>,
    changed: Condvar,
}

/// A running relay. Its threads end with their connections.
pub struct Tap {
    /// Where it listens, on 127.0.0.1.
    pub port: u16,
    shared: Arc<Shared>,
}

impl Tap {
    /// Starts a relay to `target`.
    ///
    /// # Panics
    ///
    /// If no port is free.
    #[must_use]
    pub fn start(target: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("it is bound").port();
        let shared = Arc::new(Shared {
            target: target.to_owned(),
            state: Mutex::new(State {
                plan: Plan::Pass,
                met: 0,
                caught: Vec::new(),
                released: 0,
                forgotten: false,
            }),
            changed: Condvar::new(),
        });
        let accepting = Arc::clone(&shared);
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                if let Ok(server) = TcpStream::connect(&accepting.target) {
                    Connection::start(client, server, &accepting);
                }
            }
        });
        Self { port, shared }
    }

    /// `host:port`.
    #[must_use]
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// What happens from now on.
    pub fn plan(&self, plan: Plan) {
        let mut state = self.shared.lock();
        state.plan = plan;
        state.met = 0;
        state.forgotten = false;
        state.caught.clear();
    }

    /// Waits until the plan's text has gone by.
    ///
    /// # Panics
    ///
    /// If it does not.
    pub fn wait_met(&self) {
        wait::until("the text to go by", || {
            (self.shared.lock().met > 0).then_some(())
        });
    }

    /// How often the plan's text has gone by.
    #[must_use]
    pub fn met(&self) -> usize {
        self.shared.lock().met
    }

    /// Lets go of what is held, and all passes again.
    pub fn release(&self) {
        let mut state = self.shared.lock();
        state.plan = Plan::Pass;
        state.released += 1;
        self.shared.changed.notify_all();
    }

    /// Drops what is held, and all that comes passes again.
    pub fn forget(&self) {
        self.shared.lock().forgotten = true;
        self.release();
    }

    /// What a client sent behind an answer of [`Plan::Answer`].
    #[must_use]
    pub fn caught(&self) -> Vec<u8> {
        self.shared.lock().caught.clone()
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for the next release; `false` if what is held is to be dropped.
    fn wait_release(&self, seen: usize) -> bool {
        let mut state = self.lock();
        while state.released == seen {
            let waited = self.changed.wait(state);
            state = waited.unwrap_or_else(PoisonError::into_inner);
        }
        !state.forgotten
    }
}

/// What the two directions of one connection tell each other.
#[derive(Clone)]
struct Connection {
    client: Arc<TcpStream>,
    server: Arc<TcpStream>,
    /// The number of releases at which the replies were held, if they are.
    replies_held: Arc<Mutex<Option<usize>>>,
    shared: Arc<Shared>,
}

impl Connection {
    fn start(client: TcpStream, server: TcpStream, shared: &Arc<Shared>) {
        let _ = client.set_nodelay(true);
        let _ = server.set_nodelay(true);
        let connection = Self {
            client: Arc::new(client),
            server: Arc::new(server),
            replies_held: Arc::default(),
            shared: Arc::clone(shared),
        };
        let replies = connection.clone();
        thread::spawn(move || {
            connection.requests();
            let _ = connection.server.shutdown(Shutdown::Write);
        });
        thread::spawn(move || {
            replies.replies();
            let _ = replies.client.shutdown(Shutdown::Write);
        });
    }

    fn requests(&self) {
        let mut buffer = vec![0; 64 * 1024];
        // The end of what went by, in which a text may have begun.
        let mut tail = Vec::new();
        while let Ok(length @ 1..) = (&*self.client).read(&mut buffer) {
            let bytes = &buffer[..length];
            tail.extend_from_slice(bytes);
            if !self.follow(&tail, bytes) {
                return;
            }
            let keep = tail.len().saturating_sub(256);
            tail.drain(..keep);
        }
    }

    /// Passes a piece on as the plan says; `false` ends the connection.
    fn follow(&self, seen: &[u8], bytes: &[u8]) -> bool {
        let (plan, released) = {
            let mut state = self.shared.lock();
            let plan = state.plan.clone();
            let text = match &plan {
                Plan::Pass => None,
                Plan::HoldRequest(text) | Plan::HoldReply(text) => Some(text),
                Plan::Answer(text, _) | Plan::Cut(text) => Some(text),
            };
            let met = text.is_some_and(|text| contains(seen, text.as_bytes()));
            state.met += usize::from(met);
            (if met { plan } else { Plan::Pass }, state.released)
        };
        match plan {
            Plan::Pass => (&*self.server).write_all(bytes).is_ok(),
            Plan::HoldRequest(_) => {
                self.shared.wait_release(released) && (&*self.server).write_all(bytes).is_ok()
            }
            Plan::HoldReply(_) => {
                *self.replies_held.lock().expect("no one panics with it") = Some(released);
                (&*self.server).write_all(bytes).is_ok()
            }
            Plan::Answer(_, answer) => {
                let _ = (&*self.client).write_all(&answer);
                self.catch();
                false
            }
            Plan::Cut(_) => {
                let _ = (&*self.server).write_all(bytes);
                let _ = self.client.shutdown(Shutdown::Both);
                false
            }
        }
    }

    fn catch(&self) {
        let mut buffer = vec![0; 64 * 1024];
        while let Ok(length @ 1..) = (&*self.client).read(&mut buffer) {
            self.shared
                .lock()
                .caught
                .extend_from_slice(&buffer[..length]);
        }
    }

    fn replies(&self) {
        let mut buffer = vec![0; 64 * 1024];
        while let Ok(length @ 1..) = (&*self.server).read(&mut buffer) {
            let held = *self.replies_held.lock().expect("no one panics with it");
            if let Some(released) = held
                && !self.shared.wait_release(released)
            {
                return;
            }
            if (&*self.client).write_all(&buffer[..length]).is_err() {
                return;
            }
        }
    }
}

fn contains(bytes: &[u8], text: &[u8]) -> bool {
    bytes.windows(text.len()).any(|window| window == text)
}
