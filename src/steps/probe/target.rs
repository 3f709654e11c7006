//! The servers that a mail probe asks: names in the plan, addresses from the plan or from resolvers.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use cutover_contract::{ConfigField, FieldKind};
use cutover_zone::{Name, Rdata, RrKey, RrType};

use super::{BadSetting, Finding, Round, texts};
use crate::ask::{Answered, AskName, Looked, Query, Resolvers};
use crate::graph::gate::Settings;
use crate::resolver::socket;

/// The key with the exchanges, which the compiler fills in from the host.
pub const EXCHANGES: &str = "exchanges";
/// The key with the servers for clients, which the compiler fills in from the host's discovery
/// records.
pub const SERVERS: &str = "servers";
/// The key with the host of the plan.
pub const HOST: &str = "host";
/// The key with the mail domain, which the compiler fills in if the plan moves only one.
pub const DOMAIN: &str = "domain";
/// The key with the resolvers, which the compiler fills in from the plan's `resolver:`.
pub const RESOLVER: &str = "resolver";
/// The value of [`RESOLVER`] when nobody is asked.
pub const NO_RESOLVER: &str = "none";

/// The servers of a probe that asks exchanges.
pub(super) const EXCHANGES_FIELD: ConfigField = ConfigField {
    name: EXCHANGES,
    kind: FieldKind::Texts,
    required: false,
    former: None,
    doc: "The exchanges to ask: `NAME`, `NAME:PORT`, or `NAME@ADDRESS` and `NAME@ADDRESS:PORT` for a name that is not published yet. Default: those of `host`.",
};

/// The servers of a probe that asks servers for clients.
pub(super) const SERVERS_FIELD: ConfigField = ConfigField {
    name: SERVERS,
    kind: FieldKind::Texts,
    required: false,
    former: None,
    doc: "The servers to ask, as with `exchanges` of `smtp`. Default: those of the SRV records in the host's `discovery`.",
};

/// Who looks up their addresses.
pub(super) const RESOLVER_FIELD: ConfigField = ConfigField {
    name: RESOLVER,
    kind: FieldKind::Texts,
    required: false,
    former: None,
    doc: "The resolvers that look up addresses, as ADDRESS or ADDRESS:PORT, or `none`. Default: the plan's `resolver`.",
};

/// The maximum number of servers of one gate. Our choice: large hosts have some ten exchanges.
const TARGETS_MAX: usize = 64;
/// The maximum number of addresses of a server that are asked. Our choice: exchanges of large hosts
/// have four of each family.
const ADDRESSES_MAX: usize = 16;
const DNS_PORT: u16 = 53;

/// A server.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Target {
    /// Its name, which its certificate has to have.
    pub name: Name,
    /// Where it is, if the plan says so.
    pub address: Option<IpAddr>,
    /// The port, if it is not the usual one.
    pub port: Option<u16>,
}

impl Target {
    /// Reads `NAME`, `NAME:PORT`, `NAME@ADDRESS` or `NAME@ADDRESS:PORT`.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        const ANY: u16 = 0;
        if let Some((name, at)) = text.split_once('@') {
            let name = Name::from_user(name).ok()?;
            // Port 0 stands for "not said", and cannot be said.
            let (address, port) = match at.parse::<IpAddr>() {
                Ok(address) => (address, None),
                Err(_) => {
                    let socket = socket(at, 1)?;
                    let has_port = at.parse::<SocketAddr>().is_ok();
                    (socket.ip(), has_port.then_some(socket.port()))
                }
            };
            return Some(Self { name, address: Some(address), port });
        }
        let (name, port) = match text.rsplit_once(':') {
            Some((name, port)) => (name, Some(port.parse().ok().filter(|port| *port != ANY)?)),
            None => (text, None),
        };
        Some(Self { name: Name::from_user(name).ok()?, address: None, port })
    }

    /// The name without the dot at its end, as in a certificate.
    #[must_use]
    pub fn host(&self) -> String {
        self.name.to_string().trim_end_matches('.').to_owned()
    }

    fn keys(&self) -> [RrKey; 2] {
        [RrType::A, RrType::AAAA].map(|rtype| RrKey::new(self.name.clone(), rtype))
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.host())?;
        match (self.address, self.port) {
            (Some(address), Some(port)) => write!(f, "@{}", SocketAddr::new(address, port)),
            (Some(address), None) => write!(f, "@{address}"),
            (None, Some(port)) => write!(f, ":{port}"),
            (None, None) => Ok(()),
        }
    }
}

/// A server with an address.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct At {
    /// Its name.
    pub(super) host: String,
    /// Its address.
    pub(super) server: SocketAddr,
}

impl fmt::Display for At {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} [{}]", self.host, self.server)
    }
}

