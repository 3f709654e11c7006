//! The fake as a bench of the conformance suite.

use std::net::TcpListener;
use std::sync::Arc;

use async_trait::async_trait;
use cutover_contract::suite::{self, Bench, Edit, Fault, Limit, Missing, Rrsets};
use cutover_contract::{
    Capabilities, ChangeSet, Name, Provider, ProviderError, Receipt, RrKey, RrSet, Unwritable, Zone,
};

use super::hurried::Hurried;
use crate::common::{KEY, SECRET, ZONE, adapter, adapter_with, zone};
use crate::lab::door::{Answer, Door, Mishap, Request};
use crate::route53::{Route53, has_type, refusal};

/// A key that the fake does not know.
const OTHER_KEY: &str = "AKIANOTFORANYBODYEYE";

/// A fake, and a door to it.
pub(crate) struct Fake {
    fake: Arc<Route53>,
    door: Door,
    limits: &'static [Limit],
}

impl Fake {
    pub(crate) fn new(limits: &'static [Limit]) -> Self {
        let fake = Route53::new(KEY);
        let door = Door::open(fake.clone());
        Self { fake, door, limits }
    }

    /// An adapter behind a door of its own, where this becomes of batches.
    fn meddled(&self, mishap: impl Fn() -> Mishap + Send + Sync + 'static) -> Box<dyn Provider> {
        self.behind(move |request| (request.method == "POST").then(&mishap))
    }

    fn behind(
        &self,
        fate: impl Fn(&Request) -> Option<Mishap> + Send + Sync + 'static,
    ) -> Box<dyn Provider> {
        let door = Door::with_mishaps(self.fake.clone(), fate);
        Box::new(Behind { provider: adapter(&door.url()), _door: door })
    }
}

#[async_trait]
impl Bench for Fake {
    fn title(&self) -> &'static str {
        "route53 on the lab's fake"
    }

    fn origin(&self) -> Name {
        zone()
    }

    fn limits(&self) -> &'static [Limit] {
        self.limits
    }

    fn secrets(&self) -> Vec<String> {
        vec![SECRET.to_owned()]
    }

    async fn fresh(&mut self, rrsets: &Rrsets) -> Box<dyn Provider> {
        let mut lines = Vec::new();
        for (key, rrset) in rrsets {
            if !has_type(&key.rtype.to_string()) {
                continue;
            }
            let edit = Edit { key: key.clone(), after: Some(rrset.clone()) };
            lines.extend(edit.records_in_capitals());
        }
        self.fake.zone(ZONE, &lines);
        adapter(&self.door.url())
    }

    async fn read(&self) -> Result<Zone, Missing> {
        Ok(suite::zone_from_lines(&zone(), &self.fake.lines(ZONE).join("\n")))
    }

    async fn edit(&self, edits: &[Edit]) -> Result<(), Missing> {
        for edit in edits {
            let rtype = edit.key.rtype.to_string();
            let lines = edit.records_in_capitals();
            self.fake.replace(ZONE, &edit.owner_in_capitals(), &rtype, &lines);
        }
        Ok(())
    }

    async fn broken(&self, fault: Fault) -> Result<Box<dyn Provider>, Missing> {
        let html = || Answer::new(200, "text/html", "<html><title>Welcome</title>");
        Ok(match fault {
            Fault::WrongCredentials => adapter_with(&self.door.url(), OTHER_KEY, &[]),
            Fault::Down => {
                let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
                let address = listener.local_addr().expect("an address");
                drop(listener);
                adapter(&format!("http://{address}"))
            }
            Fault::Silent => {
                let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
                let address = listener.local_addr().expect("an address");
                Box::new(Hurried::new(adapter(&format!("http://{address}")), listener))
            }
            Fault::Garbage => self.behind(move |_| Some(Mishap::Instead(html()))),
            Fault::Throttled => {
                self.behind(|_| Some(Mishap::Instead(refusal(400, "Throttling", "Rate exceeded"))))
            }
            Fault::CutBeforeEffect => self.meddled(|| Mishap::CutBefore),
            Fault::CutAfterEffect => self.meddled(|| Mishap::CutAfter),
            Fault::GarbageToWrite => self.meddled(|| Mishap::Babble(b"babble".to_vec())),
            Fault::ServerFailure => {
                self.meddled(|| Mishap::Instead(refusal(500, "InternalFailure", "oh")))
            }
        })
    }
}

/// A provider, and the door that it goes through.
struct Behind {
    provider: Box<dyn Provider>,
    _door: Door,
}

#[async_trait]
impl Provider for Behind {
    fn capabilities(&self, zone: &Name) -> Capabilities {
        self.provider.capabilities(zone)
    }

    async fn read_zone(&self, zone: &Name) -> Result<Zone, ProviderError> {
        self.provider.read_zone(zone).await
    }

    async fn read_rrsets(
        &self,
        zone: &Name,
        keys: &[RrKey],
    ) -> Result<Vec<Option<RrSet>>, ProviderError> {
        self.provider.read_rrsets(zone, keys).await
    }

    async fn check(
        &self,
        zone: &Name,
        sets: &[ChangeSet],
    ) -> Result<Vec<Unwritable>, ProviderError> {
        self.provider.check(zone, sets).await
    }

    async fn apply(&self, changes: &ChangeSet) -> Result<Receipt, ProviderError> {
        self.provider.apply(changes).await
    }
}
