//! From registering a server to a deployment.

use tenantsdb_codecs::feed::CAPTURES_PATH;

use super::*;

/// A workspace whose commands are told to control as a proxy does.
struct Dev<'a> {
    control: &'a Running,
    database: Database,
    sent: u32,
}

impl Dev<'_> {
    /// Runs a command and tells of it; gives the version.
    async fn run(&mut self, text: &str) -> String {
        let command: mongodb::bson::Document = serde_json::from_str(text).unwrap();
        let name = command.keys().next().unwrap().clone();
        let of = match name.as_str() {
            "renameCollection" => self.database.client().database("admin"),
            _ => self.database.clone(),
        };
        of.run_command(command).await.unwrap();
        self.tell(&name, text).await
    }

    async fn tell(&mut self, tag: &str, text: &str) -> String {
        self.sent += 1;
        let capture = json!({
            "id": format!("s:{}", self.sent), "database": self.database.name(), "pid": 1,
            "user": self.database.name(), "statements": [{"text": text, "tag": tag}],
        });
        let sent = self.control.as_proxy(Method::POST, CAPTURES_PATH);
        let sealed = expect(sent.json(&capture).send().await.unwrap(), 200).await;
        sealed["version"].as_str().unwrap().to_owned()
    }
}

async fn pending(control: &Running, workspace: &str) -> Vec<(String, String)> {
    let diff = get(control, &format!("/v1/workspaces/{workspace}/diff")).await;
    let items = diff["pending"].as_array().unwrap().iter();
    let text = |item: &Value, key: &str| item[key].as_str().unwrap().to_owned();
    items
        .map(|item| (text(item, "ddl"), text(item, "origin")))
        .collect()
}

async fn deploy(control: &Running, blueprint: &str) -> Value {
    let body = json!({"blueprint": blueprint, "all": true});
    let made = expect(control.post("/v1/deployments", body).await, 202).await;
    let path = format!("/v1/deployments/{}", made["id"].as_str().unwrap());
    let mut ended = Value::Null;
    until("the deployment ends", async || {
        ended = get(control, &path).await;
        ended["finished_at"].is_string()
    })
    .await;
    ended
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tenant_gets_a_login_whose_verifier_the_proxies_are_told() {
    let server = Server::start().await;
    let control = with_server(&server).await;
    let made = workspace(&control, "a").await;
    assert!(is_let_in(&server, &made["connection_string"]).await);
    let acme = tenant(&control, "acme", "a").await;
    let first = acme["connection_string"].clone();
    assert!(is_let_in(&server, &first).await);
    let routed = route(&control, "a__acme").await.unwrap();
    let verifier = routed["logins"][0]["verifier"].as_str().unwrap();
    assert!(verifier.starts_with("SCRAM-SHA-256$15000:"), "{verifier}");
    assert_eq!(routed["server"]["mongo"]["topology"], "replica_set");
    assert!(routed["server"]["version"].is_string());

    let rotate = "/v1/credentials/a__acme/rotate";
    let rotated = control.request(Method::POST, rotate).send().await.unwrap();
    let rotated = expect(rotated, 200).await;
    assert!(!is_let_in(&server, &first).await);
    assert!(is_let_in(&server, &rotated["connection_string"]).await);
    let again = route(&control, "a__acme").await.unwrap();
    assert_ne!(again["logins"][0]["verifier"], verifier);
    let generation = |route: &Value| route["logins"][0]["generation"].as_u64().unwrap();
    assert_eq!(generation(&again), generation(&routed) + 1);
    for (path, does) in [("suspend", false), ("resume", true)] {
        let path = format!("/v1/tenants/acme/{path}");
        let answer = control.request(Method::POST, &path).send().await.unwrap();
        expect(answer, 200).await;
        let database = login(&server, &rotated["connection_string"]);
        let found = database.run_command(doc! {"find": "x"}).await;
        assert_eq!(found.is_ok(), does, "{path}");
    }
    let deleted = control.request(Method::DELETE, "/v1/tenants/acme");
    expect(deleted.send().await.unwrap(), 202).await;
    until("the user is gone", async || {
        !is_let_in(&server, &rotated["connection_string"]).await
    })
    .await;
    // The next of that name has a login that none before it could be taken for.
    until("the name is free", async || {
        control.get("/v1/tenants/acme").await.status() == 404
    })
    .await;
    tenant(&control, "acme", "a").await;
    let next = route(&control, "a__acme").await.unwrap();
    assert!(generation(&next) > generation(&again));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn captured_commands_are_deployed_and_what_nobody_told_is_inferred() {
    let server = Server::start().await;
    let control = with_server(&server).await;
    let made = workspace(&control, "b").await;
    let mut dev = Dev {
        control: &control,
        database: login(&server, &made["connection_string"]),
        sent: 0,
    };
    let acme = tenant(&control, "acme", "b").await;
    let texts = [
        r#"{"create":"users"}"#,
        concat!(
            r#"{"createIndexes":"users","indexes":[{"key":{"email":{"$numberInt":"1"}},"#,
            r#""name":"email_1","unique":true}]}"#
        ),
        r#"{"collMod":"users","validator":{"email":{"$exists":true}}}"#,
    ];
    for (ordinal, text) in (1..).zip(texts) {
        assert_eq!(dev.run(text).await, format!("1.{ordinal}"), "{text}");
    }
    // Past the proxy.
    let past = doc! {"create": "log", "capped": true, "size": 4096};
    dev.database.run_command(past).await.unwrap();
    let mut expected: Vec<(String, String)> = texts
        .iter()
        .map(|text| ((*text).to_owned(), "wire".to_owned()))
        .collect();
    expected.push((
        r#"{"create":"log","capped":true,"size":{"$numberInt":"4096"}}"#.to_owned(),
        "inferred".to_owned(),
    ));
    assert_eq!(pending(&control, "b").await, expected);
    let ended = deploy(&control, "b").await;
    assert_eq!(ended["status"], "completed", "{ended}");
    let provisioner = server.provisioner();
    let workspace = provisioner.fingerprint("b_dev").await.unwrap();
    assert_eq!(provisioner.fingerprint("b__acme").await.unwrap(), workspace);
    tenant(&control, "born", "b").await;
    assert_eq!(provisioner.fingerprint("b__born").await.unwrap(), workspace);
    let acme = login(&server, &acme["connection_string"]);
    let users = acme.collection("users");
    users.insert_one(doc! {"name": "a"}).await.unwrap_err();
    users.insert_one(doc! {"email": "a"}).await.unwrap();
    assert!(pending(&control, "b").await.is_empty());
}
