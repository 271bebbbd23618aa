//! The reply to COM_STMT_PREPARE: a message that counts definitions, and these.

use super::super::Error;
use super::super::server::{OK, PrepareOk};
use super::{Event, Outcome, Pipeline, Place};

/// Length of an OK that says nothing.
const OK_BYTES_MIN: u32 = 7;

impl Pipeline {
    /// The first message of it.
    pub(super) fn prepare_first(
        &mut self,
        start: &[u8],
        packet_bytes: u32,
    ) -> Result<Event, Error> {
        // MySQL 9 answers the preparation of a SET GLOBAL that it denies by an empty OK.
        if start.first() == Some(&OK) && (OK_BYTES_MIN..PrepareOk::BYTES).contains(&packet_bytes) {
            return Ok(self.end_reply(Outcome::Ok {
                warnings: 0,
                status: self.status,
            }));
        }
        let prepared = PrepareOk::decode(start)?;
        self.prepared_id = prepared.id;
        Ok(self.prepare_params(prepared.params, prepared.columns))
    }

    fn prepare_params(&mut self, params: u16, columns: u16) -> Event {
        match params {
            0 => self.prepare_columns(columns),
            left => self.go(Place::PrepareParams { left, columns }),
        }
    }

    pub(super) fn prepare_columns(&mut self, columns: u16) -> Event {
        match columns {
            0 => self.prepared(),
            left => self.go(Place::PrepareColumns(left)),
        }
    }

    pub(super) fn prepared(&mut self) -> Event {
        let id = self.prepared_id;
        self.end_reply(Outcome::Prepared { id })
    }
}
