//! Independent clients test the fake of Cloudflare, and the published OpenAPI text of its API tests
//! the fake and the adapter.

use std::io::{BufRead as _, BufReader};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use crate::bind_fixture::said;
use crate::cloudflare::Cloudflare;
use crate::lab::fault_proxy::FaultProxy;
use crate::lab::sleep;
use crate::provider_matrix::{ProviderFixture, TOKEN, python};

/// How long a program may take to listen: a few hundred times as long as it needs. Our choice.
const READY_POLLS: usize = 600;

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/lab/cloudflare/judges").join(name)
}

/// The packages that `tests/run` installs from npm.
fn modules() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("target/judges/node_modules")
}

/// A program that is killed when this is dropped.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts Prism between a client and a server. It answers with an error if a request or an answer
/// does not fit the OpenAPI text.
fn prism(upstream: &str) -> (Running, String) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port is free");
    let address = listener.local_addr().expect("an address");
    drop(listener);
    let mut command = Command::new("node");
    command.arg(modules().join("@stoplight/prism-cli/dist/index.js"));
    command.args(["proxy", "--errors", "-h", "127.0.0.1", "-p", &address.port().to_string()]);
    command.arg(file("openapi.json")).arg(upstream);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let running = Running(command.spawn().expect("node: apt install nodejs, and run tests/run"));
    for _ in 0..READY_POLLS {
        if TcpStream::connect(address).is_ok() {
            return (running, format!("http://{address}"));
        }
        sleep(Duration::from_millis(100));
    }
    panic!("Prism does not listen");
}

#[test]
fn every_request_and_response_of_a_cutover_fits_the_published_text() {
    let mut running_prism = None;
    let fixture = ProviderFixture::cloudflare_at(|proxy| {
        let (running, url) = prism(&format!("{}/client/v4", proxy.url()));
        running_prism = Some(running);
        url
    });
    fixture.there();
}

/// A zone below a public suffix, which lexicon requires.
const ZONE: &str = "example.com";

fn small() -> Arc<Cloudflare> {
    let fake = Cloudflare::new(TOKEN);
    let line = |n: usize| format!("h{n}.{ZONE}. 300 IN A 192.0.2.{n}");
    let mut lines: Vec<String> = (0..10).map(line).collect();
    lines.push(format!("{ZONE}. 300 IN MX 10 mx.{ZONE}."));
    fake.zone(ZONE, "pro", &lines);
    fake
}

#[test]
fn cloudflares_own_sdk_works_unchanged() {
    let proxy = FaultProxy::open(small());
    let mut command = Command::new("node");
    command.arg(file("sdk.cjs")).arg(format!("{}/client/v4", proxy.url())).arg(ZONE);
    command.env("NODE_PATH", modules()).env("CLOUDFLARE_API_TOKEN", TOKEN);
    let (code, said) = said(&command.output().expect("node: apt install nodejs"));
    assert_eq!((code, said.trim()), (0, "11 records, as they were"), "{said}");
}

#[test]
fn lexicon_works_unchanged() {
    let fake = small();
    let proxy = FaultProxy::open(fake.clone());
    let dir = tempfile::tempdir().expect("a temporary directory");
    let mut tls = Command::new("python3");
    tls.arg(file("tls.py")).arg(dir.path()).arg("api.cloudflare.com");
    tls.arg(proxy.addr().port().to_string()).stdin(Stdio::null()).stdout(Stdio::piped());
    let mut tls = Running(tls.spawn().expect("python3 can be run"));
    let mut port = String::new();
    let stdout = tls.0.stdout.take().expect("it is piped");
    BufReader::new(stdout).read_line(&mut port).expect("its port");
    let lexicon = |args: &[&str]| {
        let mut command = Command::new(python());
        command.arg(file("lexicon.py")).arg(ZONE).args(args).current_dir(dir.path());
        command.env("HTTPS_PROXY", format!("http://127.0.0.1:{}", port.trim()));
        command.env("REQUESTS_CA_BUNDLE", dir.path().join("ca.pem")).env("HOME", dir.path());
        command.env("TOKEN", TOKEN);
        let output = command.output().expect("python can be run");
        assert!(output.status.success(), "{args:?}: {}", said(&output).1);
        String::from_utf8(output.stdout).expect("text")
    };
    let listed = lexicon(&["list", "A"]);
    let addresses: Vec<String> = (0..10).map(|n| format!("192.0.2.{n}")).collect();
    assert_eq!(listed.lines().collect::<Vec<_>>(), addresses);
    let before = fake.lines(ZONE);
    lexicon(&["create", "TXT", "lex", &"x".repeat(300)]);
    let strings = format!("\"{}\" \"{}\"", "x".repeat(255), "x".repeat(45));
    let line = format!("lex.{ZONE}. 120 IN TXT {strings}");
    assert_eq!(fake.lines(ZONE)[before.len()..], [line]);
    lexicon(&["delete", "TXT", "lex", ""]);
    assert_eq!(fake.lines(ZONE), before);
    assert_eq!(proxy.count(|request| request.method == "DELETE"), 1);
}
