//! With one tenant's login no other tenant is reached, by whatever command, through the proxy or at
//! the server itself; and a tenant changes documents, not structure.

use mongodb::bson::{Bson, Document, doc};
use tenantsdb_tests::mongo::message::{self, MSG};
use tenantsdb_tests::mongo::{Database, Kind, Wire, database, wire};

use super::Blueprint;

const UNAUTHORIZED: i32 = 13;

/// Two tenants of one blueprint.
struct Neighbours {
    blueprint: Blueprint,
    acme: Database,
    globex: Database,
}

impl Neighbours {
    /// Which server they are on.
    fn kind(&self) -> Kind {
        self.blueprint.fleet.server.kind
    }

    fn start(test: &str) -> Self {
        let blueprint = Blueprint::start(test);
        blueprint.workspace.run(doc! {"create": "items"});
        let acme = blueprint.tenant("acme");
        let globex = blueprint.tenant("globex");
        globex.insert("items", secrets());
        acme.insert("items", vec![doc! {"_id": 1, "body": "of acme"}]);
        Self {
            blueprint,
            acme,
            globex,
        }
    }

    fn at_the_server(&self) -> Database {
        self.acme.at(&self.blueprint.fleet.server.address())
    }

    #[track_caller]
    fn globex_is_as_it_was(&self) {
        assert_eq!(self.globex.find("items"), secrets());
        assert_eq!(self.globex.collections(), ["_tenantsdb", "items"]);
    }
}

fn secrets() -> Vec<Document> {
    let secret = |n| doc! {"_id": n, "body": "secret of globex"};
    (0..300).map(secret).collect()
}

/// Commands of one login that reach for another's database, each with its `$db`.
fn doors(own: &str, other: &str) -> Vec<Document> {
    let there = [
        doc! {"find": "items"},
        doc! {"aggregate": "items", "pipeline": [], "cursor": {}},
        doc! {"aggregate": 1, "pipeline": [{"$changeStream": {}}], "cursor": {}},
        doc! {"count": "items"},
        doc! {"distinct": "items", "key": "body"},
        doc! {"insert": "items", "documents": [{"_id": 999}]},
        doc! {"update": "items", "updates": [
            {"q": {}, "u": {"$set": {"body": "x"}}, "multi": true},
        ]},
        doc! {"delete": "items", "deletes": [{"q": {}, "limit": 0}]},
        doc! {"findAndModify": "items", "query": {}, "remove": true},
        doc! {"create": "made"},
        doc! {"createIndexes": "items", "indexes": [{"key": {"a": 1}, "name": "a"}]},
        doc! {"drop": "items"},
        doc! {"dropDatabase": 1},
        doc! {"collMod": "items", "validationLevel": "off"},
        doc! {"listCollections": 1, "cursor": {}},
        doc! {"listIndexes": "items"},
        doc! {"collStats": "items"},
        doc! {"dbStats": 1},
        doc! {"validate": "items"},
        doc! {"explain": {"find": "items"}},
        doc! {"createUser": "x", "pwd": "x", "roles": []},
        doc! {"dropUser": other},
        doc! {"updateUser": other, "pwd": "x"},
        doc! {"usersInfo": 1},
        doc! {"rolesInfo": 1},
        doc! {"profile": 2},
    ];
    let there = there.map(|command| of(command, other));
    let out = doc! {"$out": {"db": other, "coll": "items"}};
    let merge = doc! {"$merge": {"into": {"db": other, "coll": "items"}}};
    let lookup = doc! {"$lookup": {
        "from": {"db": other, "coll": "items"}, "pipeline": [], "as": "theirs",
    }};
    let nested = doc! {"$facet": {"a": [&lookup]}};
    let union = doc! {"$unionWith": {"coll": "items", "pipeline": [&lookup]}};
    let graph = doc! {"$graphLookup": {
        "from": {"db": other, "coll": "items"}, "startWith": "$_id", "connectFromField": "_id",
        "connectToField": "_id", "as": "theirs",
    }};
    let stages = [out, merge, lookup, nested, union, graph].map(|stage| {
        of(
            doc! {"aggregate": "items", "pipeline": [stage], "cursor": {}},
            own,
        )
    });
    let rename = |from: &str, to: &str| {
        let (from, to) = (format!("{from}.items"), format!("{to}.items"));
        of(
            doc! {"renameCollection": from, "to": to, "dropTarget": true},
            "admin",
        )
    };
    let reduce = doc! {
        "mapReduce": "items", "map": "function() { emit(1, 1) }", "reduce": "function() {}",
        "out": {"replace": "items", "db": other},
    };
    let admin = of_the_server(other);
    let mut all: Vec<Document> = there.into_iter().chain(stages).chain(admin).collect();
    all.extend([rename(own, other), rename(other, own), of(reduce, own)]);
    all
}

