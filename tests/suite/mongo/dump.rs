//! A workspace, a tenant made from it and a tenant that was deployed to step by step have the same
//! collections and indexes.

use mongodb::bson::{Bson, Document, doc};
use tenantsdb_tests::mongo::{Database, Server, database};
use tenantsdb_tests::{MongoFleet, mongo};

use super::Blueprint;

const COLLECTIONS_MIN: usize = 30;

fn create(name: &str, options: Document) -> Document {
    let mut command = doc! {"create": name};
    command.extend(options);
    command
}

fn index(collection: &str, name: &str, key: Document, options: Document) -> Document {
    let mut index = doc! {"key": key, "name": name};
    index.extend(options);
    doc! {"createIndexes": collection, "indexes": [index]}
}

/// Time series: with and without the index that most servers make with one.
fn series() -> Vec<Document> {
    let of = doc! {"timeField": "at", "metaField": "of", "granularity": "minutes"};
    vec![
        create(
            "weather",
            doc! {"timeseries": &of, "expireAfterSeconds": 86_400},
        ),
        index("weather", "of_place", doc! {"of.place": 1}, doc! {}),
        create(
            "plain weather",
            // mongod lists the granularity also where nobody said it; not all servers here do.
            doc! {"timeseries": {"timeField": "at", "granularity": "seconds"}},
        ),
        create("bare weather", doc! {"timeseries": &of}),
        doc! {"dropIndexes": "bare weather", "index": "of_1_at_1"},
    ]
}

/// Collections of every kind, and indexes of every kind; some the server may not have.
fn everything() -> Vec<Document> {
    let german = doc! {"locale": "de", "strength": 2};
    let schema = doc! {"$jsonSchema": {
        "bsonType": "object", "required": ["email"],
        "properties": {"email": {"bsonType": "string", "pattern": "@"}, "age": {"minimum": 0}},
    }};
    let mut all = vec![
        create(
            "users",
            doc! {"validator": &schema, "validationLevel": "moderate"},
        ),
        create(
            "warned",
            doc! {"validator": {"a": {"$gt": 1}}, "validationAction": "warn"},
        ),
        create("words", doc! {"collation": &german}),
        create("log", doc! {"capped": true, "size": 65536, "max": 100}),
        create(
            "adults",
            doc! {"viewOn": "users", "pipeline": [
                {"$match": {"age": {"$gte": 18}}}, {"$project": {"email": 1}},
            ]},
        ),
        create(
            "adults_of_berlin",
            doc! {"viewOn": "adults", "pipeline": [
                {"$match": {"city": "Berlin"}},
            ], "collation": &german},
        ),
        create("with.dots and blanks", doc! {}),
        create("größe", doc! {}),
        create(
            "images",
            doc! {"changeStreamPreAndPostImages": {"enabled": true}},
        ),
    ];
    all.extend(series());
    all.extend((0..24).map(|n| create(&format!("plain{n:02}"), doc! {})));
    let unique = doc! {"unique": true};
    all.extend([
        index("users", "email_1", doc! {"email": 1}, unique.clone()),
        index(
            "users",
            "name",
            doc! {"name": 1, "age": -1},
            doc! {"collation": &german},
        ),
        index(
            "users",
            "sparse",
            doc! {"phone": 1},
            doc! {"sparse": true, "unique": true},
        ),
        index(
            "users",
            "partial",
            doc! {"age": 1},
            doc! {
                "partialFilterExpression": {"age": {"$gt": 5}},
            },
        ),
        index(
            "users",
            "ttl",
            doc! {"seen": 1},
            doc! {"expireAfterSeconds": 3600},
        ),
        index("users", "hidden", doc! {"hidden": 1}, doc! {"hidden": true}),
        index("users", "place", doc! {"place": "2dsphere"}, doc! {}),
        index("users", "flat", doc! {"flat": "2d"}, doc! {"bits": 20}),
        index(
            "users",
            "all",
            doc! {"$**": 1},
            doc! {"wildcardProjection": {"email": 0}},
        ),
        index("users", "some", doc! {"attributes.$**": 1}, doc! {}),
        index("plain00", "hashed", doc! {"h": "hashed"}, doc! {}),
        index(
            "plain01",
            "text",
            doc! {"t": "text", "u": "text"},
            doc! {
                "weights": {"t": 5}, "default_language": "german",
            },
        ),
        index(
            "words",
            "of the collection's collation",
            doc! {"w": 1},
            doc! {},
        ),
        index(
            "words",
            "of no collation",
            doc! {"v": 1},
            doc! {"collation": {"locale": "simple"}},
        ),
        index("log", "when", doc! {"when": -1}, doc! {}),
        index("größe", "länge", doc! {"länge": 1}, unique),
    ]);
    all
}

