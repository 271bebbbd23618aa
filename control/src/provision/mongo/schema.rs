//! All objects of a database at one moment.

use mongodb::bson::{Document, doc};

use super::connect::{Fault, Mongo};
use crate::blueprint::Snapshot;
use crate::blueprint::mongo::json;
use crate::blueprint::mongo::normal::{add_collection, add_index};
use crate::provision::{Definition, Error, Fingerprint, Table};

/// Collections of one database, and indexes of one collection, that are looked at: more than any
/// server does well with.
const COLLECTIONS_MAX: usize = 20_000;
const INDEXES_MAX: usize = 1000;
/// How often a database is read again because a collection went away meanwhile.
const READS_MAX: u32 = 5;

/// NamespaceNotFound: dropped since it was listed. CommandNotSupportedOnView.
const GONE: i32 = 26;
const IS_VIEW: i32 = 166;

impl Mongo {
    pub(in crate::provision) async fn snapshot(&self, database: &str) -> Result<Snapshot, Error> {
        Ok(self.read(database).await?)
    }

    pub(in crate::provision) async fn fingerprint(
        &self,
        database: &str,
    ) -> Result<Fingerprint, Error> {
        Ok(Fingerprint(self.read(database).await?.digest()))
    }

    /// Collections as people look at them: they have no columns.
    pub(in crate::provision) async fn tables(&self, database: &str) -> Result<Vec<Table>, Error> {
        let snapshot = self.read(database).await?;
        let mut tables: Vec<Table> = Vec::new();
        for (key, definition) in &snapshot.0 {
            if Snapshot::kind_of(key) == "index" {
                continue;
            }
            let named = |name: &str, definition: String| Definition {
                name: name.to_owned(),
                definition,
            };
            let name = Snapshot::name_of(key).to_owned();
            let options = json::read(definition).unwrap_or_default();
            let options = options
                .iter()
                .map(|(option, value)| named(option, value.to_string()));
            tables.push(Table {
                schema: database.to_owned(),
                columns: Vec::new(),
                indexes: Vec::new(),
                constraints: options.collect(),
                name,
            });
        }
        for (_, index) in snapshot
            .0
            .iter()
            .filter(|(key, _)| Snapshot::kind_of(key) == "index")
        {
            let Ok(index) = json::read(index) else {
                continue;
            };
            let of = index.get_str("collection").unwrap_or_default();
            let table = tables.iter_mut().find(|table| table.name == of);
            if let (Some(table), Ok(index)) = (table, index.get_document("index")) {
                table.indexes.push(Definition {
                    name: index.get_str("name").unwrap_or_default().to_owned(),
                    definition: index.to_string(),
                });
            }
        }
        Ok(tables)
    }

    /// All objects, without the product's own and the lists of tools that migrate.
    pub(super) async fn read(&self, database: &str) -> Result<Snapshot, Fault> {
        self.read_with(database, doc! {}).await
    }

    /// Those of some collections and views.
    pub(super) async fn read_of(&self, database: &str, names: &[&str]) -> Result<Snapshot, Fault> {
        self.read_with(database, doc! {"name": {"$in": names}})
            .await
    }

    async fn read_with(&self, database: &str, filter: Document) -> Result<Snapshot, Fault> {
        let mut reads = 0;
        loop {
            reads += 1;
            match self.read_once(database, &filter).await {
                Err(fault) if fault.code == GONE && reads < READS_MAX => {}
                other => return other,
            }
        }
    }

    async fn read_once(&self, database: &str, filter: &Document) -> Result<Snapshot, Fault> {
        let mut snapshot = Snapshot::default();
        let mut names = Vec::new();
        let command = doc! {"listCollections": 1, "filter": filter};
        for listed in self.list(database, command, COLLECTIONS_MAX).await? {
            names.extend(add_collection(&mut snapshot, &listed));
        }
        for name in names {
            let command = doc! {"listIndexes": &name};
            match self.list(database, command, INDEXES_MAX).await {
                Ok(indexes) => {
                    for index in &indexes {
                        add_index(&mut snapshot, &name, index);
                    }
                }
                Err(fault) if fault.code == IS_VIEW => {}
                Err(fault) => return Err(fault),
            }
        }
        Ok(snapshot)
    }

    /// What `listCollections` says.
    pub(super) async fn collections(&self, database: &str) -> Result<Vec<Document>, Fault> {
        let command = doc! {"listCollections": 1};
        self.list(database, command, COLLECTIONS_MAX).await
    }
}