/// Commands of the database `admin` and of others that are nobody's.
fn of_the_server(other: &str) -> Vec<Document> {
    let admin = [
        doc! {"currentOp": 1, "allUsers": true},
        doc! {"killOp": 1, "op": 1},
        doc! {"aggregate": 1, "pipeline": [{"$currentOp": {"allUsers": true}}], "cursor": {}},
        doc! {"aggregate": 1, "pipeline": [
            {"$listLocalSessions": {"allUsers": true}},
        ], "cursor": {}},
        doc! {"killAllSessions": []},
        doc! {"killAllSessionsByPattern": []},
        doc! {"usersInfo": {"forAllDBs": true}, "showCredentials": true},
        doc! {"find": "system.users"},
        doc! {"getLog": "global"},
        doc! {"getParameter": "*"},
        doc! {"setParameter": 1, "logLevel": 1},
        doc! {"setFeatureCompatibilityVersion": "8.0", "confirm": true},
        doc! {"fsync": 1},
        doc! {"shutdown": 1},
        doc! {"replSetGetStatus": 1},
        doc! {"replSetStepDown": 1},
        doc! {"bulkWrite": 1, "ops": [{"insert": 0, "document": {"_id": 998}}],
        "nsInfo": [{"ns": format!("{other}.items")}]},
    ];
    let mut all = admin.map(|command| of(command, "admin")).to_vec();
    all.push(of(doc! {"find": "oplog.rs"}, "local"));
    all.push(of(doc! {"find": "system.sessions"}, "config"));
    all
}

fn of(mut command: Document, database: &str) -> Document {
    command.insert("$db", database);
    command
}

fn name(command: &Document) -> &str {
    command.keys().next().unwrap()
}

#[test]
fn no_door_leads_to_another_tenant() {
    let neighbours = Neighbours::start("mongo_doors");
    let mut session = neighbours.acme.wire();
    for command in doors(&neighbours.acme.name, &neighbours.globex.name) {
        let failed = session.run(&command).expect_err(&command.to_string());
        assert_eq!(failed.code, UNAUTHORIZED, "{command}: {failed}");
    }
    // The session is none the worse for it.
    let found = session.run(&of(doc! {"find": "items"}, &neighbours.acme.name));
    assert_eq!(database::batch(&found.unwrap()).len(), 1);
    neighbours.globex_is_as_it_was();
}

/// The second wall: the server's own users and roles.
#[test]
fn nor_at_the_server_itself() {
    let neighbours = Neighbours::start("mongo_doors_server");
    let other = &neighbours.globex.name;
    let mut session = neighbours.at_the_server().wire();
    let mut open = Vec::new();
    for command in doors(&neighbours.acme.name, other) {
        // What the server gives of itself to everybody is no door to a tenant.
        let names_other = command.to_string().contains(other.as_str());
        // SecantusDB's Python form has no wall there.
        if name(&command) == "bulkWrite" && neighbours.kind() == Kind::SecantusPy {
            continue;
        }
        if names_other && let Ok(reply) = session.run(&command) {
            open.push(format!("{command}: {reply}"));
        }
    }
    assert!(open.is_empty(), "{}", open.join("\n"));
    neighbours.globex_is_as_it_was();
}

