//! Proving that a client is who it says: from verifiers that routes carry
//! ([`crate::route::Login`]), and, for names that do not exist, from ones that look the same from
//! outside ([`Mock`]).

mod mock;
pub mod redis;
pub mod rsa;

pub use mock::Mock;