/// Where a server is.
pub(super) enum Located {
    /// Nobody was asked yet.
    Ask(Vec<Query>),
    /// At these addresses.
    At(Vec<At>),
    /// Nowhere, and what that shows.
    Nowhere(Finding, String),
}

/// Whether a list of servers can be read.
pub(super) fn check_targets(settings: &Settings, key: &'static str) -> Result<(), BadSetting> {
    let bad = |key, problem: String, help: &str| {
        Err(BadSetting { key, is_secret: false, problem, help: help.to_owned() })
    };
    let listed = texts(settings, key);
    if listed.len() > TARGETS_MAX {
        let problem = format!("more than {TARGETS_MAX} servers are listed");
        return bad(key, problem, "use several gates");
    }
    for text in listed {
        if Target::read(text).is_none() {
            let problem = format!("{} is not a server", cutover_base::diag::quoted(text));
            let help = "write `mx.example.net`, `mx.example.net:25` or `mx.example.net@192.0.2.1`";
            return bad(key, problem, help);
        }
    }
    for text in texts(settings, RESOLVER) {
        if text != NO_RESOLVER && socket(text, DNS_PORT).is_none() {
            let problem = format!("{} is not a resolver", cutover_base::diag::quoted(text));
            return bad(RESOLVER, problem, "write `127.0.0.1`, `[::1]:53` or `none`");
        }
    }
    Ok(())
}

/// The servers of a key.
pub(super) fn targets(settings: &Settings, key: &str) -> Vec<Target> {
    texts(settings, key).iter().filter_map(|text| Target::read(text)).collect()
}

/// Who looks names up.
pub(super) fn resolvers(settings: &Settings) -> Resolvers {
    match texts(settings, RESOLVER) {
        [] => Resolvers::System,
        [none] if none == NO_RESOLVER => Resolvers::None,
        listed => {
            Resolvers::Servers(listed.iter().filter_map(|text| socket(text, DNS_PORT)).collect())
        }
    }
}

/// What resolvers have answered for a name, if they were asked.
pub(super) fn looked<'r>(rounds: &'r [Round], key: &RrKey) -> Option<&'r Looked> {
    let mut answers = rounds.iter().flatten().filter_map(Answered::name);
    answers.find(|(question, _)| question.key == *key).map(|(_, looked)| looked)
}

/// The question for a name.
pub(super) fn look_up(settings: &Settings, key: RrKey) -> Query {
    Query::Name(AskName { resolvers: resolvers(settings), key })
}

/// Where a server is. Addresses of IPv4 come first.
pub(super) fn locate(
    settings: &Settings,
    target: &Target,
    usual_port: u16,
    rounds: &[Round],
) -> Located {
    let port = target.port.unwrap_or(usual_port);
    let at = |ip| At { host: target.host(), server: SocketAddr::new(ip, port) };
    if let Some(address) = target.address {
        return Located::At(vec![at(address)]);
    }
    let keys = target.keys();
    let asked: Vec<Option<&Looked>> = keys.iter().map(|key| looked(rounds, key)).collect();
    let open = keys.iter().zip(&asked).filter(|(_, looked)| looked.is_none());
    let open: Vec<Query> = open.map(|(key, _)| look_up(settings, key.clone())).collect();
    if !open.is_empty() {
        return Located::Ask(open);
    }
    let mut found = Vec::new();
    let mut silent = None;
    for looked in asked.into_iter().flatten() {
        match looked {
            Looked::Found { rdata, .. } => found.extend(rdata.iter().filter_map(Rdata::ip).map(at)),
            Looked::Fails(why) | Looked::Unanswered(why) => silent = Some(why),
        }
    }
    found.truncate(ADDRESSES_MAX);
    match (found.is_empty(), silent) {
        (false, None) => Located::At(found),
        (_, Some(why)) => {
            let said = format!("the addresses of {} cannot be looked up: {why}", target.host());
            Located::Nowhere(Finding::Unanswered, said)
        }
        (true, None) => {
            Located::Nowhere(Finding::Fail, format!("{} has no address", target.host()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        for text in [
            "mx.example.net",
            "mx.example.net:2525",
            "mx.example.net@192.0.2.1",
            "mx.example.net@192.0.2.1:2525",
            "mx.example.net@2001:db8::1",
            "mx.example.net@[2001:db8::1]:2525",
        ] {
            let read = Target::read(text).unwrap_or_else(|| panic!("{text}"));
            assert_eq!(read.to_string(), text);
        }
    }

    #[test]
    fn what_is_none_is_refused() {
        for text in ["", "mx..net", "mx.net:0", "mx.net:x", "mx.net@", "mx.net@host", "a b"] {
            assert_eq!(Target::read(text), None, "{text}");
        }
    }
}
