use proptest::prelude::*;

use super::*;
use crate::mongo::bson::Writer;
use crate::mongo::code::Code;

const OWN: &str = "myapp__acme";

/// What becomes of a command sent to a database.
fn of(
    db: &str,
    allow_ddl: bool,
    fill: impl FnOnce(&mut Writer),
) -> Result<Verdict<'static>, Error> {
    let mut body = Writer::new();
    fill(&mut body);
    body.str("$db", db);
    let bytes = Box::leak(body.finish().into_boxed_slice());
    let request = Request::read(Document::whole(bytes).unwrap())?;
    decide(&request, OWN, allow_ddl)
}

fn named(name: &str) -> impl FnOnce(&mut Writer) {
    move |body| {
        body.str(name, "users");
    }
}

#[track_caller]
fn refused(verdict: Result<Verdict<'_>, Error>, reason: Reason) -> Refusal {
    match verdict.unwrap() {
        Verdict::Refuse(refusal) => {
            assert_eq!(refusal.reason, reason);
            refusal
        }
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn effect(verdict: Result<Verdict<'_>, Error>) -> Effect<'_> {
    match verdict.unwrap() {
        Verdict::Forward(effect) => effect,
        other => panic!("{other:?}"),
    }
}

fn pipeline(body: &mut Writer, stage: &str, fill: impl FnOnce(&mut Writer)) {
    body.array("pipeline", |stages| {
        stages.document(|inner| {
            inner.document(stage, fill);
        });
    });
}

#[test]
fn another_database_is_refused_as_the_server_does() {
    for db in [
        "other",
        "admin",
        "local",
        "config",
        "myapp__acme2",
        "MYAPP__ACME",
        "",
    ] {
        for name in [
            "find",
            "insert",
            "aggregate",
            "listCollections",
            "drop",
            "new8Command",
        ] {
            let refusal = refused(of(db, true, named(name)), Reason::Database);
            assert_eq!(refusal.code, Code::Unauthorized);
            let text = format!("not authorized on {db} to execute command {{ {name}: ... }}");
            assert_eq!(refusal.text, text);
        }
    }
}

#[test]
fn a_database_is_not_named_twice() {
    let twice = of(OWN, true, |body| {
        body.str("find", "users").str("$db", "other");
    });
    assert!(twice.is_err());
}

#[test]
fn commands_of_sessions_may_be_sent_to_admin() {
    for (name, kept) in [
        ("commitTransaction", Kept::Commit),
        ("abortTransaction", Kept::Abort),
        ("endSessions", Kept::EndSessions),
        ("refreshSessions", Kept::None),
        ("startSession", Kept::None),
        ("connectionStatus", Kept::None),
    ] {
        for db in ["admin", OWN] {
            let verdict = of(db, false, |body| {
                body.i32(name, 1);
            });
            assert_eq!(effect(verdict).kept, kept, "{name}");
        }
    }
}

#[test]
fn what_every_driver_asks_is_answered_here() {
    for (name, local) in [
        ("hello", Local::Hello),
        ("isMaster", Local::Hello),
        ("ismaster", Local::Hello),
        ("ping", Local::Ping),
        ("buildInfo", Local::BuildInfo),
        ("listDatabases", Local::ListDatabases),
        ("whatsmyuri", Local::WhatsMyUri),
    ] {
        for db in ["admin", OWN, "other"] {
            assert_eq!(of(db, false, named(name)), Ok(Verdict::Answer(local)));
        }
    }
}

#[test]
fn what_is_of_the_whole_server_is_refused_in_any_database() {
    for name in [
        "currentOp",
        "killOp",
        "fsync",
        "shutdown",
        "setParameter",
        "setFeatureCompatibilityVersion",
        "shardCollection",
        "replSetReconfig",
        "_configsvrMoveRange",
        "applyOps",
        "eval",
        "serverStatus",
    ] {
        for db in ["admin", OWN] {
            let refusal = refused(of(db, true, named(name)), Reason::WholeServer);
            assert_eq!(refusal.code, Code::Unauthorized);
        }
    }
    for name in [
        "createUser",
        "updateUser",
        "usersInfo",
        "createRole",
        "grantRolesToUser",
    ] {
        refused(of(OWN, true, named(name)), Reason::Users);
    }
    for name in [
        "killSessions",
        "killAllSessions",
        "killAllSessionsByPattern",
    ] {
        refused(of(OWN, true, named(name)), Reason::Sessions);
    }
    for name in ["saslStart", "logout", "authenticate"] {
        refused(of(OWN, true, named(name)), Reason::Login);
    }
    let refusal = refused(of("admin", true, named("atlasVersion")), Reason::Unknown);
    assert_eq!(refusal.code, Code::CommandNotFound);
}

#[test]
fn the_profiler_may_be_looked_at_and_not_set() {
    let level = |level| {
        of(OWN, true, |body| {
            body.i32("profile", level);
        })
    };
    effect(level(-1));
    refused(level(0), Reason::WholeServer);
    refused(level(2), Reason::WholeServer);
    // Limits of all databases, which it sets at any level.
    for limit in ["slowms", "sampleRate", "filter"] {
        let verdict = of(OWN, true, |body| {
            body.i32("profile", -1).i32(limit, 0);
        });
        refused(verdict, Reason::WholeServer);
    }
}

#[test]
fn an_unknown_command_goes_to_its_own_database() {
    assert_eq!(
        effect(of(OWN, false, named("new8Command"))),
        Effect::default()
    );
    // But not with a pipeline that leaves it.
    let verdict = of(OWN, true, |body| {
        body.str("new8Command", "users");
        pipeline(body, "$out", |out| {
            out.str("db", "other").str("coll", "c");
        });
    });
    refused(verdict, Reason::Escape);
}

#[test]
fn schema_is_changed_only_by_those_who_may() {
    for name in [
        "create",
        "createIndexes",
        "collMod",
        "drop",
        "dropIndexes",
        "dropDatabase",
        "convertToCapped",
        "createSearchIndexes",
    ] {
        let refusal = refused(of(OWN, false, named(name)), Reason::Structure);
        assert!(refusal.text.contains("--allow-ddl"), "{}", refusal.text);
        assert!(effect(of(OWN, true, named(name))).structural);
    }
    assert!(!effect(of(OWN, false, named("insert"))).structural);
}

#[test]
fn options_of_the_storage_engine_are_refused_wherever_they_stand() {
    let engine = |options: &mut Writer| {
        options.document("storageEngine", |engines| {
            engines.document("wiredTiger", |engine| {
                engine.str("configString", "source=\"file:collection-7.wt\"");
            });
        });
    };
    let indexes = |body: &mut Writer, fill: &dyn Fn(&mut Writer)| {
        body.array("indexes", |indexes| {
            indexes.document(|index| {
                index.document("key", |key| _ = key.i32("a", 1));
            });
            indexes.document(fill);
        });
    };
    for name in ["create", "collMod", "createIndexes", "new8Command"] {
        let direct = of(OWN, true, |body| engine(body.str(name, "users")));
        let inside = of(OWN, true, |body| {
            body.str(name, "users")
                .document("indexOptionDefaults", engine);
        });
        let of_index = of(OWN, true, |body| indexes(body.str(name, "users"), &engine));
        for verdict in [direct, inside, of_index] {
            let refusal = refused(verdict, Reason::Engine);
            assert_eq!(refusal.code, Code::Unauthorized);
        }
    }
    // A field may be called so.
    effect(of(OWN, true, |body| {
        let body = body.str("create", "cars");
        body.document("validator", |fields| {
            _ = fields.str("storageEngine", "diesel")
        });
    }));
    effect(of(OWN, true, |body| {
        indexes(body.str("createIndexes", "cars"), &|index| {
            index.document("key", |key| _ = key.i32("storageEngine", 1));
        });
    }));
}

/// It is done again in every tenant's database, where it would be another's.
#[test]
fn a_view_names_no_database_not_even_its_own() {
    for (name, db) in [("create", OWN), ("collMod", OWN)] {
        let verdict = of(OWN, true, |body| {
            body.str(name, "view").str("viewOn", "users");
            pipeline(body, "$lookup", |lookup| {
                lookup.document("from", |from| {
                    from.str("db", db).str("coll", "c");
                });
            });
        });
        let refusal = refused(verdict, Reason::NamedDatabase);
        assert!(refusal.text.contains("leave \"db\" out"), "{refusal:?}");
    }
    effect(of(OWN, true, |body| {
        body.str("aggregate", "users");
        pipeline(body, "$out", |out| {
            out.str("db", OWN).str("coll", "c");
        });
    }));
}

fn explain(fill: impl FnOnce(&mut Writer)) -> Result<Verdict<'static>, Error> {
    of(OWN, true, |body| {
        body.document("explain", fill)
            .str("verbosity", "executionStats");
    })
}

#[test]
fn what_is_explained_is_judged_as_if_it_were_run() {
    let out = |name: &'static str| {
        explain(move |inner| {
            inner.str("aggregate", "users");
            inner.array("pipeline", |stages| {
                stages.document(|stage| _ = stage.str("$out", name));
            });
        })
    };
    assert_eq!(effect(out("c")).creates, Creates::Named("c"));
    refused(out(MARKER), Reason::Marker);
    refused(
        explain(|inner| _ = inner.str("update", MARKER)),
        Reason::Marker,
    );
    effect(explain(|inner| _ = inner.str("find", MARKER)));
    let reduce = explain(|inner| {
        inner.str("mapReduce", "users").document("out", |out| {
            out.str("replace", "c").str("db", "other");
        });
    });
    refused(reduce, Reason::Escape);
    for name in ["create", "drop", "createUser", "explain", "bulkWrite"] {
        let refusal = refused(explain(|inner| _ = inner.str(name, "c")), Reason::Explain);
        assert_eq!(refusal.code, Code::IllegalOperation);
    }
    let twice = explain(|inner| _ = inner.str("find", "c").str("find", "d"));
    assert!(twice.is_err());
}

#[test]
fn pipelines_stay_in_their_database() {
    let out = |out: &mut Writer| {
        out.str("db", "other").str("coll", "c");
    };
    for name in ["aggregate", "create", "collMod"] {
        let verdict = of(OWN, true, |body| {
            body.str(name, "users");
            pipeline(body, "$out", out);
        });
        refused(verdict, Reason::Escape);
    }
    let explained = of(OWN, true, |body| {
        body.document("explain", |inner| {
            inner.str("aggregate", "users");
            pipeline(inner, "$merge", |merge| {
                merge.document("into", out);
            });
        });
    });
    refused(explained, Reason::Escape);
    let explained = of(OWN, true, |body| {
        body.document("explain", |inner| {
            inner.str("find", "users").str("$db", "other");
        });
    });
    refused(explained, Reason::Escape);
    let current = of(OWN, true, |body| {
        body.i32("aggregate", 1);
        pipeline(body, "$currentOp", |_| {});
    });
    refused(current, Reason::WholeServer);
}

#[test]
fn a_collection_is_renamed_inside_its_database() {
    let rename = |db: &str, from: &str, to: &str| {
        let (from, to) = (from.to_owned(), to.to_owned());
        of(db, true, move |body| {
            body.str("renameCollection", &from).str("to", &to);
        })
    };
    let found = effect(rename("admin", "myapp__acme.a", "myapp__acme.b.c"));
    assert!(found.structural);
    assert_eq!(found.creates, Creates::Named("b.c"));
    for (from, to) in [
        ("myapp__acme.a", "other.a"),
        ("other.a", "myapp__acme.a"),
        ("myapp__acme2.a", "myapp__acme2.b"),
    ] {
        refused(rename("admin", from, to), Reason::Escape);
    }
    refused(
        rename("admin", "myapp__acme.a", "myapp__acme._tenantsdb"),
        Reason::Marker,
    );
    refused(
        rename("admin", "myapp__acme._tenantsdb", "myapp__acme.a"),
        Reason::Marker,
    );
}

#[test]
fn commands_that_name_a_namespace_stay_in_their_database() {
    let size = |namespace: &'static str| {
        of(OWN, true, move |body| {
            body.str("dataSize", namespace);
        })
    };
    effect(size("myapp__acme.users"));
    refused(size("other.users"), Reason::Escape);
    let reduce = |db: &'static str| {
        of(OWN, true, move |body| {
            body.str("mapReduce", "users").document("out", |out| {
                out.str("replace", "c").str("db", db);
            });
        })
    };
    assert_eq!(effect(reduce(OWN)).creates, Creates::Named("c"));
    refused(reduce("other"), Reason::Escape);
    let bulk = |namespace: &'static str| {
        of("admin", true, move |body| {
            body.i32("bulkWrite", 1).array("nsInfo", |namespaces| {
                namespaces.document(|entry| {
                    entry.str("ns", "myapp__acme.a");
                });
                namespaces.document(|entry| {
                    entry.str("ns", namespace);
                });
            });
        })
    };
    assert_eq!(effect(bulk("myapp__acme.b")).creates, Creates::Any);
    refused(bulk("other.b"), Reason::Escape);
}

