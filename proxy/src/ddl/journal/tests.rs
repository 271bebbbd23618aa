use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::sync::mpsc as std_mpsc;
use std::sync::{Mutex, MutexGuard};

use proptest::prelude::*;
use tenantsdb_codecs::feed::capture::{CapturedStatement, Outcome};
use tokio::task::{JoinHandle, JoinSet, yield_now};

use super::*;

fn capture(id: &str, texts: &[&str]) -> Capture {
    let statement = |text: &&str| CapturedStatement {
        text: (*text).to_owned(),
        ..CapturedStatement::default()
    };
    Capture {
        id: id.to_owned(),
        database: "myapp_dev".to_owned(),
        pid: 7,
        user: "myapp_dev".to_owned(),
        application_name: "mysql".to_owned(),
        statements: texts.iter().map(statement).collect(),
        context: Some(tenantsdb_codecs::feed::capture::Context::default()),
    }
}

fn unknown(mut capture: Capture) -> Capture {
    for statement in &mut capture.statements {
        statement.outcome = Outcome::Unknown;
    }
    capture
}

/// A file in memory, which fails when it is told to.
#[derive(Clone, Debug, Default)]
struct Disk(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    content: Vec<u8>,
    syncs: usize,
    replaced: usize,
    failing: Vec<Failing>,
    /// Each synchronisation waits for one message.
    gate: Option<std_mpsc::Receiver<()>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Failing {
    /// Half of it is written.
    Append,
    Sync,
    Replace,
    Clear,
}

impl Disk {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    fn fail(&self, failing: &[Failing]) {
        self.state().failing = failing.to_vec();
    }

    fn check(&self, what: Failing) -> io::Result<()> {
        if self.state().failing.contains(&what) {
            return Err(io::Error::from(io::ErrorKind::StorageFull));
        }
        Ok(())
    }

    /// What a restart would find.
    fn recovered(&self) -> Vec<Capture> {
        recovered(&self.state().content)
    }
}

fn recovered(bytes: &[u8]) -> Vec<Capture> {
    let recovered = Table::recover(bytes);
    assert_eq!(recovered.damaged, 0);
    recovered.table.captures().unwrap()
}

impl File for Disk {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        let failed = self.check(Failing::Append);
        let end = if failed.is_ok() {
            bytes.len()
        } else {
            bytes.len() / 2
        };
        self.state().content.extend_from_slice(&bytes[..end]);
        failed
    }

    fn sync(&mut self) -> io::Result<()> {
        let gate = self.state().gate.take();
        if let Some(gate) = gate {
            gate.recv().unwrap();
            self.state().gate = Some(gate);
        }
        self.state().syncs += 1;
        self.check(Failing::Sync)
    }

    fn replace(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.check(Failing::Replace)?;
        let mut state = self.state();
        state.replaced += 1;
        state.content = bytes.to_vec();
        Ok(())
    }

    fn clear(&mut self) -> io::Result<()> {
        self.check(Failing::Clear)?;
        self.state().content.clear();
        Ok(())
    }

    fn len(&self) -> u64 {
        self.state().content.len() as u64
    }
}

/// A journal on such a file. The task ends with the last handle.
fn on_disk() -> (Disk, Journal, JoinHandle<()>) {
    with_room(ROOM)
}

fn with_room(room: Room) -> (Disk, Journal, JoinHandle<()>) {
    let disk = Disk::default();
    let (journal, keeper) = start(Box::new(disk.clone()), Table::default(), room).unwrap();
    (disk, journal, tokio::spawn(keeper.run()))
}

/// Waits until the task has done what nobody is told of.
async fn until(done: impl Fn() -> bool) {
    timeout(Duration::from_secs(10), async {
        while !done() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    })
    .await
    .expect("it is done at some time");
}

fn is_io(result: Result<(), JournalError>) -> bool {
    matches!(result, Err(JournalError::Io(error)) if error.kind() == io::ErrorKind::StorageFull)
}

