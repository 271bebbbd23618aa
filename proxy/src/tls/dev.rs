//! Certificates for development: a CA, and a server certificate for this machine's own names, so
//! that `sslmode=verify-full sslrootcert=ca.crt host=localhost` works.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose,
};

/// What the server certificate is valid for.
pub const NAMES: [&str; 3] = ["localhost", "127.0.0.1", "::1"];

/// Why there are no certificates.
#[derive(Debug, thiserror::Error)]
pub enum DevCertsError {
    /// A file that cannot be written; one that is there is never replaced.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: String,
        /// What is wrong with it.
        source: io::Error,
    },
    /// The library could not make them.
    #[error("making certificates: {0}")]
    Rcgen(#[from] rcgen::Error),
}

/// Writes `ca.crt`, `server.crt` and `server.key` (mode 0600) into `dir`. The CA's key is
/// forgotten: nothing else can be signed with it, so that trusting `ca.crt` is harmless.
///
/// # Errors
///
/// A file is there already or cannot be written.
pub fn write(dir: &Path) -> Result<(), DevCertsError> {
    let mut params = CertificateParams::default();
    params
        .distinguished_name
        .push(DnType::CommonName, "TenantsDB development CA");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![
        KeyUsagePurpose::KeyCertSign,
        KeyUsagePurpose::DigitalSignature,
    ];
    let ca = CertifiedIssuer::self_signed(params, KeyPair::generate()?)?;

    let mut params = CertificateParams::new(NAMES.map(str::to_owned))?;
    params
        .distinguished_name
        .push(DnType::CommonName, "TenantsDB development proxy");
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.use_authority_key_identifier_extension = true;
    let key = KeyPair::generate()?;
    let server = params.signed_by(&key, &ca)?;

    fs::create_dir_all(dir).map_err(|source| DevCertsError::Io {
        path: dir.display().to_string(),
        source,
    })?;
    // The key first: files that are there are met before anything has changed.
    create(dir, "server.key", 0o600, &key.serialize_pem())?;
    create(dir, "server.crt", 0o644, &server.pem())?;
    create(dir, "ca.crt", 0o644, &ca.pem())
}

fn create(dir: &Path, name: &str, mode: u32, text: &str) -> Result<(), DevCertsError> {
    let path = dir.join(name);
    let file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(&path);
    let written = file.and_then(|mut file| file.write_all(text.as_bytes()));
    written.map_err(|source| DevCertsError::Io {
        path: path.display().to_string(),
        source,
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn the_key_is_private_and_files_are_not_replaced() {
        let dir = tempfile::tempdir().unwrap();
        write(dir.path()).unwrap();
        let mode = fs::metadata(dir.path().join("server.key"))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
        let before = fs::read(dir.path().join("ca.crt")).unwrap();
        assert!(write(dir.path()).is_err());
        assert_eq!(fs::read(dir.path().join("ca.crt")).unwrap(), before);
    }
}
