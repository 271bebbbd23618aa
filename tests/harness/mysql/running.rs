//! What the sessions of a server are at.

use super::session::Session;

impl Session {
    /// How many statements that begin like this run in a database. MySQL cannot read
    /// `information_schema.processlist` while some statement of another test holds bytes that are
    /// not UTF-8 (error 3854); SHOW PROCESSLIST it can.
    ///
    /// # Panics
    ///
    /// If the query fails.
    #[must_use]
    #[track_caller]
    pub fn running(&mut self, database: &str, beginning: &str) -> usize {
        const DB: usize = 3;
        const INFO: usize = 7;
        let rows = self.rows("SHOW PROCESSLIST");
        let meant = |row: &&Vec<String>| row[DB] == database && row[INFO].starts_with(beginning);
        rows.iter().filter(meant).count()
    }
}
