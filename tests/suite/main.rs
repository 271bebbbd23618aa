//! One module for each promise. Each test starts what it needs and shares nothing with another.

#![allow(
    clippy::disallowed_methods,
    clippy::panic,
    clippy::unwrap_used,
    reason = "tests are no async programs, and fail by panicking"
)]

mod clients;
mod ddl_capture;
mod deploy;
mod drain;
mod drift;
mod dump;
mod errors;
mod health;
mod isolation;
mod mongo;
mod mysql;
mod outage;
mod pool;
mod readme;
mod redis;
mod secrets;
mod tidy;
