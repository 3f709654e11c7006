//! A line to a server, which is cut after some octets.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::spawn;

/// Where a connection is cut: after so many octets of the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cut {
    /// The number of the connection, from 0.
    pub(crate) connection: usize,
    /// How many octets of the server still arrive.
    pub(crate) octets: usize,
}

/// A line to a server.
pub(crate) struct Line {
    address: SocketAddr,
    /// The octets of the server on each connection.
    heard: Arc<Mutex<Vec<usize>>>,
}

impl Line {
    /// A line to this server, which is cut once, or not at all.
    #[must_use]
    pub(crate) fn to(server: SocketAddr, cut: Option<Cut>) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let address = listener.local_addr().expect("an address");
        let heard: Arc<Mutex<Vec<usize>>> = Arc::default();
        let (count, all) = (AtomicUsize::new(0), Arc::clone(&heard));
        spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let number = count.fetch_add(1, Ordering::SeqCst);
                let limit = cut.filter(|cut| cut.connection == number).map(|cut| cut.octets);
                all.lock().unwrap_or_else(PoisonError::into_inner).push(0);
                let all = Arc::clone(&all);
                let note = move |octets: usize| {
                    let mut all = all.lock().unwrap_or_else(PoisonError::into_inner);
                    all[number] = octets;
                };
                spawn(move || connect(client, server, limit, &note));
            }
        });
        Self { address, heard }
    }

    /// Where it begins.
    #[must_use]
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// How many octets of the server went over each connection so far.
    #[must_use]
    pub(crate) fn heard(&self) -> Vec<usize> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Connects a client with a server, and cuts the connection after so many octets of the server.
fn connect(client: TcpStream, server: SocketAddr, limit: Option<usize>, note: &dyn Fn(usize)) {
    let end = |stream: &TcpStream| {
        let _ = stream.shutdown(Shutdown::Both);
    };
    let opened = (limit != Some(0)).then(|| TcpStream::connect(server).ok()).flatten();
    let Some(mut server) = opened else { return end(&client) };
    let (Ok(mut from), Ok(mut to)) = (client.try_clone(), server.try_clone()) else { return };
    spawn(move || {
        let _ = std::io::copy(&mut from, &mut to);
        let _ = to.shutdown(Shutdown::Write);
    });
    let (mut heard, mut buffer) = (0, vec![0; 1 << 14]);
    let mut client = client;
    while let Ok(octets @ 1..) = server.read(&mut buffer) {
        let left = limit.map_or(octets, |limit| octets.min(limit - heard));
        heard += left;
        note(heard);
        if client.write_all(&buffer[..left]).is_err() || limit == Some(heard) {
            break;
        }
    }
    end(&client);
    end(&server);
}