#[tokio::test]
async fn what_was_acknowledged_is_found_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path().join("journal");
    let (journal, keeper, left_over) = open(&dir).unwrap();
    assert!(left_over.is_empty());
    let keeper = tokio::spawn(keeper.run());
    let intended = capture(
        "s:1",
        &["CREATE TABLE `a` (b INT)", "CALL p('\"\\\n\u{0}é')"],
    );
    journal.intend(&intended).await.unwrap();
    journal
        .intend(&capture("s:2", &["DROP TABLE a"]))
        .await
        .unwrap();
    let settled = capture("s:2", &["DROP TABLE a"]);
    journal.settle(&settled).await.unwrap();
    journal.intend(&capture("s:3", &["x"])).await.unwrap();
    journal.settle(&capture("s:3", &[])).await.unwrap();
    journal.intend(&capture("s:4", &["y"])).await.unwrap();
    journal.settle(&capture("s:4", &["y"])).await.unwrap();
    journal.delivered("s:4");
    drop(journal);
    keeper.await.unwrap();

    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&dir), 0o700);
    assert_eq!(mode(&dir.join("captures.jsonl")), 0o600);

    for _ in 0..2 {
        // What is not delivered stays, however often the process starts.
        let (_journal, _keeper, left_over) = open(&dir).unwrap();
        assert_eq!(left_over, [unknown(intended.clone()), settled.clone()]);
        assert_eq!(mode(&dir.join("captures.jsonl")), 0o600);
    }

    let (journal, keeper, _) = open(&dir).unwrap();
    let keeper = tokio::spawn(keeper.run());
    journal.delivered("s:1");
    journal.delivered("s:2");
    journal.delivered("nobody's");
    let file = dir.join("captures.jsonl");
    until(|| fs::metadata(&file).unwrap().len() == 0).await;
    drop(journal);
    keeper.await.unwrap();
    assert!(open(&dir).unwrap().2.is_empty());
}

#[tokio::test]
async fn a_kill_at_any_byte_loses_nothing_that_was_acknowledged() {
    let (disk, journal, _keeper) = on_disk();
    // The length of the file when something was acknowledged, and what must be found from then on.
    let mut acknowledged = vec![(0, Vec::new())];
    let (first, second) = (
        capture("s:1", &["CREATE TABLE a"]),
        capture("t:1", &["CALL p()"]),
    );
    let mut settled = second.clone();
    settled.statements[0].outcome = Outcome::Unknown;
    settled.statements[0].warnings = 3;
    let third = capture("s:2", &["DROP VIEW `é`", "DROP TABLE b"]);

    journal.intend(&first).await.unwrap();
    let expected = vec![unknown(first.clone())];
    acknowledged.push((disk.len(), expected));
    journal.intend(&second).await.unwrap();
    let expected = vec![unknown(first.clone()), unknown(second.clone())];
    acknowledged.push((disk.len(), expected));
    journal.settle(&settled).await.unwrap();
    let expected = vec![unknown(first.clone()), settled.clone()];
    acknowledged.push((disk.len(), expected));
    journal.settle(&capture("s:1", &[])).await.unwrap();
    acknowledged.push((disk.len(), vec![settled.clone()]));
    journal.intend(&third).await.unwrap();
    let expected = vec![settled.clone(), unknown(third.clone())];
    acknowledged.push((disk.len(), expected));
    journal.settle(&third).await.unwrap();
    acknowledged.push((disk.len(), vec![settled.clone(), third.clone()]));
    let length = disk.len();
    journal.delivered("t:1");
    until(|| disk.len() > length).await;
    acknowledged.push((disk.len(), vec![third.clone()]));

    let content = disk.state().content.clone();
    for length in 0..=content.len() {
        let until_now = acknowledged.iter().rev();
        let (_, expected) = until_now
            .clone()
            .find(|(at, _)| *at <= length as u64)
            .unwrap();
        assert_eq!(&recovered(&content[..length]), expected, "cut at {length}");
    }
}

