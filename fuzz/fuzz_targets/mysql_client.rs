//! A stream of what a client sends behind its login.
//!
//! It is walked alike wherever it is cut; a text is the end of its message; a second login, written
//! again, is read as the same; the books of the pipeline are those of a count.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tenantsdb_codecs::mysql::client::{
    ChangeUser, Command, StmtExecute, init_db, prepare_text, process_kill, query_text, statement_id,
};
use tenantsdb_codecs::mysql::flags::Capabilities;
use tenantsdb_codecs::mysql::pipeline::{Event, Pipeline};
use tenantsdb_fuzz::mysql::{check_walk, messages};

const PLAIN: Capabilities = Capabilities::PROTOCOL_41
    .union(Capabilities::SECURE_CONNECTION)
    .union(Capabilities::PLUGIN_AUTH)
    .union(Capabilities::CONNECT_ATTRS);

fuzz_target!(|data: &[u8]| {
    let starts = check_walk(data);
    for message in messages(data, &starts) {
        let body = &message.body[..];
        for capabilities in [PLAIN, PLAIN.union(Capabilities::QUERY_ATTRIBUTES)] {
            if let Ok(text) = query_text(body, capabilities) {
                assert!(body.ends_with(text) && body[0] == Command::QUERY.0);
            }
        }
        for capabilities in [PLAIN, Capabilities::NONE] {
            let Ok(change) = ChangeUser::decode(body, capabilities) else {
                continue;
            };
            let mut again = Vec::new();
            change
                .encode(capabilities, &mut again)
                .expect("it was read");
            let mut same = ChangeUser::decode(&again[4..], capabilities).expect("it was written");
            if change.plugin.is_none() {
                same.plugin = None;
            }
            assert_eq!(same, change);
        }
        if let Ok(execute) = StmtExecute::decode(body) {
            assert_eq!(statement_id(body), Ok(execute.id));
        }
        let _ = (init_db(body), process_kill(body), prepare_text(body));
    }

    // Each command that is answered by OK, and is known, is owed until then.
    let mut pipeline = Pipeline::new(PLAIN);
    let mut owed = 0_u64;
    for (_, _, _, body) in &starts {
        if pipeline.command(body).is_err() {
            assert!(body.is_empty());
        }
        let none = [Command::STMT_CLOSE, Command::STMT_SEND_LONG_DATA];
        let silent = Command::of(body).is_none_or(|command| none.contains(&command));
        if !pipeline.is_unclear() && !silent {
            owed += 1;
        }
        assert!(pipeline.owed() >= owed);
        assert!(pipeline.owed() == 0 || !pipeline.is_idle());
    }
    for _ in 0..pipeline.owed() {
        assert!(!pipeline.is_idle());
        // Ends a reply of every kind.
        let event = pipeline.reply(b"\xff\x28\x04#42000no", 11);
        assert!(matches!(
            event,
            Ok(Event::Result { last: true, .. } | Event::Part)
        ));
    }
    // One more than was asked for: never trusted again.
    let _ = pipeline.reply(b"\0\0\0\x02\0\0\0", 7);
    assert!(pipeline.is_unclear() && !pipeline.is_idle());
});