#[test]
fn writes_say_which_collection_they_may_bring_into_being() {
    for name in ["insert", "update", "createIndexes", "create"] {
        assert_eq!(
            effect(of(OWN, true, named(name))).creates,
            Creates::Named("users")
        );
    }
    for name in ["find", "delete", "findAndModify", "drop"] {
        assert_eq!(effect(of(OWN, true, named(name))).creates, Creates::Nothing);
    }
    let upsert = of(OWN, true, |body| {
        body.str("findAndModify", "users").bool("upsert", true);
    });
    assert_eq!(effect(upsert).creates, Creates::Named("users"));
    let merge = of(OWN, true, |body| {
        body.str("aggregate", "users");
        pipeline(body, "$merge", |merge| {
            merge.document("into", |into| {
                into.str("db", OWN).str("coll", "sums");
            });
        });
    });
    assert_eq!(effect(merge).creates, Creates::Named("sums"));
}

#[test]
fn the_marker_is_read_and_not_written() {
    for name in ["find", "count", "listIndexes", "aggregate"] {
        effect(of(OWN, true, |body| {
            body.str(name, MARKER);
        }));
    }
    for name in [
        "insert",
        "delete",
        "update",
        "findAndModify",
        "drop",
        "collMod",
        "create",
    ] {
        let verdict = of(OWN, true, |body| {
            body.str(name, MARKER);
        });
        refused(verdict, Reason::Marker);
    }
    let out = of(OWN, true, |body| {
        body.str("aggregate", "users").array("pipeline", |stages| {
            stages.document(|stage| {
                stage.str("$out", MARKER);
            });
        });
    });
    refused(out, Reason::Marker);
    let bulk = of(OWN, true, |body| {
        body.i32("bulkWrite", 1).array("nsInfo", |namespaces| {
            namespaces.document(|entry| _ = entry.str("ns", "myapp__acme.a"));
            namespaces.document(|entry| _ = entry.str("ns", "myapp__acme._tenantsdb"));
        });
    });
    refused(bulk, Reason::Marker);
}

