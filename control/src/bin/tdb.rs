//! `tdb`: reads its arguments and environment, and leaves the rest to `cli`.

use std::io;
use std::process::ExitCode;

use tenantsdb_control::cli::{self, Environment, Streams};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let streams = Streams {
        input: &mut io::stdin().lock(),
        out: &mut io::stdout().lock(),
        err: &mut io::stderr(),
    };
    cli::run(std::env::args_os(), Environment::of_process(), streams)
        .await
        .into()
}
