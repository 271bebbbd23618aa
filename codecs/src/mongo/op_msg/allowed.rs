//! Which sequences a command may have, and which namespaces one of them may name.

use crate::mongo::Error;
use crate::mongo::bson::{Document, Walk};
use crate::mongo::command::MARKER;

/// Longest document in bytes of `nsInfo`: a namespace has 255, and its encryption some more.
const NAMESPACE_BYTES_MAX: usize = 65_536;

/// The sequence of bulkWrite that names the collections it writes to.
const NAMESPACES: &str = "nsInfo";

/// What a command's sequences are held to. The server takes a sequence only for fields that are
/// declared so (`supports_doc_sequence` in its command descriptions); here no other passes either,
/// so that nothing that a command is judged by can come behind its body.
#[derive(Clone, Debug)]
pub(super) struct Allowed {
    names: &'static [&'static str],
    /// `database.`
    prefix: String,
    /// The document of [`NAMESPACES`] that is coming.
    namespace: Vec<u8>,
    /// The document that is coming: a server may take no care of how deep it is.
    walk: Walk,
}

impl Allowed {
    /// For the command with this body, which may write to this database.
    pub(super) fn of(body: &[u8], db: &str) -> Result<Self, Error> {
        let (body, _) = Document::read(body)?;
        let (command, _) = body.first()?.ok_or(Error::Missing("command"))?;
        let names: &[&str] = match command {
            "insert" => &["documents"],
            "update" => &["updates"],
            "delete" => &["deletes"],
            "bulkWrite" => &["ops", NAMESPACES],
            _ => &[],
        };
        Ok(Self {
            names,
            prefix: format!("{db}."),
            namespace: Vec::new(),
            walk: Walk::of(0),
        })
    }

    pub(super) fn check_name(&self, name: &str) -> Result<(), Error> {
        if self.names.contains(&name) {
            Ok(())
        } else {
            Err(Error::Invalid("sequence name"))
        }
    }

    /// Begins a document of this sequence.
    pub(super) fn begin(&mut self, name: &str, length: usize) -> Result<(), Error> {
        self.namespace.clear();
        self.walk.begin(length);
        if name != NAMESPACES {
            return Ok(());
        }
        if length > NAMESPACE_BYTES_MAX {
            return Err(Error::TooLong {
                field: "namespace",
                bytes: length as u64,
                max: NAMESPACE_BYTES_MAX as u64,
            });
        }
        let length = i32::try_from(length).unwrap_or(i32::MAX);
        self.namespace.extend_from_slice(&length.to_le_bytes());
        Ok(())
    }

    /// Takes more of the document that was begun.
    pub(super) fn take(&mut self, bytes: &[u8]) -> Result<(), Error> {
        if !self.namespace.is_empty() {
            self.namespace.extend_from_slice(bytes);
        }
        self.walk.step(bytes).map(drop)
    }

    /// Looks at the document, whose last byte has come.
    pub(super) fn end(&mut self) -> Result<(), Error> {
        if self.namespace.is_empty() {
            return Ok(());
        }
        let namespace = std::mem::take(&mut self.namespace);
        check_namespace(Document::whole(&namespace)?, &self.prefix)
    }
}

/// Whether a document of `nsInfo` names a collection of a database, whose name with a dot is
/// `prefix`, and not the one there that is kept by TenantsDB: all that follows are writes. A server
/// reads the field that it finds last or first: there is only one.
fn check_namespace(document: Document<'_>, prefix: &str) -> Result<(), Error> {
    let mut found = 0;
    for element in document.elements() {
        let element = element?;
        if element.key == b"ns" {
            let value = element.value();
            let name = value.as_str().ok_or(Error::Type("namespace"))?;
            match name.strip_prefix(prefix) {
                None => return Err(Error::Namespace),
                Some(MARKER) => return Err(Error::Marker),
                Some(_) => {}
            }
            found += 1;
        }
    }
    match found {
        0 => Err(Error::Missing("namespace")),
        1 => Ok(()),
        _ => Err(Error::TooMany("namespaces")),
    }
}

/// Whether all of an array of namespaces, the `nsInfo` in a bulkWrite's body, are of this database.
///
/// # Errors
///
/// [`Error::Namespace`] if one is not; [`Error::Marker`] if one is [`MARKER`]; others if one is
/// broken.
pub fn check_namespaces(array: Document<'_>, db: &str) -> Result<(), Error> {
    let prefix = format!("{db}.");
    for element in array.elements() {
        let value = element?.value();
        let document = value.as_document().ok_or(Error::Type("namespace"))?;
        check_namespace(document, &prefix)?;
    }
    Ok(())
}