/// A server may take what is said first or last, and the last stage or any.
#[test]
fn the_marker_is_not_written_by_a_name_behind_another() {
    let stages = |fill: fn(&mut Writer)| {
        of(OWN, true, move |body| {
            body.str("aggregate", "users").array("pipeline", |stages| {
                stages.document(fill);
                stages.document(|stage| _ = stage.str("$out", "c"));
            });
        })
    };
    refused(
        stages(|stage| _ = stage.str("$out", MARKER)),
        Reason::Marker,
    );
    let merge = stages(|stage| {
        stage.i32("$limit", 1).document("$merge", |merge| {
            merge.str("into", "c").document("into", |into| {
                into.str("coll", "c").str("coll", MARKER);
            });
        });
    });
    refused(merge, Reason::Marker);
    let reduce = of(OWN, true, |body| {
        body.str("mapReduce", "users").document("out", |out| {
            out.str("replace", "c").str("merge", MARKER);
        });
    });
    refused(reduce, Reason::Marker);
}

#[test]
fn a_refusal_tells_no_more_of_a_name_than_fits() {
    let name = "é".repeat(10_000);
    let refusal = refused(of("other", true, named(&name)), Reason::Database);
    assert!(refusal.text.len() < 200);
    assert!(!refusal.report().is_empty());
}

proptest! {
    #[test]
    fn random_documents_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let mut document = i32::try_from(bytes.len() + 5).unwrap().to_le_bytes().to_vec();
        document.extend_from_slice(&bytes);
        document.push(0);
        if let Ok(request) = Request::read(Document::whole(&document).unwrap()) {
            let _ = decide(&request, OWN, true);
        }
    }
}