#[test]
fn a_tenant_sees_no_names_but_its_own() {
    let neighbours = Neighbours::start("mongo_names");
    let own = &neighbours.acme.name;
    let mut session = neighbours.acme.wire();
    let listed = session
        .run(&of(doc! {"listDatabases": 1}, "admin"))
        .unwrap();
    let names: Vec<&str> = listed
        .get_array("databases")
        .unwrap()
        .iter()
        .filter_map(Bson::as_document)
        .map(|database| database.get_str("name").unwrap())
        .collect();
    assert_eq!(names, [own]);
    let hello = session.run(&of(doc! {"hello": 1}, "admin")).unwrap();
    for key in [
        "setName",
        "hosts",
        "me",
        "primary",
        "topologyVersion",
        "compression",
    ] {
        assert!(!hello.contains_key(key), "{hello}");
    }
    let status = of(
        doc! {"connectionStatus": 1, "showPrivileges": true},
        "admin",
    );
    if let Ok(status) = session.run(&status) {
        assert!(
            !status.to_string().contains(&neighbours.globex.name),
            "{status}"
        );
    }
}

/// What stands under `host` anywhere in a reply.
fn hosts(reply: &Document, found: &mut Vec<String>) {
    for (key, value) in reply {
        match value {
            Bson::String(name) if key == "host" => found.push(name.clone()),
            Bson::Document(inner) => hosts(inner, found),
            Bson::Array(list) => {
                let inner = list.iter().filter_map(Bson::as_document);
                inner.for_each(|inner| hosts(inner, found));
            }
            _ => {}
        }
    }
}

#[test]
fn no_reply_says_what_the_server_is_called() {
    let neighbours = Neighbours::start("mongo_host");
    let own = &neighbours.acme.name;
    let lookup = doc! {"$lookup": {
        "from": "items", "pipeline": [{"$collStats": {"count": {}}}], "as": "stats",
    }};
    let aggregate =
        |stage: Document| doc! {"aggregate": "items", "pipeline": [stage], "cursor": {}};
    let explained = doc! {"aggregate": "items", "pipeline": [], "explain": true, "cursor": {}};
    let mut direct = neighbours.at_the_server().wire();
    let mut session = neighbours.acme.wire();
    let shown = |wire: &mut Wire, command: &Document| {
        let mut found = Vec::new();
        let reply = wire
            .run(command)
            .unwrap_or_else(|e| panic!("{command}: {e}"));
        hosts(&reply, &mut found);
        found
    };
    for command in [
        doc! {"explain": {"find": "items"}},
        explained,
        aggregate(doc! {"$collStats": {"count": {}}}),
        aggregate(lookup),
    ] {
        let command = of(command, own);
        let known = shown(&mut direct, &command);
        assert!(!known.is_empty(), "{command}: the server says nothing");
        let expected = vec!["tenantsdb".to_owned(); known.len()];
        assert_eq!(shown(&mut session, &command), expected, "{command}");
    }
    // Nor in a later batch.
    let mut empty = aggregate(doc! {"$collStats": {"count": {}}});
    empty.insert("cursor", doc! {"batchSize": 0});
    let opened = session.run(&of(empty, own)).unwrap();
    let cursor = opened.get_document("cursor").unwrap().get_i64("id");
    let more = of(
        doc! {"getMore": cursor.unwrap(), "collection": "items"},
        own,
    );
    assert_eq!(shown(&mut session, &more), ["tenantsdb"]);
}

