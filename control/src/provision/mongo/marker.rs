//! The collection `_tenantsdb`: which versions a database has, and what is being done to it.
//!
//! A document is a row of [`crate::provision::marker`]. It lies in the tenant's database, where the
//! tenant can write. A template has one for each object besides: that is all that is left of it.

use std::time::Duration;

use mongodb::bson::{Bson, DateTime, Document, doc};

use super::connect::{Fault, Mongo, refused};
use crate::blueprint::mongo::normal::MARKER;
use crate::blueprint::{Probe, Snapshot};
use crate::provision::Found;
use crate::provision::marker::{Marker, Row, State, WHOLE};

/// Documents that are read, and bytes of all of them: far more than is ever written, and what
/// control has room for, since others can write there too.
const ROWS_MAX: usize = 100_000;
const BYTES_MAX: usize = 64 << 20;
/// How long the server may look for them: what stands there may be somebody's trap.
const READ_TIMEOUT: Duration = Duration::from_secs(20);
/// DuplicateKey: somebody wrote the marker before.
pub(super) const DUPLICATE: i32 = 11000;

/// What stands in a marker.
#[derive(Default)]
pub(super) struct Written {
    pub(super) marker: Marker,
    /// Of a template: its objects.
    pub(super) objects: Snapshot,
    /// Of a template: what its statements left.
    pub(super) found: Vec<Found>,
}

impl Mongo {
    /// Reads a database's marker; `None` if it has no such collection. A view of that name is no
    /// marker, and is not looked into.
    pub(super) async fn marker(&self, database: &str) -> Result<Option<Written>, Fault> {
        let filter = doc! {"name": MARKER, "type": "collection"};
        let listed = doc! {"listCollections": 1, "filter": filter};
        if self.list(database, listed, 1).await?.is_empty() {
            return Ok(None);
        }
        let read = async {
            let collection = self.collection(database, MARKER)?;
            let found = collection.find(Document::new()).max_time(READ_TIMEOUT);
            let mut cursor = found.await.map_err(|error| self.fault(&error))?;
            let mut written = Written::default();
            let (mut rows, mut bytes) = (0, 0);
            while cursor.advance().await.map_err(|error| self.fault(&error))? {
                rows += 1;
                bytes += cursor.current().as_bytes().len();
                if rows > ROWS_MAX || bytes > BYTES_MAX {
                    return Err(refused(format!(
                        "the collection {MARKER} has more than was ever written there"
                    )));
                }
                let row = cursor.deserialize_current();
                written.add(&row.map_err(|error| self.fault(&error))?);
            }
            Ok(written)
        };
        read.await.map(Some)
    }

    /// Says that something is being made in a database in which nothing is yet.
    pub(super) async fn marker_making(
        &self,
        database: &str,
        (ordinal, digest): (u32, &str),
    ) -> Result<(), Fault> {
        let row = row((ordinal, WHOLE), "making", digest, None);
        self.marker_insert(database, vec![row]).await
    }

    /// Says that it is complete: version 1.`ordinal` is there whole.
    pub(super) async fn marker_made(
        &self,
        database: &str,
        (ordinal, digest): (u32, &str),
    ) -> Result<(), Fault> {
        // In this order: both together count as made.
        self.marker_whole(database, (ordinal, digest)).await?;
        self.marker_remove(database, (ordinal, WHOLE), "making")
            .await
    }

    /// Says that a version is there whole.
    pub(super) async fn marker_whole(
        &self,
        database: &str,
        (ordinal, digest): (u32, &str),
    ) -> Result<(), Fault> {
        let row = row((ordinal, 0), "done", digest, None);
        self.marker_insert(database, vec![row]).await
    }

    /// Says that a statement is about to run.
    pub(super) async fn marker_intent(
        &self,
        database: &str,
        at: (u32, i32),
        (digest, pre): (&str, Option<&Probe>),
    ) -> Result<(), Fault> {
        self.marker_insert(database, vec![row(at, "intent", digest, pre)])
            .await
    }

