//! What is in a workspace, what replaying its commands gives, a tenant made of that and one brought
//! there step by step are equal.

use mongodb::bson::{Document, doc};

use super::server::{Blueprint, versions, with_found};
use crate::blueprint::Snapshot;
use crate::blueprint::mongo::json;

/// Collections and indexes of every kind that the server has.
fn commands() -> Vec<Document> {
    let index = |index: Document| doc! {"createIndexes": "plain", "indexes": [index]};
    let mut commands = vec![
        doc! {"create": "plain"},
        doc! {"create": "checked", "validator": {"$jsonSchema": {
            "bsonType": "object", "required": ["a"], "properties": {"a": {"minimum": 1.5}},
        }}, "validationLevel": "moderate", "validationAction": "warn"},
        doc! {"create": "german", "collation": {"locale": "de", "strength": 2}},
        doc! {"create": "capped", "capped": true, "size": 8192, "max": 10},
        doc! {"create": "series", "timeseries": {
            "timeField": "at", "metaField": "of", "granularity": "minutes",
        }, "expireAfterSeconds": 3600_i64},
        // The index that it is made with, where it is made with one.
        doc! {"create": "bare", "timeseries": {"timeField": "at", "metaField": "of"}},
        doc! {"dropIndexes": "bare", "index": "of_1_at_1"},
        doc! {"createIndexes": "series", "indexes": [{"key": {"of.a": 1}, "name": "of_a"}]},
        doc! {"createIndexes": "german", "indexes": [{"key": {"w": 1}, "name": "german"}]},
        doc! {"createIndexes": "german", "indexes": [
            {"key": {"v": 1}, "name": "simple", "collation": {"locale": "simple"}},
        ]},
        doc! {"create": "with.dots and spaces"},
        doc! {"create": "few", "viewOn": "plain", "pipeline": [
            {"$match": {"n": {"$gt": 1_i64}}}, {"$lookup": {
                "from": "checked", "localField": "a", "foreignField": "b", "as": "c",
            }},
        ]},
        doc! {"create": "sorted", "viewOn": "few", "pipeline": [], "collation": {"locale": "fr"}},
        index(doc! {"key": {"b": 1, "a": -1}, "name": "b_1_a_-1"}),
        index(doc! {"key": {"u": 1}, "name": "u", "unique": true, "sparse": true}),
        index(doc! {"key": {"at": 1}, "name": "ttl", "expireAfterSeconds": 60}),
        index(doc! {"key": {"p": 1}, "name": "part", "partialFilterExpression": {"p": {"$gt": 5}}}),
        index(doc! {"key": {"s": 1}, "name": "fr", "collation": {"locale": "fr"}}),
        index(doc! {"key": {"h": "hashed"}, "name": "h_hashed"}),
        index(doc! {"key": {"l": "2dsphere"}, "name": "l_2dsphere"}),
        index(doc! {"key": {"$**": 1}, "name": "all"}),
        doc! {"createIndexes": "made by its index", "indexes": [{"key": {"a.b": 1}, "name": "ab"}]},
        doc! {"collMod": "plain", "index": {"name": "ttl", "expireAfterSeconds": 90}},
        doc! {"collMod": "checked", "validator": {"a": {"$gt": 2}}, "validationLevel": "strict"},
        doc! {"collMod": "few", "viewOn": "plain", "pipeline": [{"$project": {"a": 1}}]},
        doc! {"dropIndexes": "plain", "index": "b_1_a_-1"},
        doc! {"create": "passing"},
        doc! {"drop": "passing"},
    ];
    for number in 0..20 {
        let name = format!("more{number}");
        let index = doc! {"key": {"a": 1, "b": number}, "name": "i", "unique": number % 2 == 0};
        commands.push(doc! {"create": &name, "validator": {"n": {"$gte": number}}});
        if number > 0 {
            commands.push(doc! {"createIndexes": name, "indexes": [index]});
        }
    }
    commands
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn workspace_template_and_tenants_are_equal() {
    let blueprint = Blueprint::new("f").await;
    blueprint.workspace().await.unwrap();
    let workspace = blueprint.server.admin("f_dev");
    let mut texts = Vec::new();
    for command in commands() {
        match workspace.run_command(command.clone()).await {
            Ok(_) => texts.push(json::write(&command)),
            // The server here has not all that mongod has.
            Err(error) => println!("{command} is not had: {error}"),
        }
    }
    assert!(texts.len() > 40, "{} commands were taken", texts.len());
    let each: Vec<Vec<&str>> = texts.iter().map(|text| vec![text.as_str()]).collect();
    let each: Vec<&[&str]> = each.iter().map(Vec::as_slice).collect();
    let all = versions(&each);
    blueprint.template(&[]).await.unwrap();
    blueprint.tenant("steps", 0, false).await.unwrap();
    let found = blueprint.template(&all).await.unwrap();
    let all = with_found(all, &found);
    let ordinal = all.last().unwrap().ordinal;
    let provisioner = &blueprint.provisioner;
    provisioner
        .template_check("f", ordinal, "f_dev")
        .await
        .unwrap();
    blueprint.tenant("born", ordinal, false).await.unwrap();
    blueprint.apply("steps", &all, 0).await.unwrap();
    let of = async |database: &str| -> Snapshot { provisioner.snapshot(database).await.unwrap() };
    let expected = of("f_dev").await;
    assert!(expected.0.len() > 50, "{}", expected.0.len());
    assert_eq!(of("f__born").await, expected);
    assert_eq!(of("f__steps").await, expected);
    // And the difference of two of them, as commands.
    let tables = provisioner.tables("f__born").await.unwrap();
    let plain = tables.iter().find(|table| table.name == "plain").unwrap();
    assert!(plain.indexes.iter().any(|index| index.name == "u"));

    // Drift in the workspace that no command tells of is seen.
    let past = doc! {"createIndexes": "plain", "indexes": [{"key": {"x": 1}, "name": "x_1"}]};
    workspace.run_command(past).await.unwrap();
    let check = provisioner.template_check("f", ordinal, "f_dev").await;
    assert!(check.unwrap_err().to_string().contains("index plain.x_1"));
}
