//! `sslmode`: with which servers a connection is made.

use std::path::Path;
use std::process::Command;

use cutover_store::StoreError;

use super::open;
use super::server::{ADMIN, Server};

/// Makes an authority (`NAME-ca.pem`), and a certificate signed by it for `localhost` (`NAME.pem`,
/// `NAME.key`).
fn certificate(dir: &Path, name: &str) {
    std::fs::write(dir.join("names.cnf"), "subjectAltName=DNS:localhost\n").expect("written");
    let curve = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes";
    for arguments in [
        format!(
            "req -x509 {curve} -keyout {name}-ca.key -out {name}-ca.pem -subj /CN={name} -days 7"
        ),
        format!("req {curve} -keyout {name}.key -out {name}.csr -subj /CN=localhost"),
        format!(
            "x509 -req -in {name}.csr -CA {name}-ca.pem -CAkey {name}-ca.key -CAcreateserial \
             -out {name}.pem -days 7 -extfile names.cnf"
        ),
    ] {
        let mut openssl = Command::new("openssl");
        let made = openssl.args(arguments.split_whitespace()).current_dir(dir).output();
        let made = made.expect("openssl is installed");
        assert!(made.status.success(), "{made:?}");
    }
}

/// Whether a connection is made, and whether it uses TLS.
async fn connects(server: &Server, host: &str, options: &str) -> Result<bool, String> {
    let name = format!("postgres://{ADMIN}@{host}:{}/postgres?{options}", server.port());
    match open(&name).plans().await {
        Ok(_) => {
            let uses = "SELECT bool_or(ssl) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid)
                WHERE application_name = 'cutover'";
            Ok(server.sql("postgres", uses) == "t")
        }
        Err(StoreError::Away { detail, .. }) => Err(detail),
        Err(other) => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_connection_is_as_safe_as_the_url_says() {
    let hba = "hostssl all all 127.0.0.1/32 trust\nhostnossl all all 127.0.0.1/32 trust\n";
    let plain = Server::with(hba, &[]);
    let mut safe =
        Server::stopped(hba, &["ssl=on", "ssl_cert_file=host.pem", "ssl_key_file=host.key"]);
    let data = safe.dir().join("data");
    certificate(&data, "host");
    certificate(&data, "other");
    safe.go_on();
    let ca = |name: &str| format!("sslrootcert={}", data.join(format!("{name}-ca.pem")).display());
    let (own, other) = (ca("host"), ca("other"));
    let both = |mode: &str, roots: &str| format!("sslmode={mode}&{roots}");
    // Without TLS, only what does not ask for it connects.
    for (mode, connected) in [("disable", true), ("prefer", true), ("require", false)] {
        let said = connects(&plain, "localhost", &format!("sslmode={mode}")).await;
        assert_eq!(said.is_ok(), connected, "{mode}: {said:?}");
        assert_ne!(said, Ok(true));
    }
    assert_eq!(connects(&plain, "localhost", "").await, Ok(false), "it is this machine");
    for mode in ["verify-ca", "verify-full"] {
        let said = connects(&plain, "localhost", &both(mode, &own)).await;
        assert!(said.is_err(), "{mode}: {said:?}");
    }
    for (host, options, expected) in [
        ("localhost", "sslmode=disable".to_owned(), Ok(false)),
        ("localhost", "sslmode=prefer".to_owned(), Ok(true)),
        ("localhost", String::new(), Ok(true)),
        ("127.0.0.1", "sslmode=require".to_owned(), Ok(true)),
        ("localhost", both("require", &own), Ok(true)),
        ("127.0.0.1", both("require", &own), Ok(true)),
        ("localhost", both("require", &other), Err("UnknownIssuer")),
        ("127.0.0.1", both("verify-ca", &own), Ok(true)),
        ("127.0.0.1", both("verify-ca", &other), Err("UnknownIssuer")),
        ("localhost", both("verify-full", &own), Ok(true)),
        ("127.0.0.1", both("verify-full", &own), Err("not valid for name")),
        ("localhost", both("verify-full", &other), Err("UnknownIssuer")),
        // Neither authority is one of the system's.
        ("localhost", "sslmode=verify-full".to_owned(), Err("")),
        ("localhost", "sslrootcert=system".to_owned(), Err("")),
        ("localhost", "sslrootcert=/nowhere.pem".to_owned(), Err("/nowhere.pem")),
        ("localhost", both("verify-full", "sslrootcert=/dev/null"), Err("no certificate")),
    ] {
        let said = connects(&safe, host, &options).await;
        match (expected, said) {
            (Ok(expected), said) => assert_eq!(said, Ok(expected), "{host} {options}"),
            (Err(part), Err(said)) => assert!(said.contains(part), "{host} {options}: {said}"),
            (Err(part), Ok(_)) => panic!("{host} {options} connects; expected {part}"),
        }
    }
}
