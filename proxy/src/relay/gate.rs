//! What the relay knows of the messages that pass, and when it holds them.

use tenantsdb_codecs::feed::capture::Capture;
use tenantsdb_codecs::postgres::Error;
use tenantsdb_codecs::postgres::frame::Header;
use tenantsdb_codecs::postgres::pipeline::Pipeline;
use tenantsdb_codecs::postgres::server::{ParameterStatus, ReadyForQuery};
use tenantsdb_codecs::postgres::tag::{ClientTag, ServerTag};

use super::lane::Gate;
use super::skim::{Flow, Look, Skim, Watch};
use crate::back::postgres::Parameters;
use crate::ddl::session::Inspect;

/// Longest ParameterStatus in bytes that is recorded. With a longer one the connection is not used
/// again, since the next client could not be told the value.
const PARAMETER_BYTES_MAX: usize = 4096;

/// What passes in both directions of one session.
#[derive(Debug)]
pub(crate) struct Traffic<'a> {
    /// Replies owed, transaction status.
    pub(crate) pipeline: Pipeline,
    /// The server's settings as it reports them.
    pub(crate) parameters: &'a mut Parameters,
    /// A setting could not be recorded.
    pub(crate) unrecorded: bool,
    /// Workspace sessions only.
    pub(crate) inspect: Option<Box<Inspect>>,
    /// To be sent before what is held may go on.
    pub(crate) capture: Option<Capture>,
    /// The last message of the server that began.
    pub(crate) server_tag: Option<ServerTag>,
}

impl<'a> Traffic<'a> {
    /// A session at its start, the server idle.
    pub(crate) fn new(parameters: &'a mut Parameters, inspect: Option<Box<Inspect>>) -> Self {
        Self {
            pipeline: Pipeline::new(),
            parameters,
            unrecorded: false,
            inspect,
            capture: None,
            server_tag: None,
        }
    }

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
pub(crate) struct ClientGate<'g, 't> {
    pub(crate) skim: &'g mut Skim,
    pub(crate) traffic: &'g mut Traffic<'t>,
}

impl Gate for ClientGate<'_, '_> {
    fn look(&mut self, input: &[u8]) -> Result<Look, Error> {
        self.skim.look(input, &mut ClientWatch(self.traffic))
    }
}

struct ClientWatch<'g, 't>(&'g mut Traffic<'t>);

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
pub(crate) struct ServerGate<'g, 't> {
    pub(crate) skim: &'g mut Skim,
    pub(crate) traffic: &'g mut Traffic<'t>,
}

impl Gate for ServerGate<'_, '_> {
    fn look(&mut self, input: &[u8]) -> Result<Look, Error> {
        self.skim.look(input, &mut ServerWatch(self.traffic))
    }
}

struct ServerWatch<'g, 't>(&'g mut Traffic<'t>);

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