#[test]
fn a_torn_end_is_forgotten_and_a_hole_is_kept_for_a_person() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("captures.jsonl");
    let line = |capture: &Capture| Line::encode(&Entry::Settled(Cow::Borrowed(capture))).unwrap();
    let (one, two) = (capture("s:1", &["a"]), capture("s:2", &["b"]));
    let (first, second) = (line(&one).bytes, line(&two).bytes);

    for torn in [
        &second[..second.len() - 1],
        &b"\0\0\0\0\n"[..],
        b"{\"check\":\"\n{\n",
    ] {
        fs::write(&file, [&first, torn].concat()).unwrap();
        let (_journal, _keeper, left_over) = open(dir.path()).unwrap();
        assert_eq!(left_over, std::slice::from_ref(&one));
        assert_eq!(fs::read(&file).unwrap(), first, "the next line begins anew");
        assert!(!dir.path().join("captures.jsonl.damaged").exists());
    }
    for at in 0..first.len() - 1 {
        let mut changed = first.clone();
        changed[at] ^= 1;
        let found = Table::recover(&[&changed[..], &second].concat());
        assert!(found.damaged > 0, "{at}");
        assert_eq!(found.table.captures().unwrap(), std::slice::from_ref(&two));
    }
    let mut changed = first.clone();
    changed[40] ^= 1;
    let damaged = [&changed[..], &second].concat();
    fs::write(&file, &damaged).unwrap();
    let (_journal, _keeper, left_over) = open(dir.path()).unwrap();
    assert_eq!(left_over, [two]);
    let kept = dir.path().join("captures.jsonl.damaged");
    assert_eq!(fs::read(kept).unwrap(), damaged);
}

#[tokio::test]
async fn many_sessions_share_one_synchronisation() {
    let (disk, journal, _keeper) = on_disk();
    let (open_gate, gate) = std_mpsc::channel();
    disk.state().gate = Some(gate);
    let mut sessions = JoinSet::new();
    for n in 0..100 {
        let journal = journal.clone();
        sessions.spawn(async move {
            journal
                .intend(&capture(&format!("s:{n}"), &["x"]))
                .await
                .unwrap();
        });
    }
    for _ in 0..200 {
        yield_now().await;
    }
    for _ in 0..3 {
        open_gate.send(()).unwrap();
    }
    sessions.join_all().await;
    assert!(disk.state().syncs <= 3, "{}", disk.state().syncs);
    assert_eq!(disk.recovered().len(), 100);
}

#[tokio::test]
async fn an_intent_that_cannot_be_written_is_refused_and_gone() {
    for failing in [
        &[Failing::Append][..],
        &[Failing::Sync],
        &[Failing::Append, Failing::Replace],
        &[Failing::Sync, Failing::Replace],
    ] {
        let (disk, journal, _keeper) = on_disk();
        let first = capture("s:1", &["a"]);
        journal.intend(&first).await.unwrap();
        disk.fail(failing);
        for n in 2..5 {
            let refused = capture(&format!("s:{n}"), &["b"]);
            assert!(is_io(journal.intend(&refused).await), "{failing:?}");
        }
        // Whatever half lines are there, what was acknowledged is, too.
        assert_eq!(Table::recover(&disk.state().content).damaged, 0);
        assert_eq!(disk.recovered()[0], unknown(first.clone()));
        disk.fail(&[]);
        let last = capture("s:9", &["c"]);
        journal.intend(&last).await.unwrap();
        assert_eq!(disk.recovered(), [unknown(first), unknown(last)]);
    }
}

