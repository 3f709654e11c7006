//! Unbound: a resolver that queries a server of the lab, over each transport that clients use.

use std::cell::Cell;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

use super::loopback::{free_port, loopback};
use super::server::{Plan, Program, Server, TsigKey, output, tool};
use super::tls::certificate;

const UNBOUND: Program = Program {
    name: "unbound",
    package: "unbound",
    port_taken: &["Address already in use"],
    zone_broken: "fatal error",
    updates_made: |_| 0,
};

/// The name in its certificate.
const NAME: &str = "resolver.test";

/// A resolver.
pub(crate) struct Unbound {
    server: Server,
    tls: SocketAddr,
    https: SocketAddr,
}

impl Unbound {
    /// A resolver that queries this server for its zones, with additional lines in its `server:`
    /// clause, such as `cache-min-ttl: 3600`.
    pub(crate) fn before(authority: &Server, more: &str) -> Self {
        Self::start(loopback(1), None, &[authority], more)
    }

    /// A resolver on port 53 of the `n`th loopback address, that queries these servers for the zones
    /// of the first.
    pub(crate) fn on_port_53(n: u8, authorities: &[&Server]) -> Self {
        Self::start(loopback(n), Some(53), authorities, "")
    }

    fn start(address: IpAddr, port_wish: Option<u16>, authorities: &[&Server], more: &str) -> Self {
        let authority = authorities[0];
        let [tls, https] = [(); 2].map(|()| SocketAddr::new(address, free_port(address, None)));
        // A resolver has no zone for which the lab could query it to see that it is ready.
        let listens = Cell::new(None);
        let is_ready = || {
            let zone = authority.zones().first().expect("a zone");
            listens.get().is_some_and(|addr| dig(addr, zone, "SOA").split(' ').count() == 7)
        };
        let configure = |dir: &Path, addr: SocketAddr, _: &TsigKey| {
            listens.set(Some(addr));
            certificate(dir, NAME);
            let text = configuration(dir, addr, [tls, https], authorities, more);
            let file = dir.join("unbound.conf");
            std::fs::write(&file, text).expect("the configuration can be written");
            ["-d", "-c", file.to_str().expect("text")].map(str::to_owned).to_vec()
        };
        let server = Server::start(&Plan {
            program: &UNBOUND,
            address,
            port_wish,
            key: TsigKey::generate("hmac-sha256"),
            zones: Vec::new(),
            configure: &configure,
            prepare: &is_ready,
        });
        Self { server, tls, https }
    }

    /// Its address for UDP and TCP.
    pub(crate) fn addr(&self) -> SocketAddr {
        self.server.addr()
    }

    /// Its addresses for UDP, TCP, TLS and HTTPS, as in a plan.
    pub(crate) fn addresses(&self) -> [String; 4] {
        let (plain, tls, https) = (self.server.addr(), self.tls, self.https);
        [
            plain.to_string(),
            format!("tcp://{plain}"),
            format!("tls://{tls}#{NAME}"),
            format!("https://{https}/dns-query#{NAME}"),
        ]
    }

    /// The certificate of the authority that signed its certificate.
    pub(crate) fn authority(&self) -> PathBuf {
        self.server.dir().join("ca.pem")
    }

    /// Makes it look up and cache a name. Returns the short output of `dig`.
    pub(crate) fn look_up(&self, name: &str, rtype: &str) -> String {
        dig(self.server.addr(), name, rtype)
    }
}

fn dig(addr: SocketAddr, name: &str, rtype: &str) -> String {
    let mut dig = tool("dig", "bind9-dnsutils");
    dig.arg(format!("@{}", addr.ip())).args(["-p", &addr.port().to_string()]);
    dig.args(["+short", "+tries=1", "+time=2", name, rtype]);
    output(dig, "")
}

fn configuration(
    dir: &Path,
    addr: SocketAddr,
    [tls, https]: [SocketAddr; 2],
    authorities: &[&Server],
    more: &str,
) -> String {
    let dir = dir.display();
    let interfaces =
        [addr, tls, https].map(|at| format!("  interface: {}@{}\n", at.ip(), at.port()));
    let at = authorities.iter().map(|server| server.addr());
    let at = at.map(|at| format!("  forward-addr: {}@{}\n", at.ip(), at.port()));
    let forward: String = at.collect();
    let zones = authorities[0].zones().iter();
    let zones = zones.map(|zone| format!("forward-zone:\n  name: \"{zone}\"\n{forward}"));
    format!(
        "server:
  directory: \"{dir}\"
  chroot: \"\"
  username: \"\"
  pidfile: \"{dir}/unbound.pid\"
  use-syslog: no
  do-daemonize: no
{}  tls-port: {}
  https-port: {}
  tls-service-key: \"{dir}/host.key\"
  tls-service-pem: \"{dir}/host.pem\"
  do-not-query-localhost: no
  access-control: 127.0.0.0/8 allow
  local-zone: \"test.\" nodefault
  module-config: \"iterator\"
  qname-minimisation: no
  {more}
{}",
        interfaces.concat(),
        tls.port(),
        https.port(),
        zones.collect::<String>()
    )
}
