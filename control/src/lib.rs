//! The control plane of TenantsDB: who has which database on which server, at which version of its
//! blueprint, and what every proxy must know about it.
//!
//! A request goes `api` (HTTP, JSON, problems) → `app` (the rules) → `store` (what is so) and
//! `provision` (making it so on the database servers) → `feed` (telling the proxies). Each resource
//! has the same name in every layer. `client` and `cli` are the other end of the REST API.

#![forbid(unsafe_code)]

pub mod daemon;
pub mod init;

pub mod config;
pub mod context;
pub mod error;
pub mod name;
pub mod secret;

pub(crate) mod api;
pub(crate) mod app;
pub mod blueprint;
pub(crate) mod deploy;
pub(crate) mod feed;
pub(crate) mod metrics;
pub mod provision;
pub(crate) mod store;

pub mod cli;
pub mod client;
