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
