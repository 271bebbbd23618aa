use proptest::prelude::*;

use super::*;
use TransactionStatus::{Failed, Idle, InTransaction};

fn sent(tags: &[u8]) -> Pipeline {
    let mut pipeline = Pipeline::new();
    for tag in tags {
        pipeline.client_sent(*tag);
    }
    pipeline
}

#[test]
fn a_new_pipeline_is_idle() {
    let pipeline = Pipeline::new();
    assert!(pipeline.is_idle());
    assert_eq!((pipeline.owed(), pipeline.status()), (0, Idle));
}

#[test]
fn query_function_call_and_sync_are_answered_once_each() {
    for (tags, owed) in [
        (&b"Q"[..], 1),
        (b"F", 1),
        (b"S", 1),
        (b"QQQ", 3),
        (b"PBDES", 1),
    ] {
        let mut pipeline = sent(tags);
        for left in (0..owed).rev() {
            assert!(!pipeline.is_idle());
            pipeline.server_ready(Idle);
            assert_eq!(pipeline.owed(), left);
        }
        assert!(pipeline.is_idle());
    }
}

// A server was given back at the first ReadyForQuery of a pipelined batch (supavisor#1061).
#[test]
fn the_first_of_several_replies_is_not_the_end() {
    let mut pipeline = sent(b"PBESPBES");
    pipeline.server_ready(Idle);
    assert!(!pipeline.is_idle());
    pipeline.server_ready(Idle);
    assert!(pipeline.is_idle());
}

#[test]
fn a_batch_without_its_sync_may_be_at_work_in_a_transaction_too() {
    for (tags, at_work) in [
        (&b""[..], false),
        (b"PBEH", true),
        (b"Q", true),
        (b"?", true),
    ] {
        let mut pipeline = sent(b"Q");
        pipeline.server_ready(InTransaction);
        for tag in tags {
            pipeline.client_sent(*tag);
        }
        assert_eq!(pipeline.may_be_at_work(), at_work, "{tags:?}");
        assert!(!pipeline.is_idle());
    }
}

// A client that left between Parse and Sync left replies for the next (pg_doorman 3.3.4).
#[test]
fn a_batch_without_its_sync_is_not_idle() {
    for tags in [&b"P"[..], b"B", b"D", b"E", b"C", b"PH", b"QP"] {
        let mut pipeline = sent(tags);
        for _ in 0..pipeline.owed() {
            pipeline.server_ready(Idle);
        }
        assert!(!pipeline.is_idle());
        assert!(!pipeline.is_unclear());
        pipeline.client_sent(b'S');
        pipeline.server_ready(Idle);
        assert!(pipeline.is_idle());
    }
}

#[test]
fn an_open_transaction_is_not_idle() {
    let mut pipeline = sent(b"Q");
    pipeline.server_ready(InTransaction);
    assert!(!pipeline.is_idle());
    pipeline.client_sent(b'Q');
    pipeline.server_ready(Failed);
    assert!(!pipeline.is_idle());
    assert_eq!(pipeline.status(), Failed);
    pipeline.client_sent(b'Q');
    pipeline.server_ready(Idle);
    assert!(pipeline.is_idle());
}

#[test]
fn copy_data_belongs_to_the_query_that_asked_for_it() {
    let mut pipeline = sent(b"Qdddc");
    assert_eq!(pipeline.owed(), 1);
    pipeline.server_ready(Idle);
    assert!(pipeline.is_idle());
    // Behind a failed COPY the server skips what is still coming.
    pipeline.client_sent(b'd');
    pipeline.client_sent(b'f');
    assert!(pipeline.is_idle());
}

#[test]
fn copy_by_the_extended_protocol_is_never_idle_again() {
    let mut pipeline = sent(b"PBDESdcS");
    pipeline.server_ready(Idle);
    assert!(!pipeline.is_idle());
}

// asyncpg prepares with Flush instead of Sync.
#[test]
fn a_query_ends_an_unfinished_batch_unless_that_failed() {
    for tags in [&b"PDHQ"[..], b"PF", b"PDHQQ"] {
        let (mut answered, mut failed) = (sent(tags), sent(tags));
        for _ in 0..answered.owed() {
            assert!(!answered.is_idle());
            answered.server_ready(Idle);
        }
        assert!(answered.is_idle());
        answered.server_failed();
        assert!(!answered.is_unclear(), "all is answered by then");
        failed.server_failed();
        while failed.owed() > 0 {
            failed.server_ready(Idle);
        }
        assert!(failed.is_unclear() && !failed.is_idle());
    }
    let mut pipeline = sent(b"QPDS");
    pipeline.server_failed();
    pipeline.server_ready(Idle);
    pipeline.server_ready(Idle);
    assert!(
        pipeline.is_idle(),
        "an error in a whole batch is accounted for"
    );
}

#[test]
fn what_cannot_be_accounted_for_is_unclear_for_good() {
    for tags in [&b"X"[..], b"p", b"\0", b"R"] {
        let mut pipeline = sent(tags);
        pipeline.client_sent(b'S');
        while pipeline.owed() > 0 {
            pipeline.server_ready(Idle);
        }
        assert!(pipeline.is_unclear());
        assert!(!pipeline.is_idle());
    }
    let mut pipeline = Pipeline::new();
    pipeline.server_ready(Idle);
    assert!(!pipeline.is_idle());
    let mut pipeline = Pipeline::new();
    pipeline.give_up();
    assert!(!pipeline.is_idle());
}

proptest! {
    #[test]
    fn idle_means_that_each_request_had_its_reply(
        steps in proptest::collection::vec(
            prop_oneof![
                prop::sample::select(&b"QPBDECHSFdcfXp"[..]).prop_map(Ok),
                prop::sample::select(&[Idle, InTransaction, Failed][..]).prop_map(Err),
            ],
            0..40,
        ),
    ) {
        let mut pipeline = Pipeline::new();
        let mut unclear = false;
        let (mut requests, mut replies) = (0_i64, 0);
        for step in steps {
            match step {
                Ok(tag) => {
                    pipeline.client_sent(tag);
                    requests += i64::from(b"QSF".contains(&tag));
                }
                Err(status) => {
                    pipeline.server_ready(status);
                    replies += 1;
                }
            }
            prop_assert!(!unclear || pipeline.is_unclear());
            unclear = pipeline.is_unclear();
            if pipeline.is_idle() {
                prop_assert_eq!(requests, replies);
                prop_assert_eq!(pipeline.status(), Idle);
            }
        }
    }
}
