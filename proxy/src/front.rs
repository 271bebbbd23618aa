//! The client side: one module for each protocol that clients speak.

pub mod postgres;
