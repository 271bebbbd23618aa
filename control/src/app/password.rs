//! Passwords of logins: made here, shown once, kept as verifiers.

use tenantsdb_codecs::scram::Verifier;
use tenantsdb_codecs::secret::Secret;

use crate::error::Result;
use crate::secret::{new_password, random_bytes};

/// PostgreSQL's own default (`scram_iterations`). The password has 256 random bits, so more rounds
/// would protect nothing and cost every login.
const ITERATIONS: u32 = 4096;
/// PostgreSQL's own default (`SCRAM_DEFAULT_SALT_LEN`).
const SALT_BYTES: usize = 16;

/// A new password and what may be stored of it.
pub(crate) struct NewPassword {
    pub(crate) password: Secret<String>,
    /// In PostgreSQL's form, which the server keeps byte for byte.
    pub(crate) verifier: String,
}

/// Makes a password.
pub(crate) fn new() -> Result<NewPassword> {
    let password = new_password()?;
    let salt = random_bytes::<SALT_BYTES>()?;
    let verifier = Verifier::derive(password.expose().as_bytes(), &salt, ITERATIONS);
    Ok(NewPassword {
        verifier: verifier.to_string(),
        password,
    })
}
