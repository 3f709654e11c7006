//! The conformance suite through octoDNS, on a real PowerDNS and a real BIND.

#[path = "../../../tests/lab/mod.rs"]
mod lab;
mod pdns;
mod rfc2136;

use std::net::SocketAddr;
use std::path::Path;

use cutover_contract::suite::{self, Limit};
use cutover_contract::{Config, ConfigValue, Provider, Secret};

use lab::{Bind, Pdns, TsigKey};
use pdns::bench::RealPdns;
use rfc2136::bench::{Kind, OneServer, ZONE};

/// An adapter for a class of octoDNS.
fn adapter(class: &str, settings: Vec<(&str, ConfigValue)>) -> Box<dyn Provider> {
    let base = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let settings = settings.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
    let config = Config(
        [
            ("class".to_owned(), text(class)),
            ("python".to_owned(), text("target/octodns/python")),
            ("settings".to_owned(), ConfigValue::Object(Config(settings))),
        ]
        .into(),
    );
    (cutover_octodns::ADAPTER.connect)(&config, &base).expect("an adapter")
}

fn text(text: &str) -> ConfigValue {
    ConfigValue::Text(text.to_owned())
}

fn powerdns(url: &str, key: &str) -> Box<dyn Provider> {
    let address: SocketAddr =
        url.strip_prefix("http://").and_then(|rest| rest.parse().ok()).expect("a URL of the bench");
    adapter(
        "octodns_powerdns.PowerDnsProvider",
        vec![
            ("host", text(&address.ip().to_string())),
            ("port", ConfigValue::Number(address.port().into())),
            ("api_key", ConfigValue::Secret(Secret::new(key))),
        ],
    )
}

fn bind(address: SocketAddr, key: Option<&TsigKey>) -> Box<dyn Provider> {
    let mut settings = vec![
        ("host", text(&address.ip().to_string())),
        ("port", ConfigValue::Number(address.port().into())),
        ("timeout", ConfigValue::Number(5)),
    ];
    if let Some(key) = key {
        settings.push(("key_name", text(&key.name)));
        settings.push(("key_secret", ConfigValue::Secret(Secret::new(&*key.secret))));
        settings.push(("key_algorithm", text(key.algorithm)));
    }
    adapter("octodns_bind.Rfc2136Provider", settings)
}

const fn limit(case: &'static str, why: &'static str) -> Limit {
    Limit { case, why }
}

const TEXTS: &str = "octoDNS's classes disagree about backslashes, and write octets beyond \
                    printable ASCII wrongly or not at all (1.22.0)";
const QUOTE: &str = "octoDNS takes a quote at the start of a text as its own (1.22.0)";
const SERVICES: &str = "octoDNS has no class for these parameters (1.22.0)";
const FLAGS: &str = "octoDNS writes the flags of NAPTR in capitals (1.22.0)";
const NAMES: &str =
    "the API accepts only letters, digits, `-`, `_`, `/` and whole `*` in names (PowerDNS 4.7.3)";

/// What octoDNS itself cannot do.
const LIMITS: [Limit; 8] = [
    limit("type/https-service", SERVICES),
    limit("type/svcb-several", SERVICES),
    limit("type/naptr", FLAGS),
    limit("txt/quotes", QUOTE),
    limit("txt/backslash", TEXTS),
    limit("txt/non-ascii", TEXTS),
    limit("txt/control", TEXTS),
    limit("txt/json", TEXTS),
];

const PDNS_LIMITS: [Limit; 5] = [
    limit("owner/star-inside", NAMES),
    limit("owner/not-a-host", NAMES),
    limit("owner/escaped-dot", NAMES),
    limit("owner/escapes", NAMES),
    limit("owner/octets", NAMES),
];

const BIND_LIMITS: [Limit; 1] = [limit(
    "owner/not-a-host",
    "BIND's `check-names` refuses addresses at names that are not host names",
)];

/// The limits of octoDNS and of a server, kept as long as the tests run.
fn limits(of_server: &[Limit]) -> &'static [Limit] {
    [&LIMITS, of_server].concat().leak()
}

fn on_bind() -> Kind {
    Kind {
        title: "octodns on BIND",
        limits: limits(&BIND_LIMITS),
        connect: bind,
        plain: |text, key| Bind::primary_with_key(&[(ZONE, text)], "", key),
        signed: |text, key| {
            let clause = "dnssec-policy default; inline-signing no;";
            Bind::primary_with_key(&[(ZONE, text)], clause, key)
        },
    }
}

#[tokio::test]
async fn the_suite() {
    let mut pdns = RealPdns {
        server: Pdns::start(&[], "webserver-max-bodysize=64"),
        title: "octodns on PowerDNS",
        limits: limits(&PDNS_LIMITS),
        connect: powerdns,
    };
    let reports = [suite::run(&mut OneServer::new(on_bind())).await, suite::run(&mut pdns).await];
    suite::readme::check(Path::new(env!("CARGO_MANIFEST_DIR")), env!("CARGO_PKG_NAME"), &reports);
}
