//! The faults of the conformance suite, injected between an adapter and a fake of its provider's HTTP API.

use std::sync::{Arc, Mutex};

use cutover_contract::Provider;
use cutover_contract::suite::Fault;
use cutover_kit::testing::{Hurried, closed, nobody};

use crate::lab::fault_proxy::{Answer, FaultProxy, HttpFault, Request, Service};

/// Makes adapters whose connection to a service has a fault.
pub(crate) struct FaultInjector {
    service: Arc<dyn Service>,
    /// Connects an adapter to a URL.
    adapter: fn(&str) -> Box<dyn Provider>,
    /// The service's answer when it throttles.
    throttled: fn() -> Answer,
    /// The service's answer when it fails.
    failure: fn() -> Answer,
    /// Kept so that they listen as long as the adapters are used.
    proxies: Mutex<Vec<FaultProxy>>,
}

impl FaultInjector {
    pub(crate) fn new(
        service: Arc<dyn Service>,
        adapter: fn(&str) -> Box<dyn Provider>,
        throttled: fn() -> Answer,
        failure: fn() -> Answer,
    ) -> Self {
        Self { service, adapter, throttled, failure, proxies: Mutex::default() }
    }

    /// An adapter whose connection to the service has this fault.
    ///
    /// # Panics
    /// For wrong credentials, which are not a fault of the connection.
    pub(crate) fn with(&self, fault: Fault) -> Box<dyn Provider> {
        let html = |status: u16| Answer::new(status, "text/html", "<html><title>Welcome</title>");
        match fault {
            Fault::WrongCredentials => panic!("wrong credentials are tested by the suite's bench"),
            Fault::Down => (self.adapter)(&format!("http://{}", closed())),
            Fault::Silent => {
                let (address, listener) = nobody();
                let provider = (self.adapter)(&format!("http://{address}"));
                Box::new(Hurried::new(provider, listener))
            }
            Fault::Garbage => self.through(move |_| Some(HttpFault::Instead(html(200)))),
            Fault::Throttled => {
                let answer = self.throttled;
                self.through(move |_| Some(HttpFault::Instead(answer())))
            }
            Fault::CutBeforeEffect => self.writing(|| HttpFault::CutBefore),
            Fault::CutAfterEffect => self.writing(|| HttpFault::CutAfter),
            Fault::GarbageToWrite => self.writing(|| HttpFault::Babble(b"babble".to_vec())),
            Fault::ServerFailure => {
                let answer = self.failure;
                self.writing(move || HttpFault::Instead(answer()))
            }
        }
    }

    /// An adapter whose writes have this fault.
    fn writing(&self, fault: impl Fn() -> HttpFault + Send + Sync + 'static) -> Box<dyn Provider> {
        self.through(move |request| (request.method == "POST").then(&fault))
    }

    fn through(
        &self,
        fault_for: impl Fn(&Request) -> Option<HttpFault> + Send + Sync + 'static,
    ) -> Box<dyn Provider> {
        let proxy = FaultProxy::with_faults(self.service.clone(), fault_for);
        let provider = (self.adapter)(&proxy.url());
        self.proxies.lock().expect("no test panics with it").push(proxy);
        provider
    }
}
