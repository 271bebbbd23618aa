//! What Redis says about the bytes that pass.
//!
//! - [`splice`] says nothing: it passes what comes.

pub(crate) mod splice;
