use std::os::unix::fs::PermissionsExt as _;

use tenantsdb_codecs::feed::id::Engine;

use super::super::entry::tests::wire_route;
use super::super::entry::{Interner, Route};
use super::*;

fn table(tenants: usize) -> Routes {
    let routes = Routes::default();
    let mut servers = Interner::default();
    for n in 0..tenants {
        let route = Route::read(wire_route(&format!("t{n}"), 1), &mut servers).unwrap();
        routes.put(Arc::new(route));
    }
    routes
}

fn position(rev: u64) -> Position {
    Position {
        epoch: "e".to_owned(),
        rev,
    }
}

#[test]
fn what_is_saved_is_loaded_and_private() {
    let dir = tempfile::tempdir().unwrap();
    let data = DataDir::open(dir.path()).unwrap();
    assert!(data.load(&Routes::default()).unwrap().is_none());
    data.save(&position(7), &table(300)).unwrap();
    data.save(&position(8), &table(200)).unwrap();
    let mode = fs::metadata(dir.path().join(FILE))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);

    let routes = Routes::default();
    let follower = data.load(&routes).unwrap().unwrap();
    assert_eq!(follower.position(), Some(&position(8)));
    assert_eq!(routes.len(), 200);
    let route = routes.get(Engine::Postgres, "app__t199").unwrap();
    assert_eq!(route.to_wire(), wire_route("t199", 1));
}

#[test]
fn an_empty_table_is_a_table() {
    let dir = tempfile::tempdir().unwrap();
    let data = DataDir::open(dir.path()).unwrap();
    data.save(&position(0), &table(0)).unwrap();
    assert!(data.load(&Routes::default()).unwrap().is_some());
}

#[test]
fn a_file_that_is_not_one_whole_snapshot_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let data = DataDir::open(dir.path()).unwrap();
    data.save(&position(7), &table(3)).unwrap();
    let path = dir.path().join(FILE);
    let whole = fs::read(&path).unwrap();
    let routes = table(1);
    let refused = |bytes: &[u8]| {
        fs::write(&path, bytes).unwrap();
        let refused = data.load(&routes).is_err();
        assert_eq!(routes.len(), 1, "the table stays");
        refused
    };
    for end in 0..whole.len() {
        assert!(refused(&whole[..end]), "cut at {end} of {}", whole.len());
    }
    assert!(refused(&[whole.as_slice(), &whole].concat()));
    assert!(refused(
        &[whole.as_slice(), b"{\"mark\":{\"rev\":9}}\n"].concat()
    ));
    let broken = String::from_utf8(whole.clone())
        .unwrap()
        .replacen("SCRAM", "SCRUM", 1);
    assert!(refused(broken.as_bytes()));
    fs::write(&path, &whole).unwrap();
    assert!(data.load(&routes).is_ok());
}

#[test]
fn a_directory_belongs_to_one_process() {
    let dir = tempfile::tempdir().unwrap();
    let data = DataDir::open(dir.path()).unwrap();
    assert!(matches!(
        DataDir::open(dir.path()),
        Err(DiskError::Taken(_))
    ));
    drop(data);
    assert!(DataDir::open(dir.path()).is_ok());
}

#[tokio::test(start_paused = true)]
async fn changes_are_saved_and_marks_are_not() {
    let dir = tempfile::tempdir().unwrap();
    let data = Arc::new(DataDir::open(dir.path()).unwrap());
    let routes = Arc::new(table(1));
    let (published, positions) = watch::channel(None);
    let keeping = tokio::spawn(keep(Arc::clone(&data), Arc::clone(&routes), positions));

    published.send_replace(Some(position(3)));
    sleep(3 * DEBOUNCE).await;
    assert!(
        !dir.path().join(FILE).exists(),
        "nothing has changed since it was loaded"
    );

    routes.replace_all(table(2).all().collect());
    published.send_replace(Some(position(4)));
    while !dir.path().join(FILE).exists() {
        sleep(DEBOUNCE).await;
    }
    drop(published);
    keeping.await.unwrap();
    let loaded = Routes::default();
    let follower = data.load(&loaded).unwrap().unwrap();
    assert_eq!((loaded.len(), follower.position()), (2, Some(&position(4))));
}
