//! What the relay knows of PostgreSQL messages that pass, and when it holds them.
//!
//! - [`skim`]: where messages begin and end.

mod skim;

use tenantsdb_codecs::feed::capture::Capture;
use tenantsdb_codecs::postgres::Error;
use tenantsdb_codecs::postgres::frame::Header;
use tenantsdb_codecs::postgres::pipeline::Pipeline;
use tenantsdb_codecs::postgres::server::{ParameterStatus, ReadyForQuery};
use tenantsdb_codecs::postgres::tag::{ClientTag, ServerTag};

use self::skim::{Skim, Watch};
use super::gate::{self, Flow, Look};
use crate::back::postgres::Parameters;
use crate::ddl::session::Inspect;

/// Longest ParameterStatus in bytes that is recorded. With a longer one the connection is not used
/// again, since the next client could not be told the value.
const PARAMETER_BYTES_MAX: usize = 4096;

/// What passes in both directions of one session.
#[derive(Debug)]
pub(crate) struct Traffic<'a> {
    client: Skim,
    server: Skim,
    seen: Seen<'a>,
}

/// What was seen of it.
#[derive(Debug)]
struct Seen<'a> {
    /// Replies owed, transaction status.
    pipeline: Pipeline,
    /// The server's settings as it reports them.
    parameters: &'a mut Parameters,
    /// A setting could not be recorded.
    unrecorded: bool,
    /// Workspace sessions only.
    inspect: Option<Box<Inspect>>,
    /// To be sent before what is held may go on.
    capture: Option<Capture>,
    /// The last message of the server that began.
    server_tag: Option<ServerTag>,
}

impl<'a> Traffic<'a> {
    /// A session at its start, the server idle.
    pub(crate) fn new(parameters: &'a mut Parameters, inspect: Option<Box<Inspect>>) -> Self {
        Self {
            client: Skim::default(),
            server: Skim::default(),
            seen: Seen {
                pipeline: Pipeline::new(),
                parameters,
                unrecorded: false,
                inspect,
                capture: None,
                server_tag: None,
            },
        }
    }
}

impl gate::Traffic for Traffic<'_> {
    type Error = Error;

    fn client_sent(&mut self, input: &[u8]) -> Result<Look, Error> {
        self.client.look(input, &mut ClientWatch(&mut self.seen))
    }

    fn server_sent(&mut self, input: &[u8]) -> Result<Look, Error> {
        self.server.look(input, &mut ServerWatch(&mut self.seen))
    }

    fn capture(&mut self) -> Option<Capture> {
        self.seen.capture.take()
    }

    fn is_owed(&self) -> bool {
        self.seen.pipeline.owed() > 0
    }

    fn is_settled(&self) -> bool {
        self.seen.pipeline.is_idle() && self.client.at_boundary() && self.server.at_boundary()
    }

    fn may_be_at_work(&self) -> bool {
        self.seen.pipeline.may_be_at_work()
    }

    fn is_recorded(&self) -> bool {
        !self.seen.unrecorded
    }

    fn server_at_boundary(&self) -> bool {
        self.server.at_boundary()
    }

    fn server_explained(&self) -> bool {
        self.seen.server_tag == Some(ServerTag::ERROR_RESPONSE)
    }
}

impl Seen<'_> {
    fn ready(&mut self, body: &[u8]) -> Result<Flow, Error> {
        let status = ReadyForQuery::decode(body)?.status;
        self.pipeline.server_ready(status);
        if let Some(inspect) = &mut self.inspect {
            let application_name = self.parameters.get("application_name").unwrap_or_default();
            self.capture = inspect.ready(status, application_name);
        }
        Ok(match self.capture {
            Some(_) => Flow::Hold,
            None => Flow::On,
        })
    }

    fn parameter(&mut self, body: &[u8]) {
        match ParameterStatus::decode(body) {
            Ok(status) => self.parameters.set(&status),
            // A value in another encoding than UTF-8.
            Err(_) => self.unrecorded = true,
        }
    }
}

/// From the client to the server.
struct ClientWatch<'g, 't>(&'g mut Seen<'t>);

impl Watch for ClientWatch<'_, '_> {
    fn begins(&mut self, tag: u8) -> Flow {
        match ClientTag(tag) {
            // The server connection outlives the session.
            ClientTag::TERMINATE => Flow::End,
            _ => Flow::On,
        }
    }

    fn header(&mut self, header: Header) -> usize {
        self.0.pipeline.client_sent(header.tag);
        match &mut self.0.inspect {
            Some(inspect) => inspect.client_header(header),
            None => 0,
        }
    }

    fn body(&mut self, header: Header, start: &[u8]) -> Result<Flow, Error> {
        if let Some(inspect) = &mut self.0.inspect {
            inspect.client_body(header, start);
        }
        Ok(Flow::On)
    }
}

/// From the server to the client.
struct ServerWatch<'g, 't>(&'g mut Seen<'t>);

impl Watch for ServerWatch<'_, '_> {
    fn header(&mut self, header: Header) -> usize {
        let tag = ServerTag(header.tag);
        self.0.server_tag = Some(tag);
        if tag == ServerTag::ERROR_RESPONSE {
            self.0.pipeline.server_failed();
        }
        let body_bytes = usize::try_from(header.body_bytes()).unwrap_or(usize::MAX);
        let inspected = match &mut self.0.inspect {
            Some(inspect) => inspect.server_header(header),
            None => 0,
        };
        match tag {
            ServerTag::READY_FOR_QUERY => body_bytes.min(PARAMETER_BYTES_MAX),
            ServerTag::PARAMETER_STATUS if body_bytes <= PARAMETER_BYTES_MAX => body_bytes,
            ServerTag::PARAMETER_STATUS => {
                self.0.unrecorded = true;
                0
            }
            _ => inspected,
        }
    }

    fn body(&mut self, header: Header, start: &[u8]) -> Result<Flow, Error> {
        match ServerTag(header.tag) {
            ServerTag::READY_FOR_QUERY => return self.0.ready(start),
            ServerTag::PARAMETER_STATUS => self.0.parameter(start),
            _ => {
                if let Some(inspect) = &mut self.0.inspect {
                    inspect.server_body(header, start);
                }
            }
        }
        Ok(Flow::On)
    }
}

#[cfg(test)]
mod tests;
