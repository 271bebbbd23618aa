//! What each line of the feed does to the table. No I/O: lines in, changes and answers out.
//!
//! ```text
//!            snapshot                    end, complete
//! following ----------> building aside ------------------> following, table replaced
//!     |  put, drop, mark    |  put                |
//!     +---- one change      +---- one more        +-- would empty the table: refused, and the
//!                                                     table stays
//! ```
//!
//! A snapshot that breaks off leaves the table and the position as they were. Each change of
//! control's has a revision of its own, so a position names exactly what has been taken in.

use std::sync::Arc;

use tenantsdb_codecs::feed::route as wire;
use tenantsdb_codecs::feed::route::Server;
use tenantsdb_codecs::feed::stream::{Line, Nack, Put, Snapshot};

use super::entry::{Interner, Route, RouteError};
use super::table::Routes;

/// How far the table has come: the resume point, and what is acknowledged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Position {
    /// Identity of control's store.
    pub epoch: String,
    /// All changes up to this one are in force.
    pub rev: u64,
}

/// What a line did.
#[derive(Debug, PartialEq, Eq)]
pub enum Step {
    /// Nothing in force has changed: part of a snapshot that is not complete.
    Aside,
    /// The position moved: to be acknowledged.
    Advanced,
    /// Nothing happened for a while: to be acknowledged as a sign of life.
    Alive,
}

/// Why the feed cannot be followed further. The connection is to be opened again; whether from
/// the same position or by a snapshot, [`Follower::position`] says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FollowError {
    /// A change although the proxy has asked for a snapshot.
    #[error("the feed sent a change before any snapshot")]
    NoSnapshot,
    /// Not what may come between `snapshot` and `end`.
    #[error("the feed sent a change inside a snapshot")]
    InsideSnapshot,
    /// An `end` without its `snapshot`.
    #[error("the feed ended a snapshot that it had not begun")]
    NotBuilding,
    /// Another number of routes than announced, or another revision.
    #[error("the feed's snapshot is not what it announced")]
    Incomplete,
    /// A revision that is below what was acknowledged: control's store is an older one.
    #[error("the feed went back to an earlier revision")]
    WentBack,
    /// Nothing instead of something: a store that was lost looks like that.
    #[error("the feed's snapshot is empty and the table is not: kept the table")]
    WouldEmpty,
}

/// Follows the feed. Owns the position, the snapshot that is being built, and what is shared
/// between routes; the table is given to it.
#[derive(Debug, Default)]
pub struct Follower {
    position: Option<Position>,
    building: Option<Building>,
    servers: Interner<Server>,
    nacks: Vec<Nack>,
}

#[derive(Debug)]
struct Building {
    head: Snapshot,
    seen: u64,
    routes: Vec<Arc<Route>>,
}

/// Refused routes whose report is still to be fetched; a feed of nothing but bad routes must not
/// fill the memory, and the log has them all.
const NACKS_MAX: usize = 256;

impl Follower {
    /// What to ask for on the next connection; `None` asks for a snapshot.
    #[must_use]
    pub const fn position(&self) -> Option<&Position> {
        self.position.as_ref()
    }

    /// A connection was lost: a snapshot that is not complete is of no use.
    pub fn disconnected(&mut self) {
        self.building = None;
    }

    /// Takes what could not be used since the last call. Each is reported with an acknowledgement.
    pub fn take_nacks(&mut self) -> Vec<Nack> {
        std::mem::take(&mut self.nacks)
    }

    /// Does what a line says.
    ///
    /// # Errors
    ///
    /// The line makes no sense here; the table is as it was.
    pub fn take(&mut self, line: Line, routes: &Routes) -> Result<Step, FollowError> {
        match line {
            Line::Snapshot(head) => {
                self.building = Some(Building {
                    head,
                    seen: 0,
                    routes: Vec::new(), // grows with what comes, not with what is announced
                });
                Ok(Step::Aside)
            }
            Line::Put(put) => self.put(put, routes),
            Line::Drop(change) => {
                let rev = change.rev;
                self.change(rev, || {
                    routes.remove(change.engine, &change.database);
                })
            }
            Line::End(mark) => self.end(mark.rev, routes),
            Line::Mark(mark) => self.mark(mark.rev),
        }
    }

    fn put(&mut self, put: Put, routes: &Routes) -> Result<Step, FollowError> {
        let Put { rev, route } = put;
        let (engine, database) = (route.engine, route.database.clone());
        let read = self.read(rev, route);
        if let Some(building) = &mut self.building {
            building.seen += 1;
            // In the place of a route that cannot be used, the last good one stays.
            let kept = read.or_else(|| routes.get(engine, &database));
            building.routes.extend(kept);
            return Ok(Step::Aside);
        }
        self.change(rev, || {
            if let Some(route) = read {
                routes.put(route);
            }
        })
    }

    /// One change behind the position. One that is not behind it was taken in before.
    fn change(&mut self, rev: u64, apply: impl FnOnce()) -> Result<Step, FollowError> {
        if self.building.is_some() {
            return Err(FollowError::InsideSnapshot);
        }
        let position = self.position.as_mut().ok_or(FollowError::NoSnapshot)?;
        if rev > position.rev {
            apply();
            position.rev = rev;
        }
        Ok(Step::Advanced)
    }

    fn mark(&mut self, rev: u64) -> Result<Step, FollowError> {
        if self.building.is_some() {
            return Ok(Step::Aside);
        }
        let position = self.position.as_mut().ok_or(FollowError::NoSnapshot)?;
        if rev < position.rev {
            self.position = None;
            return Err(FollowError::WentBack);
        }
        position.rev = rev;
        Ok(Step::Alive)
    }

    fn end(&mut self, rev: u64, routes: &Routes) -> Result<Step, FollowError> {
        let built = self.building.take().ok_or(FollowError::NotBuilding)?;
        if built.seen != built.head.routes || rev != built.head.rev {
            return Err(FollowError::Incomplete);
        }
        let empties = built.routes.is_empty() && !routes.is_empty();
        if empties && !built.head.authoritative {
            return Err(FollowError::WouldEmpty);
        }
        routes.replace_all(built.routes);
        self.position = Some(Position {
            epoch: built.head.epoch,
            rev,
        });
        Ok(Step::Advanced)
    }

    fn read(&mut self, rev: u64, route: wire::Route) -> Option<Arc<Route>> {
        let database = route.database.clone();
        match Route::read(route, &mut self.servers) {
            Ok(route) => Some(Arc::new(route)),
            Err(error) => {
                self.refuse(rev, database, &error);
                None
            }
        }
    }

    fn refuse(&mut self, rev: u64, database: String, error: &RouteError) {
        tracing::warn!(%database, rev, %error, "route cannot be used; its last good value stays");
        if self.nacks.len() < NACKS_MAX {
            self.nacks.push(Nack {
                rev,
                database,
                reason: error.to_string(),
            });
        }
    }
}

#[cfg(test)]
mod tests;
