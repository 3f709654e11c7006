//! What is to be said about a server's certificate.
//!
//! The handshake never fails because of the certificate: a probe wants to know what is wrong with
//! it, and what the server does behind it. Signatures of the handshake are checked as always.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use cutover_zone::Rdata;
use rustls_platform_verifier::Verifier;
use sha2::{Digest as _, Sha256, Sha512};
use tokio_rustls::rustls::client::WebPkiServerVerifier;
use tokio_rustls::rustls::client::danger::{
    HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier,
};
use tokio_rustls::rustls::crypto::{
    CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature,
};
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use tokio_rustls::rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
};
use x509_cert::Certificate;
use x509_cert::der::{Decode as _, Encode as _};

use crate::ask::{Dane, Trust};

/// Certificate usages (RFC 6698 §2.1.1) that are used for SMTP (RFC 7672 §3.1).
const DANE_TA: u8 = 2;
const DANE_EE: u8 = 3;

/// Looks at the certificate of one session.
pub(super) struct Recorder {
    crypto: Arc<CryptoProvider>,
    /// The authorities of this machine, or why there are none.
    platform: Result<Verifier, Error>,
    tlsa: Vec<Rdata>,
    seen: Mutex<Option<Seen>>,
}

struct Seen {
    trust: Trust,
    left: Option<Duration>,
    dane: Option<Dane>,
}

impl fmt::Debug for Recorder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recorder").finish_non_exhaustive()
    }
}

impl Recorder {
    /// Compares the certificate with these TLSA records too.
    pub(super) fn new(tlsa: &[Rdata]) -> Self {
        let crypto = Arc::new(ring::default_provider());
        let platform = Verifier::new(Arc::clone(&crypto));
        Self { crypto, platform, tlsa: tlsa.to_vec(), seen: Mutex::new(None) }
    }

    /// The configuration of a client that asks this recorder.
    ///
    /// # Errors
    /// If TLS cannot be set up.
    pub(super) fn config(self: &Arc<Self>) -> Result<ClientConfig, Error> {
        let builder = ClientConfig::builder_with_provider(Arc::clone(&self.crypto))
            .with_safe_default_protocol_versions()?;
        let recorder: Arc<dyn ServerCertVerifier> = Arc::clone(self) as _;
        let mut config =
            builder.dangerous().with_custom_certificate_verifier(recorder).with_no_client_auth();
        // A resumed session would not show the certificate.
        config.resumption = tokio_rustls::rustls::client::Resumption::disabled();
        Ok(config)
    }

    /// What was seen in the handshake.
    pub(super) fn seen(&self) -> (Trust, Option<Duration>, Option<Dane>) {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner).take();
        match seen {
            Some(Seen { trust, left, dane }) => (trust, left, dane),
            None => (Trust::Unknown("the server has shown no certificate".to_owned()), None, None),
        }
    }
}

impl ServerCertVerifier for Recorder {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let trust = match &self.platform {
            Ok(platform) => match platform.verify_server_cert(
                end_entity,
                intermediates,
                server_name,
                ocsp_response,
                now,
            ) {
                Ok(_) => Trust::Valid,
                Err(error) => Trust::Invalid(problem(&error)),
            },
            Err(error) => Trust::Unknown(error.to_string()),
        };
        let left = Certificate::from_der(end_entity).ok().and_then(|certificate| {
            let until = certificate.tbs_certificate.validity.not_after.to_unix_duration();
            until.checked_sub(Duration::from_secs(now.as_secs()))
        });
        let peer = Peer { end_entity, intermediates, server_name, now };
        let dane = (!self.tlsa.is_empty()).then(|| peer.dane(&self.tlsa, &self.crypto));
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) =
            Some(Seen { trust, left, dane });
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, dss, &self.crypto.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &self.crypto.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.crypto.signature_verification_algorithms.supported_schemes()
    }
}

