//! The fake as a bench of the conformance suite.

use std::sync::Arc;

use async_trait::async_trait;
use cutover_contract::Provider;
use cutover_contract::suite::{self, Bench, Edit, Fault, Limit, Missing, Rrsets};
use cutover_kit::testing::records;
use cutover_zone::{Name, Zone};

use super::fault_injector::FaultInjector;
use crate::common::{KEY, SECRET, ZONE, adapter, adapter_with, zone};
use crate::lab::fault_proxy::FaultProxy;
use crate::route53::{Route53, has_type, refusal};

/// A key that the fake does not know.
const OTHER_KEY: &str = "AKIANOTFORANYBODYEYE";

/// A fake, and a proxy in front of it.
pub(crate) struct Fake {
    fake: Arc<Route53>,
    proxy: FaultProxy,
    ways: FaultInjector,
    limits: &'static [Limit],
}

impl Fake {
    pub(crate) fn new(limits: &'static [Limit]) -> Self {
        let fake = Route53::new(KEY);
        let proxy = FaultProxy::open(fake.clone());
        let throttled = || refusal(400, "Throttling", "Rate exceeded");
        let failure = || refusal(500, "InternalFailure", "oh");
        let ways = FaultInjector::new(fake.clone(), adapter, throttled, failure);
        Self { fake, proxy, ways, limits }
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
        let lines = records(rrsets, has_type);
        self.fake.zone(ZONE, &lines);
        adapter(&self.proxy.url())
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
        match fault == Fault::WrongCredentials {
            true => Ok(adapter_with(&self.proxy.url(), OTHER_KEY, &[])),
            false => Ok(self.ways.with(fault)),
        }
    }
}
