//! The faults of the conformance suite, at doors to a fake of a provider's HTTP API.

use std::sync::{Arc, Mutex};

use cutover_contract::Provider;
use cutover_contract::suite::Fault;
use cutover_kit::testing::{Hurried, closed, nobody};

use crate::lab::door::{Answer, Door, Mishap, Request, Service};

/// Ways to a service that break.
pub(crate) struct Ways {
    service: Arc<dyn Service>,
    /// Connects an adapter to a URL.
    adapter: fn(&str) -> Box<dyn Provider>,
    /// The service's demand for patience.
    throttled: fn() -> Answer,
    /// A failure of the service's own.
    failure: fn() -> Answer,
    /// They stay open as long as the ways are there.
    doors: Mutex<Vec<Door>>,
}

impl Ways {
    pub(crate) fn new(
        service: Arc<dyn Service>,
        adapter: fn(&str) -> Box<dyn Provider>,
        throttled: fn() -> Answer,
        failure: fn() -> Answer,
    ) -> Self {
        Self { service, adapter, throttled, failure, doors: Mutex::default() }
    }

    /// An adapter whose way to the service has this fault.
    ///
    /// # Panics
    /// For wrong credentials, which are no matter of the way.
    pub(crate) fn with(&self, fault: Fault) -> Box<dyn Provider> {
        let html = |status: u16| Answer::new(status, "text/html", "<html><title>Welcome</title>");
        match fault {
            Fault::WrongCredentials => panic!("the bench knows other credentials"),
            Fault::Down => (self.adapter)(&format!("http://{}", closed())),
            Fault::Silent => {
                let (address, listener) = nobody();
                let provider = (self.adapter)(&format!("http://{address}"));
                Box::new(Hurried::new(provider, listener))
            }
            Fault::Garbage => self.through(move |_| Some(Mishap::Instead(html(200)))),
            Fault::Throttled => {
                let answer = self.throttled;
                self.through(move |_| Some(Mishap::Instead(answer())))
            }
            Fault::CutBeforeEffect => self.writing(|| Mishap::CutBefore),
            Fault::CutAfterEffect => self.writing(|| Mishap::CutAfter),
            Fault::GarbageToWrite => self.writing(|| Mishap::Babble(b"babble".to_vec())),
            Fault::ServerFailure => {
                let answer = self.failure;
                self.writing(move || Mishap::Instead(answer()))
            }
        }
    }

    /// An adapter with a door where this becomes of writes.
    fn writing(&self, mishap: impl Fn() -> Mishap + Send + Sync + 'static) -> Box<dyn Provider> {
        self.through(move |request| (request.method == "POST").then(&mishap))
    }

    fn through(
        &self,
        fate: impl Fn(&Request) -> Option<Mishap> + Send + Sync + 'static,
    ) -> Box<dyn Provider> {
        let door = Door::with_mishaps(self.service.clone(), fate);
        let provider = (self.adapter)(&door.url());
        self.doors.lock().expect("no test panics with it").push(door);
        provider
    }
}