/// What is wrong with a certificate, in words.
#[expect(clippy::wildcard_enum_match_arm, reason = "the rest has words of its own")]
fn problem(error: &Error) -> String {
    use CertificateError as Is;
    match error {
        Error::InvalidCertificate(Is::Expired | Is::ExpiredContext { .. }) => {
            "the certificate has expired".to_owned()
        }
        Error::InvalidCertificate(Is::NotValidYet | Is::NotValidYetContext { .. }) => {
            "the certificate is not valid yet".to_owned()
        }
        Error::InvalidCertificate(Is::UnknownIssuer) => {
            "the certificate is signed by nobody that this machine trusts".to_owned()
        }
        Error::InvalidCertificate(Is::NotValidForName) => {
            "the certificate is for another name".to_owned()
        }
        Error::InvalidCertificate(Is::NotValidForNameContext { presented, .. }) => {
            let names = presented.iter().map(|name| {
                let name = name.strip_prefix("DnsName(\"").unwrap_or(name);
                name.trim_end_matches("\")")
            });
            format!("the certificate is for {}", names.collect::<Vec<_>>().join(", "))
        }
        // The library does not export this one.
        Error::InvalidCertificate(Is::Other(other))
            if other.to_string().contains("CaUsedAsEndEntity") =>
        {
            "the certificate is that of an authority, as self-signed ones often are".to_owned()
        }
        other => other.to_string(),
    }
}

/// The certificates of a peer.
struct Peer<'a> {
    end_entity: &'a CertificateDer<'a>,
    intermediates: &'a [CertificateDer<'a>],
    server_name: &'a ServerName<'a>,
    now: UnixTime,
}

impl Peer<'_> {
    /// Compares with TLSA records. A record of usage 3 needs nothing but to match the certificate:
    /// neither its name nor its dates count (RFC 7672 §3.1.1). A record of usage 2 has to match an
    /// authority in the chain, from which the certificate has to be valid for the name (§3.1.2).
    fn dane(&self, tlsa: &[Rdata], crypto: &Arc<CryptoProvider>) -> Dane {
        let mut dane = Dane::Unusable;
        for record in tlsa {
            let Some((&[usage, selector, matching], data)) = record.wire().split_first_chunk()
            else {
                continue;
            };
            if !matches!(usage, DANE_TA | DANE_EE) || selector > 1 || matching > 2 {
                continue;
            }
            dane = Dane::Differs;
            let is = |certificate: &CertificateDer<'_>| {
                associated(certificate, selector, matching).is_some_and(|own| own == data)
            };
            let matches = match usage {
                DANE_EE => is(self.end_entity),
                _ => self.intermediates.iter().any(|ca| is(ca) && self.is_from(ca, crypto)),
            };
            if matches {
                return Dane::Matches;
            }
        }
        dane
    }

    /// Whether the certificate is valid for the name with this authority alone.
    fn is_from(&self, authority: &CertificateDer<'_>, crypto: &Arc<CryptoProvider>) -> bool {
        let mut roots = RootCertStore::empty();
        if roots.add(authority.clone().into_owned()).is_err() {
            return false;
        }
        let crypto = Arc::clone(crypto);
        let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), crypto).build();
        let others = self.intermediates;
        verifier.is_ok_and(|verifier| {
            let name = self.server_name;
            verifier.verify_server_cert(self.end_entity, others, name, &[], self.now).is_ok()
        })
    }
}

/// The data that a TLSA record for this certificate has (RFC 6698 §2.1.2, §2.1.3).
fn associated(certificate: &CertificateDer<'_>, selector: u8, matching: u8) -> Option<Vec<u8>> {
    let selected = match selector {
        0 => certificate.as_ref().to_vec(),
        _ => {
            let read = Certificate::from_der(certificate).ok()?;
            read.tbs_certificate.subject_public_key_info.to_der().ok()?
        }
    };
    Some(match matching {
        0 => selected,
        1 => Sha256::digest(&selected).to_vec(),
        _ => Sha512::digest(&selected).to_vec(),
    })
}
