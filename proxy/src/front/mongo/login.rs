//! Proves that the client is who it says, by SCRAM-SHA-256, against the verifier that the route
//! has.
//!
//! Wrong password, unknown user and unknown database are one: the same exchange with the same
//! number of hashes, and the same answer.

use std::sync::Arc;

use tenantsdb_codecs::feed::id::Engine;
use tenantsdb_codecs::mongo::auth::server::{self, ExpectEmpty, ExpectFinal, Failure};
use tenantsdb_codecs::mongo::auth::{SaslContinue, SaslReply, SaslStart};
use tenantsdb_codecs::scram::server::Exchange;
use tenantsdb_codecs::scram::{self, ClientKey, Verifier};

use crate::context::Context;
use crate::nonce::nonce;
use crate::pool::key::Key;
use crate::route::{Login, Route};

/// A client that has proved who it is.
#[derive(Clone, Debug)]
pub(crate) struct Proved {
    pub(crate) route: Arc<Route>,
    /// Place in the route's logins.
    login: usize,
    pub(crate) verifier: Verifier,
    /// What its proof revealed; wiped with the last session that knows it.
    pub(crate) client_key: Arc<ClientKey>,
    /// Of the connections that it may use.
    pub(crate) key: Arc<Key>,
}

/// A login that has begun.
#[derive(Debug)]
pub(super) enum Conversation {
    /// The proof is next.
    Proof(Box<Candidate>),
    /// The empty message is next.
    Empty(ExpectEmpty, Box<Proved>),
}

/// Who a client says it is.
#[derive(Debug)]
pub(super) struct Candidate {
    expect: ExpectFinal,
    found: Option<(Arc<Route>, usize)>,
    verifier: Verifier,
}

/// What comes of a message of a login.
#[derive(Debug)]
pub(super) enum Step {
    /// It goes on, with this reply.
    On(Conversation, SaslReply),
    /// The client is in once it has been told so.
    Done(Box<Proved>, SaslReply),
}

// === impl Proved ===

impl Proved {
    /// Who it is.
    pub(crate) fn login(&self) -> &Login {
        self.route
            .logins
            .get(self.login)
            .expect("a route does not change, and it was there")
    }

    /// The same login of a route that has changed in something else.
    pub(crate) fn now(&mut self, route: Arc<Route>) {
        let user = &self.login().user;
        if let Some(login) = route.logins.iter().position(|login| login.user == *user) {
            self.login = login;
            self.route = route;
        }
    }
}

/// Takes the first message of a login.
///
/// # Errors
///
/// Not SCRAM-SHA-256, or broken.
pub(super) fn start(
    context: &Context,
    start: &SaslStart<'_>,
) -> Result<(Conversation, SaslReply), Failure> {
    let user = scram::user_name(&start.payload.bytes())?;
    let found = find(context, start.db, &user);
    // Made for every login, so that the time it takes tells nothing.
    let mock = context.mock.mongo_verifier(&user, start.db);
    let verifier = found
        .as_ref()
        .and_then(|(route, login)| route.logins.get(*login)?.verifier.scram());
    let verifier = verifier.map_or(mock, Verifier::clone);
    let exchange = Exchange::new(verifier.clone(), found.is_some(), nonce(), None);
    let (expect, reply) = server::start(start, exchange)?;
    let candidate = Candidate {
        expect,
        found,
        verifier,
    };
    Ok((Conversation::Proof(Box::new(candidate)), reply))
}

/// The users of a database are in that database.
fn find(context: &Context, database: &str, user: &str) -> Option<(Arc<Route>, usize)> {
    let route = context.routes.get(Engine::MongoDb, database)?;
    let login = route.logins.iter().position(|login| *login.user == *user)?;
    Some((route, login))
}

impl Conversation {
    /// Takes the next message of a login.
    ///
    /// # Errors
    ///
    /// [`scram::Error::Proof`]: wrong password, or no such user. All others: broken.
    pub(super) fn next(self, next: &SaslContinue<'_>) -> Result<Step, Failure> {
        match self {
            Self::Proof(candidate) => candidate.prove(next),
            Self::Empty(expect, proved) => {
                let reply = expect.finish(next)?;
                Ok(Step::Done(proved, reply))
            }
        }
    }
}

impl Candidate {
    fn prove(self, next: &SaslContinue<'_>) -> Result<Step, Failure> {
        let proven = self.expect.proof(next)?;
        let found = self.found.and_then(|(route, login)| {
            let key = key_of(&route, login)?;
            Some((route, login, key))
        });
        let (route, login, key) = found.ok_or(Failure::Scram(scram::Error::Proof))?;
        let proved = Box::new(Proved {
            route,
            login,
            verifier: self.verifier,
            client_key: Arc::new(proven.key),
            key: Arc::new(key),
        });
        Ok(match proven.then {
            Some(expect) => Step::On(Conversation::Empty(expect, proved), proven.reply),
            None => Step::Done(proved, proven.reply),
        })
    }
}

fn key_of(route: &Route, login: usize) -> Option<Key> {
    let account = route.logins.get(login)?;
    Some(Key {
        server: Arc::clone(&route.server),
        database: route.database.clone(),
        user: account.server_user().into(),
        generation: account.generation,
        settings: Box::default(),
    })
}
