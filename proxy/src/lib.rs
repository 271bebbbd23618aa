//! The data plane of TenantsDB: the one address that applications know.
//!
//! In the order in which a connection meets them: [`listener`] accepts; the process's parts come in
//! its [`context`] and its [`core`]; [`front`] is the client's side of the way: [`limits`] gives it
//! a place, [`tls`] protects it, [`route`] knows where its database lives, [`auth`] what it must
//! prove. [`pool`] finds or makes a server connection, and a relay moves bytes until the end.
//! [`cancel`] knows what its cancel key means, [`ddl`] takes what a workspace session changed to
//! [`control`], [`walk`] finds what a Redis tenant asks about its names. [`server`] starts and ends
//! it all.

pub mod config;
pub mod server;

pub mod context;
pub mod core;
pub mod listener;

mod backoff;
#[cfg(test)]
mod fake;
pub mod front;
mod inbox;
mod nonce;
mod session;
mod stream;

pub mod limits;
pub mod tls;

pub mod auth;
pub mod route;

mod back;
pub mod pool;

pub mod cancel;
pub mod ddl;
mod relay;
mod walk;

pub mod admin;
pub mod control;
pub mod drain;
pub mod fault;
pub mod metrics;
