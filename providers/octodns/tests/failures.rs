//! What is said where octoDNS, its class or its process is not as it has to be.

use std::path::Path;

use cutover_contract::{Config, ConfigValue, Name, Provider, ProviderError};

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
async fn what_is_missing_is_named_with_the_way_to_have_it() {
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
fn what_is_no_class_is_refused_before_anything_is_run() {
    for class in ["", "PowerDnsProvider", "octodns_powerdns.", "os.system('id').X"] {
        let config = Config([("class".to_owned(), text(class))].into());
        let error = (cutover_octodns::ADAPTER.connect)(&config, Path::new(".")).err();
        assert_eq!(error.expect(class).field, "class", "{class}");
    }
}
