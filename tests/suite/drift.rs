//! What a tenant's database has that no version put there is shown, and is no failure.

use tenantsdb_tests::Fleet;

#[test]
fn what_differs_from_the_version_is_named() {
    let fleet = Fleet::start("drift", 1);
    fleet
        .workspace("myapp")
        .psql("CREATE TABLE users (id int)")
        .ok();
    let tenant = fleet.tenant("myapp", "acme");
    let drift = || fleet.tdb.run(&["tenants", "drift", "acme"]).out();
    assert_eq!(drift(), "myapp__acme is as version 1.1 says.");
    let mut admin = fleet.server.admin(&tenant.name);
    admin
        .batch_execute("CREATE TABLE strays (id int); ALTER TABLE users ADD COLUMN stray int")
        .unwrap();
    let drift = drift();
    for name in ["strays", "users"] {
        assert!(drift.contains(name), "{drift}");
    }
    assert!(drift.contains("different  "), "{drift}");
}
