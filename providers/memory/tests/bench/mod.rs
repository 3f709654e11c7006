//! The bench of zones in this process.

use std::pin::pin;
use std::task::{Context, Poll, Waker};

use async_trait::async_trait;
use cutover_contract::Provider;
use cutover_contract::suite::{self, Bench, Edit, Fault, Missing, Rrsets};
use cutover_memory::Memory;
use cutover_zone::{Name, RrSet, Zone};

/// Makes an adapter for zones in this process.
pub(crate) type Connect = Box<dyn Fn(Memory) -> Box<dyn Provider> + Send + Sync>;

pub(crate) struct InMemory {
    pub(crate) memory: Memory,
    connect: Connect,
}

fn origin() -> Name {
    Name::absolute("suite.test.").expect("a name")
}

impl InMemory {
    pub(crate) fn new(connect: Connect) -> Self {
        Self { memory: Memory::default(), connect }
    }

    fn with(&mut self, rrsets: &Rrsets, more: &[&str]) -> Box<dyn Provider> {
        let lines: Vec<String> = more.iter().map(|line| (*line).to_owned()).collect();
        let mut rrsets = rrsets.clone();
        rrsets.extend(suite::rrsets(&origin(), &lines));
        self.memory = Memory::new([Zone { origin: origin(), rrsets }]);
        (self.connect)(self.memory.clone())
    }
}

const APEX: &[&str] =
    &["@ SOA 300 ns.elsewhere.example. h 1 7200 900 600 300", "@ NS 300 ns.elsewhere.example."];
const SIGNED: &[&str] = &[
    APEX[0],
    APEX[1],
    r"@ RRSIG 300 \# 2 0001",
    r"@ NSEC 300 \# 2 0001",
    r"www RRSIG 300 \# 2 0001",
];

#[async_trait]
impl Bench for InMemory {
    fn title(&self) -> &'static str {
        "memory"
    }

    fn origin(&self) -> Name {
        origin()
    }

    async fn fresh(&mut self, rrsets: &Rrsets) -> Box<dyn Provider> {
        self.with(rrsets, APEX)
    }

    async fn signed(&mut self, rrsets: &Rrsets) -> Result<Box<dyn Provider>, Missing> {
        Ok(self.with(rrsets, SIGNED))
    }

    async fn read(&self) -> Result<Zone, Missing> {
        let mut zone = self.memory.zone(&origin()).expect("the zone is there");
        zone.rrsets.retain(|key, _| !key.rtype.is_made_by_signer());
        Ok(zone)
    }

    async fn edit(&self, edits: &[Edit]) -> Result<(), Missing> {
        let edit = |zone: &mut Zone| {
            for Edit { key, after } in edits {
                let _: Option<RrSet> = match after {
                    Some(rrset) => zone.rrsets.insert(key.clone(), rrset.clone()),
                    None => zone.rrsets.remove(key),
                };
            }
        };
        self.memory.edit(&origin(), edit).expect("the zone is there");
        Ok(())
    }

    async fn broken(&self, _fault: Fault) -> Result<Box<dyn Provider>, Missing> {
        Err(Missing("there is no path that could break, and no credentials"))
    }
}

/// Nothing here waits for anybody: a future that is not ready becomes ready when it is polled
/// again.
pub(crate) fn now<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(value) = future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            return value;
        }
    }
}
