//! What the adapter reports if octoDNS, its class or its process is not as it should be.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};

use cutover_contract::{Config, ConfigValue, Provider, ProviderError};
use cutover_zone::Name;

fn text(text: &str) -> ConfigValue {
    ConfigValue::Text(text.to_owned())
}

fn adapter(python: &str, class: &str, settings: &[(&str, ConfigValue)]) -> Box<dyn Provider> {
    let base = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let settings = settings.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect();
    let config = [
        ("class".to_owned(), text(class)),
        ("python".to_owned(), text(python)),
        ("settings".to_owned(), ConfigValue::Object(Config(settings))),
    ];
    (cutover_octodns::ADAPTER.connect)(&Config(config.into()), &base).expect("an adapter")
}

const PYTHON: &str = "target/octodns/python";
const POWERDNS: &str = "octodns_powerdns.PowerDnsProvider";

async fn refusal(python: &str, class: &str, settings: &[(&str, ConfigValue)]) -> String {
    let zone = Name::from_user("acme.test").expect("a name");
    match adapter(python, class, settings).read_zone(&zone).await {
        Err(error @ ProviderError::Refused { .. }) => error.to_string(),
        other => panic!("{class}: {other:?}"),
    }
}

#[tokio::test]
async fn whatever_is_missing_is_named_with_the_way_to_get_it() {
    for (python, class, expected) in [
        ("no-such-python", POWERDNS, "no-such-python cannot be run"),
        (PYTHON, "octodns_gandi.GandiProvider", "-m pip install octodns-gandi"),
        (PYTHON, "octodns_powerdns.Provider", "has no class Provider"),
        (PYTHON, POWERDNS, "missing 2 required positional arguments"),
        ("/bin/false", POWERDNS, "the Python process ended"),
        ("/bin/cat", POWERDNS, "/bin/cat --help"),
    ] {
        let said = refusal(python, class, &[]).await;
        assert!(said.contains(expected), "{said}");
    }
}

#[test]
fn an_invalid_class_is_refused_before_anything_runs() {
    for class in ["", "PowerDnsProvider", "octodns_powerdns.", "os.system('id').X"] {
        let config = Config([("class".to_owned(), text(class))].into());
        let error = (cutover_octodns::ADAPTER.connect)(&config, Path::new(".")).err();
        assert_eq!(error.expect(class).field, "class", "{class}");
    }
}

/// Somebody ends us with `kill -9`: a class that is waiting because its provider throttles must not
/// write after we have looked.
#[test]
fn the_process_ends_with_its_client_even_during_a_request() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut child = Command::new(root.join("../..").join(PYTHON))
        .arg(root.join("src/bridge.py"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("tests/run has installed octoDNS");
    let mut stdin = child.stdin.take().expect("a pipe");
    let mut answers = BufReader::new(child.stdout.take().expect("a pipe")).lines();
    let mut answer = || answers.next().expect("a line").expect("text");
    let open = r#"{"do": "open", "class": "lab_octodns.Patient", "settings": {}}"#;
    writeln!(stdin, "{open}").expect("it reads");
    assert_eq!(answer(), r#"{"ok": {}}"#);
    writeln!(stdin, r#"{{"do": "read", "zone": "acme.test."}}"#).expect("it reads");
    drop(stdin);
    // If it had finished the request, there would be an answer.
    assert!(answers.next().is_none());
    assert!(!child.wait().expect("it ends").success());
}