/// A cursor that one login opened, and another's request for more of it.
#[test]
fn cursors_of_others_are_out_of_reach() {
    let neighbours = Neighbours::start("mongo_cursors");
    let mut theirs = neighbours.globex.wire();
    let mut mine = neighbours.acme.wire();
    let open = of(
        doc! {"find": "items", "batchSize": 2},
        &neighbours.globex.name,
    );
    let opened = theirs.run(&open).unwrap();
    let cursor = opened
        .get_document("cursor")
        .unwrap()
        .get_i64("id")
        .unwrap();
    assert_ne!(cursor, 0);
    for database in [&neighbours.acme.name, &neighbours.globex.name] {
        let more = of(doc! {"getMore": cursor, "collection": "items"}, database);
        let failed = mine.run(&more).expect_err("it is another's");
        assert!([UNAUTHORIZED, 43].contains(&failed.code), "{failed}");
        let kill = of(doc! {"killCursors": "items", "cursors": [cursor]}, database);
        // SecantusDB's Python form lets anybody end a cursor.
        if neighbours.kind() != Kind::SecantusPy
            && let Ok(reply) = mine.run(&kill)
        {
            assert_eq!(
                reply.get_array("cursorsKilled").map(Vec::len).ok(),
                Some(0),
                "{reply}"
            );
        }
    }
    let more = of(
        doc! {"getMore": cursor, "collection": "items"},
        &neighbours.globex.name,
    );
    let rest = theirs.run(&more).expect("it is still open");
    assert_eq!(database::batch(&rest).len(), 298);
}

/// The same session id, used by two logins. mongod keeps them apart by user, and SecantusDB does
/// not.
#[test]
fn sessions_of_others_are_out_of_reach() {
    let neighbours = Neighbours::start("mongo_sessions");
    if neighbours.kind() != Kind::Mongod {
        return;
    }
    let lsid = doc! {"id": mongodb::bson::Uuid::from_bytes([7; 16])};
    let begin = |database: &str, id: i32| {
        of(
            doc! {
                "insert": "items", "documents": [{"_id": id}], "lsid": &lsid, "txnNumber": 1_i64,
                "startTransaction": true, "autocommit": false,
            },
            database,
        )
    };
    let end = |name: &str| {
        let mut command = Document::new();
        command.insert(name, 1);
        command.extend(doc! {"lsid": &lsid, "txnNumber": 1_i64, "autocommit": false});
        of(command, "admin")
    };
    let mut theirs = neighbours.globex.wire();
    let mut mine = neighbours.acme.wire();
    theirs.run(&begin(&neighbours.globex.name, 1001)).unwrap();
    assert!(mine.run(&end("commitTransaction")).is_err());
    assert!(mine.run(&end("abortTransaction")).is_err());
    let _ = mine.run(&of(doc! {"endSessions": [&lsid]}, "admin"));
    let _ = mine.run(&of(doc! {"killSessions": [&lsid]}, "admin"));
    theirs
        .run(&end("abortTransaction"))
        .expect("it is still open");
    neighbours.globex_is_as_it_was();
}

#[test]
fn tenants_change_documents_and_not_the_structure() {
    let blueprint = Blueprint::start("mongo_structure");
    blueprint.workspace.run(doc! {"create": "items"});
    let acme = blueprint.tenant("acme");
    let structural = |own: &str| {
        [
            doc! {"create": "made"},
            doc! {"create": "view", "viewOn": "items", "pipeline": []},
            doc! {"createIndexes": "items", "indexes": [{"key": {"a": 1}, "name": "a"}]},
            doc! {"dropIndexes": "items", "index": "*"},
            doc! {"collMod": "items", "validationLevel": "off"},
            doc! {"drop": "items"},
            doc! {"dropDatabase": 1},
            doc! {"renameCollection": format!("{own}.items"), "to": format!("{own}.other")},
        ]
    };
    let run = |session: &mut Wire, command: Document, own: &str| {
        let admin = name(&command) == "renameCollection";
        session.run(&of(command, if admin { "admin" } else { own }))
    };
    let mut session = acme.wire();
    for command in structural(&acme.name) {
        let failed = run(&mut session, command.clone(), &acme.name).expect_err("structural");
        assert_eq!(failed.code, UNAUTHORIZED, "{command}: {failed}");
        assert!(failed.text.contains("--allow-ddl"), "{command}: {failed}");
    }
    acme.insert("items", vec![doc! {"_id": 1}]);
    assert_eq!(acme.collections(), ["_tenantsdb", "items"]);

    let free = blueprint.tenant_with_ddl("free");
    let mut session = free.wire();
    for command in structural(&free.name) {
        // The last has nothing to rename any more: what it says is the server's word.
        if let Err(failed) = run(&mut session, command.clone(), &free.name) {
            let allowed = ["dropDatabase", "renameCollection"].contains(&name(&command));
            assert!(allowed, "{command}: {failed}");
        }
    }
}

