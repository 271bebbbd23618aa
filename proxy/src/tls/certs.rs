//! PEM files, and the certificate hash of RFC 5929.

use std::path::Path;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use sha2::{Digest as _, Sha256, Sha384, Sha512};

use super::TlsError;

/// Reads a certificate chain.
///
/// # Errors
///
/// The file cannot be read, is not PEM, or holds no certificate.
pub fn chain(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let failed = |source| TlsError::Pem {
        path: path.to_owned(),
        source,
    };
    let certs = CertificateDer::pem_file_iter(path).map_err(failed)?;
    let certs = certs.collect::<Result<Vec<_>, _>>().map_err(failed)?;
    if certs.is_empty() {
        return Err(TlsError::Empty(path.to_owned()));
    }
    Ok(certs)
}

/// Reads a private key.
///
/// # Errors
///
/// The file cannot be read or holds no private key.
pub fn key(path: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    PrivateKeyDer::from_pem_file(path).map_err(|source| TlsError::Pem {
        path: path.to_owned(),
        source,
    })
}

/// The value of `tls-server-end-point`: the hash of the server's certificate, by the hash function
/// of its signature, or SHA-256 where that is MD5 or SHA-1, or the signature has none of its own
/// (<https://www.rfc-editor.org/rfc/rfc5929#section-4.1>).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndPoint(Box<[u8]>);

impl EndPoint {
    /// The value for one certificate.
    #[must_use]
    pub fn of(cert: &CertificateDer<'_>) -> Self {
        let cert = cert.as_ref();
        Self(match signature_hash(cert) {
            Hash::Sha256 => Box::from(Sha256::digest(cert).as_slice()),
            Hash::Sha384 => Box::from(Sha384::digest(cert).as_slice()),
            Hash::Sha512 => Box::from(Sha512::digest(cert).as_slice()),
        })
    }

    /// The hash.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Hash {
    Sha256,
    Sha384,
    Sha512,
}

/// Signature algorithms with a hash of their own that is not SHA-256, as DER content of the OID,
/// and the hash functions themselves (RSASSA-PSS names one in its parameters).
const OIDS: [(&[u8], Hash); 6] = [
    // sha384WithRSAEncryption, sha512WithRSAEncryption: 1.2.840.113549.1.1.12 and .13
    (
        &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 12],
        Hash::Sha384,
    ),
    (
        &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 13],
        Hash::Sha512,
    ),
    // ecdsa-with-SHA384, ecdsa-with-SHA512: 1.2.840.10045.4.3.3 and .4
    (&[0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 3], Hash::Sha384),
    (&[0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 4], Hash::Sha512),
    // id-sha384, id-sha512: 2.16.840.1.101.3.4.2.2 and .3
    (&[0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 2], Hash::Sha384),
    (&[0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 3], Hash::Sha512),
];

/// id-RSASSA-PSS, 1.2.840.113549.1.1.10.
const RSASSA_PSS: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 10];

/// `Certificate ::= SEQUENCE { tbsCertificate, SEQUENCE { OID, parameters }, signature }`
/// (<https://www.rfc-editor.org/rfc/rfc5280#section-4.1>). What cannot be read counts as SHA-256: a
/// certificate that rustls took and this cannot read does not exist, and a wrong value only makes
/// a client with channel binding go away.
fn signature_hash(cert: &[u8]) -> Hash {
    let hash_of = |oid: &[u8]| {
        OIDS.iter()
            .find(|(known, _)| *known == oid)
            .map(|(_, hash)| *hash)
    };
    let read = || {
        let (cert, _) = der(SEQUENCE, cert)?;
        let (_, rest) = der(SEQUENCE, cert)?;
        let (algorithm, _) = der(SEQUENCE, rest)?;
        let (oid, parameters) = der(OID, algorithm)?;
        if oid != RSASSA_PSS {
            return hash_of(oid);
        }
        // RSASSA-PSS-params ::= SEQUENCE { [0] SEQUENCE { OID hash }, … }
        let (parameters, _) = der(SEQUENCE, parameters)?;
        let (hash, _) = der(CONTEXT_0, parameters)?;
        let (hash, _) = der(SEQUENCE, hash)?;
        let (oid, _) = der(OID, hash)?;
        hash_of(oid)
    };
    read().unwrap_or(Hash::Sha256)
}

const OID: u8 = 0x06;
const SEQUENCE: u8 = 0x30;
const CONTEXT_0: u8 = 0xa0;

/// Content of the element of type `tag` at the start of `input`, and what follows it.
fn der(tag: u8, input: &[u8]) -> Option<(&[u8], &[u8])> {
    let (&[first, length], rest) = input.split_first_chunk::<2>()?;
    if first != tag {
        return None;
    }
    let (length, rest) = match length {
        0..=0x7f => (usize::from(length), rest),
        0x81 => {
            let (&[a], rest) = rest.split_first_chunk::<1>()?;
            (usize::from(a), rest)
        }
        0x82 => {
            let (bytes, rest) = rest.split_first_chunk::<2>()?;
            (usize::from(u16::from_be_bytes(*bytes)), rest)
        }
        _ => return None, // no certificate is that long
    };
    rest.split_at_checked(length)
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair};

    use super::*;

    fn signed_with(algorithm: &'static rcgen::SignatureAlgorithm) -> CertificateDer<'static> {
        let key = KeyPair::generate_for(algorithm).unwrap();
        let cert = CertificateParams::new(["localhost".to_owned()])
            .unwrap()
            .self_signed(&key);
        cert.unwrap().der().clone()
    }

    #[test]
    fn the_hash_is_that_of_the_signature() {
        let cert = signed_with(&rcgen::PKCS_ECDSA_P256_SHA256);
        assert_eq!(
            EndPoint::of(&cert).as_bytes(),
            Sha256::digest(&cert).as_slice()
        );
        let cert = signed_with(&rcgen::PKCS_ECDSA_P384_SHA384);
        assert_eq!(
            EndPoint::of(&cert).as_bytes(),
            Sha384::digest(&cert).as_slice()
        );
    }

    #[test]
    fn a_signature_without_a_hash_of_its_own_counts_as_sha_256() {
        let cert = signed_with(&rcgen::PKCS_ED25519);
        assert_eq!(
            EndPoint::of(&cert).as_bytes(),
            Sha256::digest(&cert).as_slice()
        );
    }

    #[test]
    fn the_hash_of_rsassa_pss_is_in_its_parameters() {
        let hash = [&[0x06, 9], OIDS[5].0].concat();
        let hash = [&[0x30, 11], hash.as_slice()].concat();
        let parameters = [&[0xa0, 13], hash.as_slice()].concat();
        let parameters = [&[0x30, 15], parameters.as_slice()].concat();
        let algorithm = [&[0x06, 9], RSASSA_PSS, &parameters].concat();
        let cert = [&[0x30, 32, 0x30, 0, 0x30, 28], algorithm.as_slice()].concat();
        assert_eq!(signature_hash(&cert), Hash::Sha512);
    }

    #[test]
    fn broken_certificates_are_read_to_their_end_and_no_further() {
        let cert = signed_with(&rcgen::PKCS_ECDSA_P384_SHA384);
        for end in 0..cert.len() {
            let _ = signature_hash(&cert[..end]);
        }
        assert_eq!(signature_hash(&cert), Hash::Sha384);
    }
}