#[tokio::test]
async fn what_has_happened_is_written_as_soon_as_the_disk_takes_it() {
    let (disk, journal, _keeper) = on_disk();
    let first = capture("s:1", &["a"]);
    journal.intend(&first).await.unwrap();
    journal.intend(&capture("s:2", &["b"])).await.unwrap();
    journal.intend(&capture("s:3", &["c"])).await.unwrap();
    disk.fail(&[Failing::Append]);
    assert!(is_io(journal.settle(&first).await));
    assert!(is_io(journal.settle(&capture("s:2", &[])).await));
    journal.delivered("s:3");
    assert_eq!(disk.recovered().len(), 3, "after a crash nobody knows");
    disk.fail(&[]);
    journal.intend(&capture("s:4", &["d"])).await.unwrap();
    journal.settle(&capture("s:4", &[])).await.unwrap();
    // The task has seen the delivery by then.
    assert_eq!(disk.recovered(), [first]);
}

#[tokio::test]
async fn an_intent_that_nobody_waits_for_is_taken_back() {
    let (disk, journal, _keeper) = on_disk();
    let (open_gate, gate) = std_mpsc::channel();
    disk.state().gate = Some(gate);
    let waiting = tokio::spawn({
        let journal = journal.clone();
        async move { journal.intend(&capture("s:1", &["a"])).await }
    });
    until(|| disk.len() > 0).await;
    waiting.abort();
    assert!(waiting.await.unwrap_err().is_cancelled());
    open_gate.send(()).unwrap();
    until(|| disk.len() == 0).await;
}

#[tokio::test(start_paused = true)]
async fn a_session_waits_for_the_disk_only_so_long() {
    let (requests, _nobody_writes) = mpsc::channel(1);
    let (forgotten, _) = mpsc::unbounded_channel();
    let journal = Journal {
        requests,
        forgotten,
    };
    let started = tokio::time::Instant::now();
    for id in ["s:1", "s:2"] {
        let intended = journal.intend(&capture(id, &["a"])).await;
        assert!(matches!(intended, Err(JournalError::TimedOut)));
    }
    assert_eq!(started.elapsed(), 2 * WRITE_TIMEOUT);
}

#[tokio::test]
async fn there_is_room_for_so_many_and_no_more() {
    let (disk, journal, _keeper) = with_room(Room {
        records: 500,
        ..ROOM
    });
    let mut sessions = JoinSet::new();
    for n in 0..500 {
        let journal = journal.clone();
        sessions.spawn(async move { journal.intend(&capture(&format!("s:{n}"), &["a"])).await });
    }
    let intended = sessions.join_all().await;
    assert!(intended.into_iter().all(|intended| intended.is_ok()));
    let one_more = capture("t:1", &["a"]);
    let refused = journal.intend(&one_more).await;
    assert!(matches!(refused, Err(JournalError::Full { records: 500 })));
    // What is there already can be settled, and gives its place back.
    journal.settle(&capture("s:7", &["a"])).await.unwrap();
    journal.settle(&capture("s:8", &[])).await.unwrap();
    journal.intend(&one_more).await.unwrap();
    let refused = journal.intend(&capture("t:2", &["a"])).await;
    assert!(matches!(refused, Err(JournalError::Full { records: 500 })));
    assert_eq!(disk.recovered().len(), 500);
}

#[tokio::test]
async fn there_is_room_for_so_many_bytes_and_no_more() {
    let room = Room {
        bytes: 4096,
        ..ROOM
    };
    let (_disk, journal, _keeper) = with_room(room);
    let long = "x".repeat(1400);
    journal.intend(&capture("s:1", &[&long])).await.unwrap();
    journal.intend(&capture("s:2", &[&long])).await.unwrap();
    let refused = journal.intend(&capture("s:3", &[&long])).await;
    assert!(matches!(refused, Err(JournalError::Full { records: 2 })));
    journal.settle(&capture("s:1", &[])).await.unwrap();
    journal.intend(&capture("s:3", &[&long])).await.unwrap();
    let longer = long.repeat(3);
    let refused = journal.intend(&capture("s:4", &[&longer])).await;
    assert!(matches!(refused, Err(JournalError::TooLong)));
}