/// A command of all fields of these documents, some of them twice.
fn joined(documents: &[Document]) -> Vec<u8> {
    let bytes = documents.iter().map(message::bytes);
    let elements: Vec<u8> = bytes
        .flat_map(|bytes| bytes[4..bytes.len() - 1].to_vec())
        .collect();
    let length = i32::try_from(4 + elements.len() + 1).unwrap();
    let body = [&[0; 5][..], &length.to_le_bytes(), &elements, &[0]].concat();
    message::message(7, MSG, &body)
}

/// The collection that says which version the schema has: whoever may change it has control believe
/// what it likes.
#[test]
fn the_marker_is_out_of_reach_by_whatever_name() {
    let blueprint = Blueprint::start("mongo_marker");
    blueprint.workspace.run(doc! {"create": "items"});
    let acme = blueprint.tenant_with_ddl("acme");
    let marker = acme.find("_tenantsdb");
    assert!(!marker.is_empty());
    let own = &acme.name;
    let to_db = doc! {"$db": own};
    let bulk = doc! {"bulkWrite": 1, "$db": "admin"};
    let ops = [doc! {"delete": 0, "filter": {}, "multi": true}];
    let namespaces = [doc! {"ns": format!("{own}._tenantsdb")}];
    let lists = doc! {"ops": &ops[..], "nsInfo": &namespaces[..]};
    let in_sequences = [
        message::msg(0, &bulk),
        message::sequence("ops", &ops),
        message::sequence("nsInfo", &namespaces),
    ];
    let out = doc! {
        "aggregate": "items", "pipeline": [{"$out": "_tenantsdb"}], "cursor": {},
    };
    let explain = doc! {"explain": &out, "verbosity": "executionStats"};
    let documents = doc! {"documents": [{"_id": 1, "forged": true}]};
    let rename = |from: &str| doc! {"renameCollection": format!("{own}.{from}")};
    let to = |to: &str| doc! {"to": format!("{own}.{to}"), "$db": "admin"};
    for (code, bytes) in [
        (UNAUTHORIZED, joined(&[bulk, lists])),
        (
            UNAUTHORIZED,
            message::message(7, MSG, &in_sequences.concat()),
        ),
        (UNAUTHORIZED, joined(&[out, to_db.clone()])),
        (UNAUTHORIZED, joined(&[explain, to_db.clone()])),
        (
            2,
            joined(&[
                doc! {"insert": "items"},
                doc! {"insert": "_tenantsdb"},
                documents,
                to_db.clone(),
            ]),
        ),
        (
            2,
            joined(&[doc! {"drop": "items"}, doc! {"drop": "_tenantsdb"}, to_db]),
        ),
        (2, joined(&[rename("items"), rename("_tenantsdb"), to("x")])),
        (2, joined(&[rename("items"), to("x"), to("_tenantsdb")])),
    ] {
        let mut session = acme.wire();
        session.write(&bytes).unwrap();
        let reply = session.try_read().expect("it is told why");
        let failed = wire::judge(reply.document).expect_err("it is kept by TenantsDB");
        assert_eq!(failed.code, code, "{failed}");
    }
    assert_eq!(acme.find("_tenantsdb"), marker);
}
