//! A real server that takes dynamic updates, as a bench of the conformance suite, for any adapter
//! that can write to it. `dig` is the independent reader, and `nsupdate` is the colleague.

use std::fmt::Write as _;
use std::net::SocketAddr;

use async_trait::async_trait;
use cutover_contract::Provider;
use cutover_contract::suite::{self, Bench, Edit, Fault, Limit, Missing, Rrsets};
use cutover_kit::testing::{Hurried, closed, nobody};
use cutover_zone::{Name, Zone};

use super::proxy::{self, Fate};
use crate::lab::{Server, TsigKey};

/// The kind of server.
pub(crate) struct Kind {
    pub(crate) title: &'static str,
    pub(crate) limits: &'static [Limit],
    /// Connects an adapter to this address with this key.
    pub(crate) connect: fn(SocketAddr, Option<&TsigKey>) -> Box<dyn Provider>,
    /// Starts a server with this zone text and this key.
    pub(crate) plain: fn(&str, TsigKey) -> Server,
    pub(crate) signed: fn(&str, TsigKey) -> Server,
}

/// The zone of the suite.
pub(crate) const ZONE: &str = "suite.test";

const APEX: &str = "@ 300 IN SOA ns.elsewhere.example. h 1 7200 900 600 300\n\
    @ 300 IN NS ns.elsewhere.example.\n";

/// One server of this kind at a time.
pub(crate) struct OneServer {
    kind: Kind,
    key: TsigKey,
    /// A well-formed key that the server does not know.
    wrong: TsigKey,
    server: Option<Server>,
}

impl OneServer {
    pub(crate) fn new(kind: Kind) -> Self {
        let key = TsigKey::generate("hmac-sha256");
        let secret = TsigKey::generate("hmac-sha256").secret;
        let wrong = TsigKey { secret, ..key.clone() };
        Self { kind, key, wrong, server: None }
    }

    fn with(&mut self, rrsets: &Rrsets, start: fn(&str, TsigKey) -> Server) -> Box<dyn Provider> {
        // The old server must end before the new one starts.
        self.server = None;
        let text = format!("{APEX}{}", suite::master_lines(rrsets));
        self.server = Some(start(&text, self.key.clone()));
        (self.kind.connect)(self.server().addr(), Some(self.server().key()))
    }

    fn server(&self) -> &Server {
        self.server.as_ref().expect("a zone is open")
    }

    fn at(&self, address: SocketAddr) -> Box<dyn Provider> {
        (self.kind.connect)(address, Some(&self.key))
    }

    /// An adapter whose updates have this fate.
    fn fated(&self, fate: impl Fn() -> Fate + Send + Sync + 'static) -> Box<dyn Provider> {
        let address = proxy::before(self.server().addr(), move |_| fate());
        (self.kind.connect)(address, Some(&self.key))
    }
}

#[async_trait]
impl Bench for OneServer {
    fn title(&self) -> &'static str {
        self.kind.title
    }

    fn origin(&self) -> Name {
        Name::from_user(ZONE).expect("a name")
    }

    fn limits(&self) -> &'static [Limit] {
        self.kind.limits
    }

    fn divides_texts(&self) -> bool {
        // octoDNS joins the strings.
        self.title().starts_with("octodns")
    }

    fn secrets(&self) -> Vec<String> {
        vec![self.key.secret.clone(), self.wrong.secret.clone()]
    }

    async fn fresh(&mut self, rrsets: &Rrsets) -> Box<dyn Provider> {
        self.with(rrsets, self.kind.plain)
    }

    async fn signed(&mut self, rrsets: &Rrsets) -> Result<Box<dyn Provider>, Missing> {
        let provider = self.with(rrsets, self.kind.signed);
        // Signers start only after the zone is served.
        self.server().wait_shown(&[&format!("www.{ZONE}"), "A", "+dnssec"], "RRSIG");
        Ok(provider)
    }

    async fn read(&self) -> Result<Zone, Missing> {
        let mut zone = suite::zone_from_lines(&self.origin(), &self.server().transfer(ZONE));
        // BIND keeps the progress of its signer there (`sig-signing-type`).
        zone.rrsets.remove(&suite::key(&self.origin(), "@ TYPE65534"));
        Ok(zone)
    }

    async fn edit(&self, edits: &[Edit]) -> Result<(), Missing> {
        let mut script = format!("zone {ZONE}\n");
        for edit in edits {
            let _ =
                writeln!(script, "update delete {} {}", edit.owner_in_capitals(), edit.key.rtype);
        }
        for line in edits.iter().flat_map(Edit::records_in_capitals) {
            let _ = writeln!(script, "update add {line}");
        }
        self.server().nsupdate(&script);
        Ok(())
    }

    async fn broken(&self, fault: Fault) -> Result<Box<dyn Provider>, Missing> {
        Ok(match fault {
            Fault::WrongCredentials => (self.kind.connect)(self.server().addr(), Some(&self.wrong)),
            Fault::Down => self.at(closed()),
            Fault::Silent => {
                let (address, listener) = nobody();
                Box::new(Hurried::new(self.at(address), listener))
            }
            Fault::Garbage => self.at(proxy::babbler(vec![vec![0xff; 500]])),
            Fault::CutBeforeEffect => self.fated(|| Fate::Lose),
            Fault::CutAfterEffect => self.fated(|| Fate::LoseAnswer),
            Fault::GarbageToWrite => self.fated(|| Fate::Answer(vec![7; 40])),
            // An unsigned answer to an update, with the code SERVFAIL (RFC 1035 §4.1.1).
            Fault::ServerFailure => {
                self.fated(|| Fate::Answer([0, 0, 0xa8, 2, 0, 0, 0, 0, 0, 0, 0, 0].to_vec()))
            }
            Fault::Throttled => return Err(Missing("DNS cannot ask a client to wait")),
        })
    }
}
