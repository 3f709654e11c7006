//! The fake as a bench of the conformance suite.

use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use cutover_contract::suite::{self, Bench, Edit, Fault, Limit, Missing, Rrsets};
use cutover_contract::{
    Capabilities, ChangeSet, Name, Provider, ProviderError, Receipt, RrKey, RrSet, Unwritable, Zone,
};

use super::hurried::Hurried;
use crate::cloudflare::{Cloudflare, has_type};
use crate::common::{TOKEN, ZONE, adapter, adapter_with, zone};
use crate::lab::door::{Answer, Door, Mishap, Request};

/// Tokens that the fake does not know: one that looks like one, and one that does not.
const OTHER_TOKENS: [&str; 2] =
    ["kT9-not-for-anybodys-eyes_0123456789abcdX", "not-for-anybodys-eyes"];

/// A fake, and a door to it.
pub(crate) struct Fake {
    fake: Arc<Cloudflare>,
    door: Door,
    limits: &'static [Limit],
    /// How often wrong credentials were tried.
    wrong: AtomicUsize,
}

impl Fake {
    pub(crate) fn new(limits: &'static [Limit]) -> Self {
        let fake = Cloudflare::new(TOKEN);
        let door = Door::open(fake.clone());
        Self { fake, door, limits, wrong: AtomicUsize::new(0) }
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
        "cloudflare on the lab's fake"
    }

    fn origin(&self) -> Name {
        zone()
    }

    fn limits(&self) -> &'static [Limit] {
        self.limits
    }

    fn divides_texts(&self) -> bool {
        true
    }

    fn secrets(&self) -> Vec<String> {
        [TOKEN, OTHER_TOKENS[0], OTHER_TOKENS[1]].map(str::to_owned).to_vec()
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
        self.fake.zone(ZONE, "pro", &lines);
        adapter(&self.door.url())
    }

    async fn read(&self) -> Result<Zone, Missing> {
        Ok(suite::zone_from_lines(&zone(), &self.fake.lines(ZONE).join("\n")))
    }

    async fn edit(&self, edits: &[Edit]) -> Result<(), Missing> {
        for edit in edits.iter().filter(|edit| edit.after.is_none()) {
            self.fake.remove(ZONE, &edit.owner_in_capitals(), &edit.key.rtype.to_string());
        }
        for edit in edits.iter().filter(|edit| edit.after.is_some()) {
            let rtype = edit.key.rtype.to_string();
            let lines = edit.records_in_capitals();
            self.fake.replace(ZONE, &edit.owner_in_capitals(), &rtype, &lines);
        }
        Ok(())
    }

    async fn broken(&self, fault: Fault) -> Result<Box<dyn Provider>, Missing> {
        let html = || Answer::new(200, "text/html", "<html><title>Welcome</title>");
        Ok(match fault {
            Fault::WrongCredentials => {
                let wrong = self.wrong.fetch_add(1, Ordering::SeqCst);
                adapter_with(&self.door.url(), OTHER_TOKENS[wrong % 2], &[])
            }
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
            Fault::Throttled => self.behind(|_| {
                let body =
                    "{\"success\":false,\"errors\":[{\"code\":971,\"message\":\"Slow down.\"}]}";
                let answer = Answer::new(429, "application/json", body).with("retry-after", "7");
                Some(Mishap::Instead(answer))
            }),
            Fault::CutBeforeEffect => self.meddled(|| Mishap::CutBefore),
            Fault::CutAfterEffect => self.meddled(|| Mishap::CutAfter),
            Fault::GarbageToWrite => self.meddled(|| Mishap::Babble(b"babble".to_vec())),
            Fault::ServerFailure => self.meddled(|| {
                Mishap::Instead(Answer::new(502, "text/html", "<html>Bad Gateway</html>"))
            }),
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