/// What the server here takes of it.
fn taken() -> Vec<Document> {
    let admin = Server::shared().admin(&mongo::blueprint());
    let all = everything();
    let count = all.len();
    let taken: Vec<Document> = all
        .into_iter()
        .filter(|command| match admin.try_run(command.clone()) {
            Ok(_) => true,
            Err(error) => {
                println!("{command} is not had: {error}");
                false
            }
        })
        .collect();
    println!("the server takes {} of {count}", taken.len());
    taken
}

/// Collections with their options and indexes as text that is equal for equal structures. What
/// names one collection of one database is taken out.
fn structure(fleet: &MongoFleet, database: &Database) -> Vec<String> {
    let admin = fleet.server.admin(&database.name);
    let list = doc! {"listCollections": 1, "cursor": {"batchSize": 10_000}};
    let mut all = Vec::new();
    for mut collection in database::batch(&admin.run(list)) {
        let name = collection.get_str("name").unwrap().to_owned();
        // The marker, and what the server keeps for itself.
        if name == "_tenantsdb" || name.starts_with("system.") {
            continue;
        }
        collection.remove("info");
        without_namespace(&mut collection);
        all.push(collection.to_string());
        if collection.get_str("type").ok() != Some("view") {
            let list = doc! {"listIndexes": &name, "cursor": {"batchSize": 1000}};
            for mut index in database::batch(&admin.run(list)) {
                index.remove("ns");
                // mongod does not list it: it is the same as none.
                if index.get("collation") == Some(&Bson::from(doc! {"locale": "simple"})) {
                    index.remove("collation");
                }
                all.push(format!("{name}: {index}"));
            }
        }
    }
    all.sort();
    all
}

fn without_namespace(collection: &mut Document) {
    if let Some(Bson::Document(index)) = collection.get_mut("idIndex") {
        index.remove("ns");
    }
}

#[track_caller]
fn deploy(blueprint: &Blueprint) {
    let id = blueprint.fleet.deploy(&blueprint.name);
    let end = blueprint.fleet.deployed(&id);
    assert_eq!(end["status"], "completed", "{end:#}");
}

#[test]
fn workspace_new_tenant_and_deployed_tenant_have_the_same_structure() {
    let blueprint = Blueprint::start("mongo_dump");
    let early = blueprint.tenant("early");
    let commands = taken();
    // In three steps, with documents in the way of what comes.
    for part in commands.chunks(commands.len() / 3 + 1) {
        for command in part {
            blueprint.workspace.run(command.clone());
        }
        deploy(&blueprint);
        let ada = doc! {"_id": 1, "email": "ada@example.org", "age": 36};
        if early.find("users").is_empty() {
            early.insert("users", vec![ada]);
        }
    }
    let expected = structure(&blueprint.fleet, &blueprint.workspace);
    assert!(
        blueprint.workspace.collections().len() > COLLECTIONS_MIN,
        "{expected:#?}"
    );
    for tenant in [&early, &blueprint.tenant("new")] {
        let found = structure(&blueprint.fleet, tenant);
        let missing: Vec<_> = expected
            .iter()
            .filter(|line| !found.contains(line))
            .collect();
        let more: Vec<_> = found
            .iter()
            .filter(|line| !expected.contains(line))
            .collect();
        assert!(
            missing.is_empty() && more.is_empty(),
            "{}: lacks {missing:#?}, has {more:#?}",
            tenant.name
        );
    }
    assert_eq!(early.find("users").len(), 1);
}
