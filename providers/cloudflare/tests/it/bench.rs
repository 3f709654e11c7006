//! The fake as a bench of the conformance suite.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use cutover_contract::Provider;
use cutover_contract::suite::{self, Bench, Edit, Fault, Limit, Missing, Rrsets};
use cutover_kit::testing::records;
use cutover_zone::{Name, Zone};

use super::fault_injector::FaultInjector;
use crate::cloudflare::{Cloudflare, has_type};
use crate::common::{TOKEN, ZONE, adapter, adapter_with, zone};
use crate::lab::fault_proxy::{Answer, FaultProxy};

/// Tokens that the fake does not know: a well-formed token, and another text.
const OTHER_TOKENS: [&str; 2] =
    ["kT9-not-for-anybodys-eyes_0123456789abcdX", "not-for-anybodys-eyes"];

/// A fake, and a proxy in front of it.
pub(crate) struct Fake {
    fake: Arc<Cloudflare>,
    proxy: FaultProxy,
    ways: FaultInjector,
    limits: &'static [Limit],
    /// How many adapters had wrong credentials.
    wrong: AtomicUsize,
}

impl Fake {
    pub(crate) fn new(limits: &'static [Limit]) -> Self {
        let fake = Cloudflare::new(TOKEN);
        let proxy = FaultProxy::open(fake.clone());
        let throttled = || {
            let body = "{\"success\":false,\"errors\":[{\"code\":971,\"message\":\"Slow down.\"}]}";
            Answer::new(429, "application/json", body).with("retry-after", "7")
        };
        let failure = || Answer::new(502, "text/html", "<html>Bad Gateway</html>");
        let ways = FaultInjector::new(fake.clone(), adapter, throttled, failure);
        Self { fake, proxy, ways, limits, wrong: AtomicUsize::new(0) }
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
        let lines = records(rrsets, has_type);
        self.fake.zone(ZONE, "pro", &lines);
        adapter(&self.proxy.url())
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
        if fault != Fault::WrongCredentials {
            return Ok(self.ways.with(fault));
        }
        let wrong = self.wrong.fetch_add(1, Ordering::SeqCst);
        Ok(adapter_with(&self.proxy.url(), OTHER_TOKENS[wrong % 2], &[]))
    }
}