#[tokio::test]
async fn a_file_of_which_little_counts_is_written_anew() {
    let (disk, journal, _keeper) = on_disk();
    let kept = capture("s:0", &["a"]);
    journal.intend(&kept).await.unwrap();
    let long = "x".repeat(1024 * 1024);
    for n in 1..20 {
        let id = format!("s:{n}");
        journal.intend(&capture(&id, &[&long])).await.unwrap();
        journal.settle(&capture(&id, &[])).await.unwrap();
        assert!(disk.len() < 8 * 1024 * 1024, "{}", disk.len());
    }
    assert!(disk.state().replaced > 1);
    assert_eq!(disk.recovered(), [unknown(kept)]);
}

/// What may be asked for, of one of a few ids.
#[derive(Clone, Debug)]
enum Step {
    Intend(u8, String),
    Settle(u8, Vec<String>),
    Deliver(u8),
    Fail(Vec<u8>),
}

fn step() -> impl Strategy<Value = Step> {
    let text = "\\PC{0,12}";
    prop_oneof![
        (0..4_u8, text).prop_map(|(id, text)| Step::Intend(id, text)),
        (0..4_u8, prop::collection::vec(text, 0..3))
            .prop_map(|(id, texts)| Step::Settle(id, texts)),
        (0..4_u8).prop_map(Step::Deliver),
        prop::collection::vec(0..4_u8, 0..2).prop_map(Step::Fail),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// What is found is what was acknowledged, or what was asked for and failed: never less.
    #[test]
    fn what_is_found_is_what_was_acknowledged(steps in prop::collection::vec(step(), 1..30)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let (disk, journal, keeper) = on_disk();
            // Of each id what may be found; `None` is nothing.
            let mut possible: std::collections::HashMap<String, Vec<Option<Capture>>> =
                std::collections::HashMap::new();
            // An id is not used again once it is delivered.
            let mut used = [0_u32; 4];
            for step in steps {
                let name = |id: u8| format!("s:{id}:{}", used[usize::from(id)]);
                match step {
                    Step::Intend(id, text) => {
                        let wanted = capture(&name(id), &[&text]);
                        let done = journal.intend(&wanted).await.is_ok();
                        expect(&mut possible, &wanted.id, done, Some(unknown(wanted.clone())));
                    }
                    Step::Settle(id, texts) => {
                        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
                        let wanted = capture(&name(id), &texts);
                        let done = journal.settle(&wanted).await.is_ok();
                        let found = (!texts.is_empty()).then(|| wanted.clone());
                        expect(&mut possible, &wanted.id, done, found);
                    }
                    Step::Deliver(id) => {
                        journal.delivered(&name(id));
                        expect(&mut possible, &name(id), false, None);
                        used[usize::from(id)] += 1;
                    }
                    Step::Fail(failing) => {
                        let kinds = [
                            Failing::Append,
                            Failing::Sync,
                            Failing::Replace,
                            Failing::Clear,
                        ];
                        let failing: Vec<_> =
                            failing.into_iter().map(|n| kinds[usize::from(n)]).collect();
                        disk.fail(&failing);
                    }
                }
                let found = disk.recovered();
                for (id, possible) in &possible {
                    let found = found.iter().find(|capture| capture.id == *id);
                    prop_assert!(possible.contains(&found.cloned()), "{id}: {found:?}");
                }
            }
            drop(journal);
            keeper.await.unwrap();
            Ok(())
        })?;
    }
}

/// What was acknowledged replaces what was possible before; what failed may be there or not.
fn expect(
    possible: &mut std::collections::HashMap<String, Vec<Option<Capture>>>,
    id: &str,
    done: bool,
    found: Option<Capture>,
) {
    let possible = possible.entry(id.to_owned()).or_insert_with(|| vec![None]);
    if done {
        possible.clear();
    }
    possible.push(found);
}
