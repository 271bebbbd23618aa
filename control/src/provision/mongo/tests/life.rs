//! From registering a server to dropping a tenant.

use mongodb::bson::doc;

use super::server::{Blueprint, PASSWORD, Server, refused, versions, with_found};
use crate::provision::{Error, Provisioner};
use tenantsdb_codecs::feed::id::Engine;
use tenantsdb_codecs::secret::Secret;

const USERS: &[&str] = &[
    r#"{"create":"users","validator":{"$jsonSchema":{"required":["email"]}}}"#,
    concat!(
        r#"{"createIndexes":"users","indexes":[{"key":{"email":{"$numberInt":"1"}},"#,
        r#""name":"email_1","unique":true}]}"#
    ),
];
const MORE: &[&str] = &[
    r#"{"create":"active","viewOn":"users","pipeline":[{"$match":{"active":true}}]}"#,
    r#"{"collMod":"users","validator":{"$jsonSchema":{"required":["email","name"]}}}"#,
    r#"{"create":"log","capped":true,"size":{"$numberDouble":"4096.0"}}"#,
    r#"{"renameCollection":"a_dev.log","to":"a_dev.journal"}"#,
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_says_what_it_is_and_an_open_one_is_refused() {
    let server = Server::start().await;
    let facts = server.provisioner().register().await.unwrap();
    assert!(facts.version.starts_with("8."), "{}", facts.version);
    assert!(facts.mongo.unwrap().max_wire_version >= 17);
    let mut login = server.admin_login();
    login.password = Secret::new("wrong".to_owned());
    let wrong = Provisioner::new(Engine::MongoDb, login).register().await;
    assert!(matches!(wrong, Err(Error::Server { .. })), "{wrong:?}");
    let admin = server.admin("admin");
    let left = admin.run_command(doc! {"listDatabases": 1}).await;
    let left = left.unwrap().to_string();
    assert!(!left.contains("tenantsdb_trial"), "{left}");
    drop(server);
    let open = Server::start_open();
    let made =
        doc! {"createUser": "admin", "pwd": super::server::ADMIN_PASSWORD, "roles": ["root"]};
    let nobody = open.client(None);
    nobody.database("admin").run_command(made).await.unwrap();
    let open = open.provisioner().register().await;
    assert!(
        matches!(&open, Err(Error::Refused(text)) if text.contains("--auth")),
        "{open:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tenant_is_made_of_a_template_and_brought_on_and_dropped() {
    let blueprint = Blueprint::new("a").await;
    blueprint.workspace().await.unwrap();
    let all = versions(&[USERS, MORE]);
    let found = blueprint.template(&all[..1]).await.unwrap();
    assert_eq!(found.len(), 2);
    let all = with_found(all, &found);
    blueprint.tenant("t", 1, false).await.unwrap();
    // Again, as after a crash.
    blueprint.tenant("t", 1, false).await.unwrap();
    let name = blueprint.tenant_database("t");
    let tenant = blueprint.server.login(&name, PASSWORD);
    let users = tenant.collection("users");
    users.insert_one(doc! {"email": "a"}).await.unwrap();
    users.insert_one(doc! {"email": "a"}).await.unwrap_err();
    assert_eq!(refused(&tenant, doc! {"drop": "users"}).await, 13);

    let found = blueprint.template(&all).await.unwrap();
    let all = with_found(all, &found);
    let applied = blueprint.apply("t", &all, 1).await.unwrap();
    assert_eq!((applied.from, applied.to), (1, 2));
    blueprint.tenant("born", 2, false).await.unwrap();
    let provisioner = &blueprint.provisioner;
    let step_by_step = provisioner.snapshot(&name).await.unwrap();
    let born = blueprint.tenant_database("born");
    assert_eq!(step_by_step, provisioner.snapshot(&born).await.unwrap());
    let keys: Vec<&String> = step_by_step.0.keys().collect();
    assert_eq!(
        keys,
        [
            "collection journal",
            "collection users",
            "index users.email_1",
            "view active"
        ]
    );
    assert_eq!(
        tenant
            .collection::<mongodb::bson::Document>("users")
            .count_documents(doc! {})
            .await
            .unwrap(),
        1
    );

    provisioner.login_disable(&name).await.unwrap();
    // mongod looks with each command, this server when somebody logs in.
    let again = blueprint.server.login(&name, PASSWORD);
    assert_eq!(refused(&again, doc! {"find": "users"}).await, 13);
    provisioner.login_enable(&name).await.unwrap();
    tenant.run_command(doc! {"find": "users"}).await.unwrap();

    provisioner.tenant_drop("a", "t").await.unwrap();
    provisioner.tenant_drop("a", "t").await.unwrap();
    provisioner.tenant_drop("a", "born").await.unwrap();
    provisioner.workspace_drop("a").await.unwrap();
    provisioner.drop_blueprint("a").await.unwrap();
    let left = blueprint.server.admin("admin");
    let left = left
        .run_command(doc! {"listDatabases": 1, "nameOnly": true})
        .await
        .unwrap();
    assert!(!left.to_string().contains("\"a_"), "{left}");
}
