//! Certificates of a private authority.

use std::path::Path;

use super::server::{output, tool};

/// Makes an authority (`ca.pem`), and a certificate signed by it for this name (`host.pem`,
/// `host.key`).
pub(crate) fn certificate(dir: &Path, name: &str) {
    std::fs::write(dir.join("host.cnf"), format!("subjectAltName=DNS:{name}\n")).expect("a file");
    let curve = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes";
    for arguments in [
        format!("req -x509 {curve} -keyout ca.key -out ca.pem -subj /CN=lab -days 7"),
        format!("req {curve} -keyout host.key -out host.csr -subj /CN={name}"),
        "x509 -req -in host.csr -CA ca.pem -CAkey ca.key -CAcreateserial -out host.pem -days 7 \
         -extfile host.cnf"
            .to_owned(),
    ] {
        let mut openssl = tool("openssl", "openssl");
        openssl.args(arguments.split_whitespace()).current_dir(dir);
        output(openssl, "");
    }
    assert!(dir.join("host.pem").exists(), "openssl makes certificates");
}

/// An authority that signs certificates, good ones and bad ones.
pub(crate) struct Authority {
    dir: tempfile::TempDir,
}

/// A certificate with its key, in one file.
pub(crate) type Pem = std::path::PathBuf;

impl Authority {
    /// Makes an authority.
    pub(crate) fn new() -> Self {
        let dir = tempfile::Builder::new().prefix("cutover-ca-").tempdir().expect("a directory");
        // Servers that change their user read from it.
        let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(dir.path(), open).expect("our own");
        let authority = Self { dir };
        authority.openssl(&format!(
            "req -x509 {CURVE} -keyout ca.key -out ca.pem -subj /CN=lab -days 3650"
        ));
        authority
    }

    /// Its own certificate.
    pub(crate) fn file(&self) -> std::path::PathBuf {
        self.dir.path().join("ca.pem")
    }

    /// A certificate for these names that it has signed, followed by its own.
    pub(crate) fn signs(&self, file: &str, names: &[&str]) -> Pem {
        self.signs_by(file, names, |_| {})
    }

    /// As [`Authority::signs`], but it expired a month ago.
    pub(crate) fn signed_long_ago(&self, file: &str, names: &[&str]) -> Pem {
        let clock = super::SetClock::right();
        clock.set("-60d");
        self.signs_by(file, names, |command| clock.give_to(command))
    }

    /// A certificate for these names that nobody but itself has signed.
    pub(crate) fn self_signed(&self, file: &str, names: &[&str]) -> Pem {
        let alt = alt(names);
        self.openssl(&format!(
            "req -x509 {CURVE} -keyout {file}.key -out {file}.crt -subj /CN=self -days 30 \
             -addext subjectAltName={alt}"
        ));
        self.joined(file, &[])
    }

    /// The digest of a certificate's key, for TLSA records `3 1 1` and `2 1 1` (RFC 7672 §3.1).
    pub(crate) fn key_digest(&self, pem: &Pem) -> String {
        let script = format!(
            "openssl x509 -in {} -noout -pubkey | openssl pkey -pubin -outform DER | sha256sum",
            pem.display()
        );
        let mut shell = tool("sh", "dash");
        shell.args(["-c", &script]);
        let digest = output(shell, "");
        digest.split(' ').next().expect("a digest").to_owned()
    }

    fn signs_by(
        &self,
        file: &str,
        names: &[&str],
        clock: impl Fn(&mut std::process::Command),
    ) -> Pem {
        let alt = format!("subjectAltName={}\n", alt(names));
        std::fs::write(self.dir.path().join(format!("{file}.cnf")), alt).expect("a file");
        self.openssl(&format!("req {CURVE} -keyout {file}.key -out {file}.csr -subj /CN={file}"));
        let sign = format!(
            "x509 -req -in {file}.csr -CA ca.pem -CAkey ca.key -CAcreateserial -out {file}.crt \
             -days 30 -extfile {file}.cnf"
        );
        let mut openssl = tool("openssl", "openssl");
        openssl.args(sign.split_whitespace()).current_dir(self.dir.path());
        clock(&mut openssl);
        output(openssl, "");
        self.joined(file, &["ca.pem"])
    }

    fn joined(&self, file: &str, more: &[&str]) -> Pem {
        let read = |name: &str| {
            std::fs::read_to_string(self.dir.path().join(name)).expect("openssl has made it")
        };
        let chain: String = more.iter().map(|name| read(name)).collect();
        let text = read(&format!("{file}.key")) + &read(&format!("{file}.crt")) + &chain;
        let path = self.dir.path().join(format!("{file}.pem"));
        std::fs::write(&path, text).expect("a file");
        path
    }

    fn openssl(&self, arguments: &str) {
        let mut openssl = tool("openssl", "openssl");
        openssl.args(arguments.split_whitespace()).current_dir(self.dir.path());
        output(openssl, "");
    }
}

/// What makes a key without a passphrase.
const CURVE: &str = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes";

fn alt(names: &[&str]) -> String {
    names.iter().map(|name| format!("DNS:{name}")).collect::<Vec<_>>().join(",")
}
