//! The data plane of TenantsDB: the one address that applications know.
//!
//! In the order in which a connection meets them: [`listener`] accepts; the process's parts come in
//! its [`context`] and its [`core`]; [`limits`] gives it a place, [`tls`] protects it, [`route`] knows
//! where its database lives, [`auth`] what it must prove. [`ddl`] takes what a workspace session
//! changed to [`control`]. [`server`] starts and ends it all.

pub mod config;

pub mod auth;
pub mod control;
pub mod ddl;
pub mod drain;
pub mod fault;
pub mod limits;
pub mod metrics;
pub mod route;
pub mod tls;
