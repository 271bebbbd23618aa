//! All objects of a database at one moment.

use mongodb::bson::{Document, doc};

use super::connect::{Fault, Mongo};
use crate::blueprint::Snapshot;
use crate::blueprint::mongo::json;
use crate::blueprint::mongo::normal::{add_collection, add_index};
use crate::blueprint::mongo::search::{self, add_search};
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

/// What a server answers to `$listSearchIndexes` that has no search: CommandNotSupported,
/// SearchNotEnabled, an unknown stage, and one that is for Atlas only. Anything else may be of the
/// moment: an index that could not be asked for is not gone.
const NO_SEARCH: &[i32] = &[115, 31082, 40324, 6_047_401];

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
            if is_index(key) {
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
        for (_, index) in snapshot.0.iter().filter(|(key, _)| is_index(key)) {
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
        let mut searched = true;
        let command = doc! {"listCollections": 1, "filter": filter};
        for listed in self.list(database, command, COLLECTIONS_MAX).await? {
            let is_plain = listed
                .get_str("type")
                .is_ok_and(|kind| kind == "collection");
            let name = add_collection(&mut snapshot, &listed);
            names.extend(name.map(|name| (name, is_plain)));
        }
        for (name, is_plain) in names {
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
            if is_plain && searched {
                searched = self.read_searches(database, &name, &mut snapshot).await?;
            }
        }
        Ok(snapshot)
    }

    /// Adds the search indexes of a collection; false if the server has none of any.
    async fn read_searches(
        &self,
        database: &str,
        name: &str,
        snapshot: &mut Snapshot,
    ) -> Result<bool, Fault> {
        let pipeline = [doc! {"$listSearchIndexes": {}}];
        let command = doc! {"aggregate": name, "pipeline": &pipeline[..], "cursor": {}};
        match self.list(database, command, INDEXES_MAX).await {
            Ok(indexes) => {
                for index in &indexes {
                    add_search(snapshot, name, index);
                }
                Ok(true)
            }
            Err(fault) if NO_SEARCH.contains(&fault.code) => Ok(false),
            Err(fault) => Err(fault),
        }
    }

    /// What `listCollections` says.
    pub(super) async fn collections(&self, database: &str) -> Result<Vec<Document>, Fault> {
        let command = doc! {"listCollections": 1};
        self.list(database, command, COLLECTIONS_MAX).await
    }
}

fn is_index(key: &str) -> bool {
    matches!(Snapshot::kind_of(key), "index" | search::KIND)
}
