//! A relay in front of a server that cuts a connection off at a request.

use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::spawn;

/// What becomes of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The server does not get it.
    RequestLost,
    /// The server gets it, and the client no answer.
    AnswerLost,
}

/// Passes on what a client and the server say in some protocol, and cuts them off where
/// [`Requests::fate`] says so.
pub type Serve = fn(&Requests, TcpStream, TcpStream) -> Option<()>;

/// A relay, which lives as long as the process.
pub struct Relay {
    port: u16,
    requests: Arc<Requests>,
}

/// The requests that pass a relay.
pub struct Requests {
    count: AtomicUsize,
    fault: Mutex<Option<(usize, Fault)>>,
    /// What else happens at that request.
    also: Mutex<Option<Also>>,
}

/// What happens at a request.
type Also = Box<dyn FnOnce() + Send>;

impl Relay {
    /// A relay in front of the server at this port.
    ///
    /// # Panics
    /// If no port is free.
    #[must_use]
    pub fn before(server: u16, serve: Serve) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port is free");
        let port = listener.local_addr().expect("an address").port();
        let requests = Arc::new(Requests {
            count: AtomicUsize::new(0),
            fault: Mutex::new(None),
            also: Mutex::new(None),
        });
        let serving = Arc::clone(&requests);
        spawn(move || {
            for client in listener.incoming().flatten() {
                let requests = Arc::clone(&serving);
                spawn(move || {
                    let server = TcpStream::connect((Ipv4Addr::LOCALHOST, server)).ok()?;
                    for side in [&client, &server] {
                        side.set_nodelay(true).ok()?;
                    }
                    serve(&requests, client, server)
                });
            }
        });
        Self { port, requests }
    }

    /// Where it listens, on loopback.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Counts from 0 again, and cuts off the request with this number. Returns how many requests
    /// there were.
    ///
    /// # Panics
    /// If a thread of the relay has panicked.
    pub fn arm(&self, fault: Option<(usize, Fault)>) -> usize {
        *self.requests.fault.lock().expect("nobody panics") = fault;
        self.requests.count.swap(0, Ordering::SeqCst)
    }
}

impl Relay {
    /// As [`Relay::arm`], and does something else when the request with this number comes.
    ///
    /// # Panics
    /// If a thread of the relay has panicked.
    pub fn arm_and(&self, at: usize, fault: Fault, also: impl FnOnce() + Send + 'static) {
        *self.requests.also.lock().expect("nobody panics") = Some(Box::new(also));
        self.arm(Some((at, fault)));
    }
}

impl Requests {
    /// What becomes of the next request.
    ///
    /// # Panics
    /// If a thread of the relay has panicked.
    pub fn fate(&self) -> Option<Fault> {
        let number = self.count.fetch_add(1, Ordering::SeqCst);
        let fault = *self.fault.lock().expect("nobody panics");
        let fault = fault.filter(|(at, _)| *at == number).map(|(_, fault)| fault);
        if fault.is_some() {
            let also = self.also.lock().expect("nobody panics").take();
            if let Some(also) = also {
                also();
            }
        }
        fault
    }
}