    /// Says that it ran; false if the row is not as it was written.
    pub(super) async fn marker_done(
        &self,
        database: &str,
        at: (u32, i32),
        digest: &str,
    ) -> Result<bool, Fault> {
        let update = doc! {
            "q": {"_id": id(at), "state": "intent", "digest": digest},
            "u": {"$set": {"state": "done", "at": DateTime::now()}},
        };
        let command = doc! {
            "update": MARKER, "updates": [update], "writeConcern": {"w": "majority"},
        };
        let done = self.run(database, command).await?;
        Ok(done.get_i32("n").unwrap_or_default() == 1)
    }

    /// Says that it did not run.
    pub(super) async fn marker_not_run(&self, database: &str, at: (u32, i32)) -> Result<(), Fault> {
        self.marker_remove(database, at, "intent").await
    }

    /// Says that a template is complete: its fingerprint, its objects, what its statements left.
    pub(super) async fn marker_template(
        &self,
        database: &str,
        ordinal: u32,
        (objects, found): (&Snapshot, &[Found]),
    ) -> Result<(), Fault> {
        let of_object = |(key, definition): (&String, &String)| {
            doc! {"_id": format!("object {key}"), "key": key, "definition": definition}
        };
        let mut rows: Vec<Document> = objects.0.iter().map(of_object).collect();
        let kept = found.iter().filter_map(|(ordinal, place, probe)| {
            let step = i32::try_from(*place).ok()?;
            let mut row = row((*ordinal, step), "done", "", Some(probe));
            row.insert("_id", format!("found {ordinal}.{step}"));
            Some(row)
        });
        rows.extend(kept);
        for some in rows.chunks(500) {
            self.marker_insert(database, some.to_vec()).await?;
        }
        let mut last = row((ordinal, WHOLE), "template", &objects.digest(), None);
        last.insert("_id", "template");
        self.marker_insert(database, vec![last]).await
    }

    async fn marker_insert(&self, database: &str, rows: Vec<Document>) -> Result<(), Fault> {
        let command = doc! {
            "insert": MARKER, "documents": rows, "writeConcern": {"w": "majority"},
        };
        self.run(database, command).await.map(|_| ())
    }

    async fn marker_remove(
        &self,
        database: &str,
        at: (u32, i32),
        state: &str,
    ) -> Result<(), Fault> {
        let delete = doc! {"q": {"_id": id(at), "state": state}, "limit": 1};
        let command = doc! {
            "delete": MARKER, "deletes": [delete], "writeConcern": {"w": "majority"},
        };
        self.run(database, command).await.map(|_| ())
    }
}

// === impl Written ===

impl Written {
    fn add(&mut self, row: &Document) {
        if let (Ok(key), Ok(definition)) = (row.get_str("key"), row.get_str("definition")) {
            self.objects.0.insert(key.to_owned(), definition.to_owned());
            return;
        }
        let number = |name: &str| match row.get(name) {
            Some(Bson::Int32(number)) => Some(i64::from(*number)),
            Some(Bson::Int64(number)) => Some(*number),
            _ => None,
        };
        // What is none of ours is not believed, wherever it stands.
        let ordinal = number("ordinal").and_then(|number| u32::try_from(number).ok());
        let step = number("step").and_then(|number| i32::try_from(number).ok());
        let text = |name: &str| row.get_str(name).unwrap_or_default().to_owned();
        let key = (ordinal.unwrap_or(u32::MAX), step.unwrap_or(i32::MAX));
        let pre = serde_json::from_str(&text("pre")).ok();
        if row.get_str("_id").is_ok_and(|id| id.starts_with("found ")) {
            let place = u32::try_from(key.1).unwrap_or_default();
            self.found.extend(pre.map(|left| (key.0, place, left)));
            return;
        }
        let read = Row {
            state: State::of(&text("state")),
            digest: text("digest"),
            pre,
        };
        self.marker.rows.insert(key, read);
    }

    /// The fingerprint of a template that is complete.
    pub(super) fn template(&self) -> Option<&str> {
        self.marker.template()
    }
}

fn id((ordinal, step): (u32, i32)) -> String {
    format!("1.{ordinal} {step}")
}

fn row(at: (u32, i32), state: &str, digest: &str, pre: Option<&Probe>) -> Document {
    let (ordinal, step) = at;
    let pre = pre.and_then(|pre| serde_json::to_string(pre).ok());
    doc! {
        "_id": id(at),
        "ordinal": i64::from(ordinal),
        "step": step,
        "state": state,
        "digest": digest,
        "pre": pre,
        "at": DateTime::now(),
    }
}
