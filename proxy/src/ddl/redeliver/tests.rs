use std::collections::VecDeque;

use tokio::sync::Notify;

use super::*;
use crate::ddl::journal;

fn capture(id: &str, database: &str) -> Capture {
    Capture {
        id: id.to_owned(),
        database: database.to_owned(),
        pid: 1,
        user: database.to_owned(),
        application_name: String::new(),
        statements: Vec::new(),
        context: None,
    }
}

/// Control, with what it is going to say to the captures of a workspace.
#[derive(Clone, Debug, Default)]
struct Control(Arc<Mutex<Said>>, Arc<Notify>);

#[derive(Debug, Default)]
struct Said {
    refusals: HashMap<String, VecDeque<Refusal>>,
    offered: Vec<String>,
    taken: Vec<String>,
}

impl Control {
    fn refuse(&self, database: &str, refusals: impl IntoIterator<Item = Refusal>) {
        let mut said = self.0.lock().unwrap();
        let queue = said.refusals.entry(database.to_owned()).or_default();
        queue.extend(refusals);
    }

    async fn until_taken(&self, count: usize) -> Vec<String> {
        loop {
            let notified = self.1.notified();
            let taken = self.0.lock().unwrap().taken.clone();
            if taken.len() >= count {
                return taken;
            }
            notified.await;
        }
    }

    fn offered(&self) -> Vec<String> {
        self.0.lock().unwrap().offered.clone()
    }
}

impl Recipient for Control {
    async fn take(&self, capture: &Capture) -> Result<(), Refusal> {
        let mut said = self.0.lock().unwrap();
        said.offered.push(capture.id.clone());
        let refusals = said.refusals.get_mut(&capture.database);
        if let Some(refusal) = refusals.and_then(VecDeque::pop_front) {
            return Err(refusal);
        }
        said.taken.push(capture.id.clone());
        self.1.notify_waiters();
        Ok(())
    }
}

fn not_now() -> Refusal {
    Refusal::NotNow("control answered 503".to_owned())
}

fn unreachable() -> Refusal {
    Refusal::Unreachable("connection refused".to_owned())
}

/// A journal that nobody writes: deliveries need none.
fn journal() -> (tempfile::TempDir, Journal) {
    let dir = tempfile::tempdir().unwrap();
    let (journal, _keeper, _) = journal::open(dir.path()).unwrap();
    (dir, journal)
}

#[tokio::test(start_paused = true)]
async fn captures_are_offered_in_order_until_they_are_taken() {
    let (_dir, journal) = journal();
    let control = Control::default();
    control.refuse("a", std::iter::repeat_n(unreachable(), 3));
    let (undelivered, redelivery) = channel(vec![capture("1", "a"), capture("2", "a")]);
    assert!(undelivered.waits("a") && !undelivered.waits("b"));
    undelivered.add(capture("3", "b"));
    assert!(undelivered.waits("b"));
    let task = tokio::spawn(redelivery.run(control.clone(), journal));
    assert_eq!(control.until_taken(3).await, ["1", "2", "3"]);
    assert_eq!(control.offered(), ["1", "1", "1", "1", "2", "3"]);
    undelivered.add(capture("4", "a"));
    assert_eq!(control.until_taken(4).await, ["1", "2", "3", "4"]);
    drop(undelivered);
    task.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_workspace_that_is_refused_holds_up_no_other() {
    let (_dir, journal) = journal();
    let control = Control::default();
    control.refuse("a", std::iter::repeat_n(not_now(), 2));
    let left_over = vec![
        capture("1", "a"),
        capture("2", "b"),
        capture("3", "a"),
        capture("4", "b"),
    ];
    let (undelivered, redelivery) = channel(left_over);
    let task = tokio::spawn(redelivery.run(control.clone(), journal));
    assert_eq!(control.until_taken(4).await, ["2", "4", "1", "3"]);
    drop(undelivered);
    task.await.unwrap();
    assert_eq!(control.offered(), ["1", "2", "4", "1", "1", "3"]);
}

#[tokio::test(start_paused = true)]
async fn what_control_will_never_take_is_dropped() {
    let (_dir, journal) = journal();
    let control = Control::default();
    control.refuse("a", [Refusal::Never("control answered 404".to_owned())]);
    let (undelivered, redelivery) = channel(vec![capture("1", "a"), capture("2", "b")]);
    let task = tokio::spawn(redelivery.run(control.clone(), journal));
    assert_eq!(control.until_taken(1).await, ["2"]);
    assert!(!undelivered.waits("a") && !undelivered.waits("b"));
    drop(undelivered);
    task.await.unwrap();
    assert_eq!(control.offered(), ["1", "2"]);
}

#[tokio::test]
async fn what_is_delivered_is_forgotten_by_the_journal() {
    let dir = tempfile::tempdir().unwrap();
    let mut statement = capture("1", "a");
    statement.statements.push(Default::default());
    let (journal, keeper, _) = journal::open(dir.path()).unwrap();
    let keeping = tokio::spawn(keeper.run());
    journal.intend(&statement).await.unwrap();
    drop(journal);
    keeping.await.unwrap();

    let (journal, keeper, left_over) = journal::open(dir.path()).unwrap();
    assert_eq!(left_over.len(), 1);
    let keeping = tokio::spawn(keeper.run());
    let (undelivered, redelivery) = channel(left_over);
    drop(undelivered);
    redelivery.run(Control::default(), journal).await;
    keeping.await.unwrap();
    assert!(journal::open(dir.path()).unwrap().2.is_empty());
}

#[test]
fn answers_of_control_say_what_to_do() {
    let status = |code| refusal(&ControlError::Status(code));
    assert!(matches!(status(StatusCode::NOT_FOUND), Refusal::Never(_)));
    assert!(matches!(status(StatusCode::BAD_REQUEST), Refusal::Never(_)));
    assert!(matches!(status(StatusCode::CONFLICT), Refusal::NotNow(_)));
    assert!(matches!(
        status(StatusCode::INTERNAL_SERVER_ERROR),
        Refusal::NotNow(_)
    ));
    for error in [ControlError::TimedOut, ControlError::Unauthorized] {
        assert!(matches!(refusal(&error), Refusal::Unreachable(_)));
    }
}

#[test]
fn pauses_grow_up_to_a_limit() {
    let mut backoff = Backoff::new(BACKOFF);
    let mut longest = BACKOFF.0;
    for _ in 0..20 {
        let pause = backoff.next();
        assert!(pause >= longest / 2 && pause <= longest, "{pause:?}");
        longest = BACKOFF.1.min(2 * longest);
    }
    assert_eq!(longest, BACKOFF.1);
    backoff.reset();
    assert!(backoff.next() <= BACKOFF.0);
}
