use std::sync::Mutex;

use super::*;

/// A server whose attempts end as was written down: with a version more or not, and an error.
struct Scripted(Mutex<Vec<(bool, Option<Stop<Told>>)>>);

struct Told {
    error: Error,
    passes: bool,
}

impl From<Error> for Told {
    fn from(error: Error) -> Self {
        let passes = false;
        Self { error, passes }
    }
}

impl From<Told> for Error {
    fn from(told: Told) -> Self {
        told.error
    }
}

impl Passing for Told {
    fn passes(&self) -> bool {
        self.passes
    }
}

impl Steps for Scripted {
    type Fault = Told;

    async fn attempt(
        &self,
        _: &Apply<'_>,
        progress: &mut Progress,
        _: Option<&mut Vec<Found>>,
    ) -> Result<(), Stop<Told>> {
        let mut attempts = self.0.lock().unwrap();
        let (advances, ended) = attempts.pop().expect("it was tried too often");
        progress.from.get_or_insert(0);
        progress.steps += u64::from(advances);
        match ended {
            Some(stop) => Err(stop),
            None => Ok(()),
        }
    }
}

fn passing() -> Stop<Told> {
    let error = Error::Server {
        sqlstate: "40001".to_owned(),
        message: "again".to_owned(),
    };
    let passes = true;
    Told { error, passes }.into()
}

/// Applies; gives what came of it, and how many attempts are left.
async fn applied(attempts: Vec<(bool, Option<Stop<Told>>)>) -> (Result<Applied, Failure>, usize) {
    let mut attempts = attempts;
    attempts.reverse();
    let server = Scripted(Mutex::new(attempts));
    let apply = Apply {
        database: "a__t",
        blueprint: "a",
        versions: &[],
        application_name: "",
        lock_timeout: Duration::ZERO,
        statement_timeout: Duration::ZERO,
        known: 0,
        begun: 0,
        online: false,
    };
    let applied = apply_recording(&server, apply, None).await;
    let left = server.0.lock().unwrap().len();
    (applied, left)
}

#[tokio::test(start_paused = true)]
async fn what_passes_is_tried_again_as_long_as_there_is_progress() {
    let stuck = usize::try_from(ATTEMPTS_MAX - 1).unwrap();
    let fails = |count: usize| {
        let failed = (0..count).map(|at| (at == stuck, Some(passing())));
        failed.chain([(false, None)]).collect()
    };
    // The attempt with progress is the first of the second row of them.
    let (ended, left) = applied(fails(2 * stuck + 1)).await;
    let failure = ended.unwrap_err();
    assert_eq!(failure.sqlstate.as_deref(), Some("40001"));
    assert_eq!((failure.from, left), (Some(0), 1));
    let (ended, left) = applied(fails(2 * stuck)).await;
    assert_eq!((ended.unwrap(), left), (Applied { from: 0, to: 0 }, 0));
}

#[tokio::test(start_paused = true)]
async fn what_does_not_pass_and_what_needs_a_person_is_not_tried_again() {
    let never = || -> Stop<Told> { refused::<Told>("no".to_owned()).within("create") };
    let person = || Stop {
        needs_attention: true,
        ..passing()
    };
    for (stop, needs_attention) in [(never(), false), (person(), true)] {
        let (ended, left) = applied(vec![(false, Some(stop)), (false, None)]).await;
        let failure = ended.unwrap_err();
        assert_eq!((failure.needs_attention, left), (needs_attention, 1));
    }
    let (ended, _) = applied(vec![(false, Some(never()))]).await;
    let failure = ended.unwrap_err();
    assert_eq!(failure.statement.as_deref(), Some("create"));
    assert_eq!((failure.sqlstate, failure.message), (None, "no".to_owned()));
}

#[test]
fn the_next_version_follows_the_last() {
    assert!(check_next::<Told>(3, 4).is_ok());
    for next in [3, 5] {
        let stop = check_next::<Told>(3, next).unwrap_err();
        assert!(stop.fault.error.to_string().contains("is at 1.3"));
    }
}
