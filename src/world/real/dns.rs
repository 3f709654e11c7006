//! DNS queries to authoritative servers, and to resolvers for names outside the plan's zones.
//!
//! An authoritative server is queried over UDP with EDNS and without recursion, and over TCP if the
//! answer is truncated. Nothing is cached. Only an authoritative answer counts.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use cutover_zone::{Name, Rdata, RrKey, RrSet, RrType, Ttl, Zone};
use hickory_proto::dnssec::rdata::DNSKEY;
use hickory_proto::dnssec::{Algorithm, DigestType, PublicKeyBuf};
use hickory_proto::op::{Edns, Message, MessageType, OpCode, Query as Question, ResponseCode};
use hickory_proto::rr::{DNSClass, Name as WireName, RData, Record, RecordType};
use hickory_proto::serialize::binary::{BinEncodable, BinEncoder, NameEncoding};
use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolverConfig, ResolverOpts};
use hickory_resolver::net::NetError;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::{ResolverBuilder, TokioResolver};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::timeout;

use crate::ask::{Looked, Outside, Resolvers, Served};
use crate::language::ResolverSpec;
use crate::resolver::{ResolverAddress, Transport};

/// The port of authoritative servers (RFC 1035 §4.2).
pub(super) const DNS_PORT: u16 = 53;
/// How long to wait for an answer. Our choice: an authoritative server that is slower is broken.
const ANSWER_MAX: Duration = Duration::from_secs(3);
/// How often a query is sent before it counts as unanswered. Our choice: datagrams get lost.
const TRIES: usize = 3;
/// EDNS payload size that crosses the Internet unfragmented (DNS Flag Day 2020).
const EDNS_OCTETS: u16 = 1_232;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AskError {
    #[error("no answer within {} s", ANSWER_MAX.as_secs())]
    Silence,
    #[error("{0}")]
    Io(#[from] std::io::Error),
    #[error("an answer that cannot be read")]
    Garbage,
    #[error("the code {0}")]
    Code(ResponseCode),
    #[error("it is not authoritative for the zone")]
    NotAuthoritative,
}

/// Queries one authoritative server for one RRset.
pub(crate) async fn served(server: SocketAddr, key: &RrKey) -> Served {
    match ask(server, key).await {
        Ok(rrset) => Served::Answer(rrset),
        Err(error) => Served::Unanswered(error.to_string()),
    }
}

/// Queries one authoritative server for one RRset that may have been removed.
///
/// A wildcard answers for a name that does not exist. Such a name gets the same answer as its
/// sibling `*`, which either exists or is answered for by the same wildcard (RFC 4592 §2.1.1,
/// §3.3.1). A removed wildcard gets the same answer as the sibling `*` of the name above it.
pub(crate) async fn served_or_absent(server: SocketAddr, key: &RrKey) -> Served {
    let found = served(server, key).await;
    let Served::Answer(Some(rrset)) = found else { return found };
    let above = match key.name.is_wildcard() {
        true => key.name.parent().and_then(|name| name.parent()),
        false => key.name.parent(),
    };
    // A name at the maximum length has no name below it.
    let sibling = above.and_then(|above| above.child("*").ok());
    let Some(sibling) = sibling else { return Served::Answer(Some(rrset)) };
    match served(server, &RrKey::new(sibling, key.rtype)).await {
        Served::Answer(Some(other)) if other == rrset => Served::Wildcard(rrset),
        Served::Answer(_) | Served::Wildcard(_) | Served::Unanswered(_) => {
            Served::Answer(Some(rrset))
        }
    }
}

/// A server's referral to a zone below its own.
#[derive(Debug)]
pub(crate) struct Referral {
    /// The zone's servers, and the addresses that came with them (glue, RFC 9471).
    pub(crate) servers: BTreeMap<Name, BTreeSet<IpAddr>>,
}

/// Queries a server of a parent zone for the servers of a zone below it. `None` if it says that
/// there is no such zone.
///
/// A server that has both zones answers from the lower one (RFC 1034 §4.3.2). That answer is
/// accepted.
///
/// # Errors
/// [`AskError`].
pub(crate) async fn referral(
    server: SocketAddr,
    zone: &Name,
) -> Result<Option<Referral>, AskError> {
    let key = RrKey::new(zone.clone(), RrType::NS);
    referral_of(&exchange(server, &key).await?, zone)
}

fn referral_of(answer: &Message, zone: &Name) -> Result<Option<Referral>, AskError> {
    let code = answer.metadata.response_code;
    if !matches!(code, ResponseCode::NoError | ResponseCode::NXDomain) {
        return Err(AskError::Code(code));
    }
    let owner = wire_name(zone)?;
    let mut servers: BTreeMap<Name, BTreeSet<IpAddr>> = answer
        .answers
        .iter()
        .chain(&answer.authorities)
        .filter(|record| record.name == owner && record.record_type() == RecordType::NS)
        .filter_map(|record| Some((rdata_of(record)?.target()?.clone(), BTreeSet::new())))
        .collect();
    if servers.is_empty() {
        return match answer.metadata.authoritative {
            true => Ok(None),
            false => Err(AskError::NotAuthoritative),
        };
    }
    for record in &answer.additionals {
        for (name, addresses) in &mut servers {
            if wire_name(name).is_ok_and(|name| name == record.name) {
                addresses.extend(record.data.ip_addr());
            }
        }
    }
    Ok(Some(Referral { servers }))
}

/// Looks up an RRset at resolvers, in turn until one answers, and says whether the answer is
/// validated. Only the AD bit of a resolver over a path that nobody else writes to means that; so
/// the plan's resolvers have to be on this machine or network (RFC 7672 §2.1).
pub(crate) async fn looked(resolvers: &Resolvers, key: &RrKey) -> Looked {
    let servers = match resolvers {
        Resolvers::Servers(servers) => servers.clone(),
        Resolvers::None => {
            return Looked::Unanswered("the plan says `resolver: none`".to_owned());
        }
        Resolvers::System => match system_resolvers() {
            Ok(servers) => servers,
            Err(error) => return Looked::Unanswered(error.to_string()),
        },
    };
    let mut last = Looked::Unanswered("there is no resolver".to_owned());
    for server in servers.into_iter().take(RESOLVERS_MAX) {
        last = match exchange_with(server, key, Recursion::Desired).await {
            Ok(answer) => found(&answer, key),
            Err(error) => Looked::Unanswered(format!("{server}: {error}")),
        };
        if let Looked::Found { .. } = last {
            break;
        }
    }
    last
}

/// The maximum number of resolvers that are asked in turn. Our choice: systems use three (resolv.conf(5)).
const RESOLVERS_MAX: usize = 3;

/// The resolvers of this machine.
fn system_resolvers() -> Result<Vec<SocketAddr>, NetError> {
    let (config, _) = hickory_resolver::system_conf::read_system_conf()?;
    let servers = config.name_servers().iter();
    Ok(servers.map(|server| SocketAddr::new(server.ip, DNS_PORT)).collect())
}

/// What a resolver has answered. It has followed the aliases, so every record of the type counts.
fn found(answer: &Message, key: &RrKey) -> Looked {
    let code = answer.metadata.response_code;
    if code == ResponseCode::ServFail {
        return Looked::Fails(format!("{} {}: SERVFAIL", key.name, key.rtype));
    }
    if !matches!(code, ResponseCode::NoError | ResponseCode::NXDomain) {
        return Looked::Unanswered(format!("the code {code}"));
    }
    let mine =
        answer.answers.iter().filter(|one| u16::from(one.record_type()) == key.rtype.number());
    Looked::Found {
        rdata: mine.filter_map(rdata_of).collect(),
        is_validated: answer.metadata.authentic_data,
    }
}

/// Whether the digest type of a DS record is supported (RFC 8624 §3.3).
pub(crate) fn is_known_digest(ds: &Rdata) -> bool {
    ds.wire().get(3).is_some_and(|kind| {
        matches!(
            DigestType::from(*kind),
            DigestType::SHA1 | DigestType::SHA256 | DigestType::SHA384
        )
    })
}

/// Whether a DS record refers to a DNSKEY (RFC 4034 §5.1.4).
pub(crate) fn matches(zone: &Name, ds: &Rdata, key: &Rdata) -> bool {
    let Some((&[tag_high, tag_low, algorithm, kind], digest)) = ds.wire().split_first_chunk()
    else {
        return false;
    };
    // The protocol field is always 3 (RFC 4034 §2.1.2).
    let Some((&[flags_high, flags_low, _, key_algorithm], key)) = key.wire().split_first_chunk()
    else {
        return false;
    };
    let flags = u16::from_be_bytes([flags_high, flags_low]);
    let key = PublicKeyBuf::new(key.to_vec(), Algorithm::from_u8(key_algorithm));
    let key = DNSKEY::with_flags(flags, key);
    let tag = u16::from_be_bytes([tag_high, tag_low]);
    let Ok(zone) = wire_name(zone) else { return false };
    algorithm == key_algorithm
        && key.calculate_key_tag().is_ok_and(|own| own == tag)
        && key.to_digest(&zone, DigestType::from(kind)).is_ok_and(|own| own.as_ref() == digest)
}

async fn ask(server: SocketAddr, key: &RrKey) -> Result<Option<RrSet>, AskError> {
    rrset_of(&exchange(server, key).await?, key)
}

/// Sends a query and returns the answer unchecked.
async fn exchange(server: SocketAddr, key: &RrKey) -> Result<Message, AskError> {
    exchange_with(server, key, Recursion::Refused).await
}

/// Whether a server looks further.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Recursion {
    /// It answers from what it has.
    Refused,
    /// It looks for the answer, and says whether it has validated it (AD, RFC 6840 §5.7).
    Desired,
}

async fn exchange_with(
    server: SocketAddr,
    key: &RrKey,
    recursion: Recursion,
) -> Result<Message, AskError> {
    let mut question = Message::query();
    question.metadata.recursion_desired = recursion == Recursion::Desired;
    question.metadata.authentic_data = recursion == Recursion::Desired;
    let mut query = Question::query(wire_name(&key.name)?, RecordType::from(key.rtype.number()));
    query.set_query_class(DNSClass::IN);
    question.add_query(query);
    let mut edns = Edns::new();
    edns.set_max_payload(EDNS_OCTETS);
    question.set_edns(edns);
    let octets = question.to_vec().map_err(|_| AskError::Garbage)?;
    let mut last = AskError::Silence;
    for _ in 0..TRIES {
        match timeout(ANSWER_MAX, over_udp(server, &octets, &question)).await {
            Ok(Ok(answer)) if answer.metadata.truncation => {
                let answer = timeout(ANSWER_MAX, over_tcp(server, &octets, &question)).await;
                return answer.map_err(|_| AskError::Silence)?;
            }
            Ok(Ok(answer)) => return Ok(answer),
            Ok(Err(error)) => last = error,
            Err(_) => last = AskError::Silence,
        }
    }
    Err(last)
}

async fn over_udp(
    server: SocketAddr,
    octets: &[u8],
    question: &Message,
) -> Result<Message, AskError> {
    let local: IpAddr = match server {
        SocketAddr::V4(_) => IpAddr::from([0; 4]),
        SocketAddr::V6(_) => IpAddr::from([0; 16]),
    };
    let socket = UdpSocket::bind((local, 0)).await?;
    // The system drops datagrams that come to a connected socket from elsewhere.
    socket.connect(server).await?;
    socket.send(octets).await?;
    let mut buffer = [0; 4_096];
    loop {
        let length = socket.recv(&mut buffer).await?;
        // Ignore an answer to another query or a forged one: the right one may still come.
        if let Some(answer) = message(&buffer[..length])
            && answers(&answer, question)
        {
            return Ok(answer);
        }
    }
}

async fn over_tcp(
    server: SocketAddr,
    octets: &[u8],
    question: &Message,
) -> Result<Message, AskError> {
    let mut stream = TcpStream::connect(server).await?;
    let length = u16::try_from(octets.len()).map_err(|_| AskError::Garbage)?;
    stream.write_all(&[&length.to_be_bytes()[..], octets].concat()).await?;
    let length = stream.read_u16().await?;
    let mut buffer = vec![0; usize::from(length)];
    stream.read_exact(&mut buffer).await?;
    let answer = message(&buffer).ok_or(AskError::Garbage)?;
    if answers(&answer, question) { Ok(answer) } else { Err(AskError::Garbage) }
}

/// The octet and the bits of a message's opcode (RFC 1035 §4.1.1). The opcode of UPDATE is 5.
const OPCODE_AT: usize = 2;
const OPCODE: u8 = 0b0111_1000;
const UPDATE: u8 = 5 << 3;

/// Parses the answer to a query. A record may have empty rdata (RFC 3597 §5), which hickory accepts
/// only in an UPDATE, so the answer is parsed as an UPDATE.
fn message(octets: &[u8]) -> Option<Message> {
    let mut octets = octets.to_vec();
    let flags = octets.get_mut(OPCODE_AT)?;
    if *flags & OPCODE != 0 {
        return None;
    }
    *flags |= UPDATE;
    let mut message = Message::from_vec(&octets).ok()?;
    message.metadata.op_code = OpCode::Query;
    Some(message)
}

fn answers(answer: &Message, question: &Message) -> bool {
    answer.metadata.message_type == MessageType::Response
        && answer.metadata.id == question.metadata.id
        && answer.queries == question.queries
}

fn rrset_of(answer: &Message, key: &RrKey) -> Result<Option<RrSet>, AskError> {
    let code = answer.metadata.response_code;
    if !matches!(code, ResponseCode::NoError | ResponseCode::NXDomain) {
        return Err(AskError::Code(code));
    }
    if !answer.metadata.authoritative {
        return Err(AskError::NotAuthoritative);
    }
    let name = wire_name(&key.name)?;
    let mine = answer.answers.iter().filter(|record| {
        record.name == name && u16::from(record.record_type()) == key.rtype.number()
    });
    let mut ttl = Ttl::ZERO;
    let mut rdata = Vec::new();
    for record in mine {
        // If they differ, take the longest, because holds are counted from it.
        ttl = ttl.max(Ttl::from_wire(record.ttl));
        rdata.push(rdata_of(record).ok_or(AskError::Garbage)?);
    }
    match rdata.is_empty() {
        true => Ok(None),
        false => RrSet::new(ttl, rdata).map(Some).map_err(|_| AskError::Garbage),
    }
}

fn wire_name(name: &Name) -> Result<WireName, AskError> {
    let mut wire = WireName::from_labels(name.labels()).map_err(|_| AskError::Garbage)?;
    wire.set_fqdn(true);
    Ok(wire)
}

fn rdata_of(record: &Record) -> Option<Rdata> {
    let mut octets = Vec::new();
    let mut encoder = BinEncoder::new(&mut octets);
    encoder.set_name_encoding(NameEncoding::Uncompressed);
    let data: &RData = &record.data;
    data.emit(&mut encoder).ok()?;
    Rdata::kept_wire(RrType::new(record.record_type().into()), &octets).ok()
}

/// The configuration of a server with these connections.
fn name_server(server: SocketAddr, mut connections: Vec<ConnectionConfig>) -> NameServerConfig {
    connections.iter_mut().for_each(|connection| connection.port = server.port());
    NameServerConfig::new(server.ip(), true, connections)
}

/// A resolver without a cache, so that its answers are what its servers say now.
fn builder(servers: Vec<NameServerConfig>) -> ResolverBuilder<TokioRuntimeProvider> {
    let mut options = ResolverOpts::default();
    options.cache_size = 0;
    let config = ResolverConfig::from_parts(None, Vec::new(), servers);
    TokioResolver::builder_with_config(config, TokioRuntimeProvider::default())
        .with_options(options)
}

/// Why a resolver cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ResolverError {
    /// The system's configuration cannot be read, or the resolver cannot be made.
    #[error(transparent)]
    Resolver(#[from] NetError),
    /// TLS cannot be set up.
    #[error("TLS cannot be set up: {0}")]
    Tls(#[from] tokio_rustls::rustls::Error),
}

/// Answers questions about names outside the plan's zones.
pub(crate) struct Resolver(Option<TokioResolver>);

impl Resolver {
    /// The resolver that the plan names.
    ///
    /// # Errors
    /// [`ResolverError`].
    pub(crate) fn new(spec: &ResolverSpec) -> Result<Self, ResolverError> {
        let resolver = match spec {
            ResolverSpec::None => None,
            ResolverSpec::System => Some(TokioResolver::builder_tokio()?.build()?),
            ResolverSpec::Servers(servers) => {
                let connections = || vec![ConnectionConfig::udp(), ConnectionConfig::tcp()];
                let servers = servers.iter().map(|server| name_server(*server, connections()));
                Some(builder(servers.collect()).build()?)
            }
        };
        Ok(Self(resolver))
    }

    /// A single resolver with its transport.
    ///
    /// # Errors
    /// [`ResolverError`].
    pub(crate) fn single(resolver: &ResolverAddress) -> Result<Self, ResolverError> {
        let connections = match &resolver.transport {
            Transport::Udp => vec![ConnectionConfig::udp(), ConnectionConfig::tcp()],
            Transport::Tcp => vec![ConnectionConfig::tcp()],
            Transport::Tls { name } => vec![ConnectionConfig::tls(name.as_str().into())],
            Transport::Https { name, path } => {
                vec![ConnectionConfig::https(name.as_str().into(), Some(path.as_str().into()))]
            }
        };
        let tls = cutover_web::tls(resolver.transport.is_encrypted())?;
        let builder =
            builder(vec![name_server(resolver.address, connections)]).with_tls_config(tls);
        Ok(Self(Some(builder.build()?)))
    }

    /// Whether the plan says `resolver: none`.
    pub(crate) fn is_none(&self) -> bool {
        self.0.is_none()
    }

    /// The addresses of a server, from the zone or else from a resolver.
    pub(super) async fn addresses(&self, server: &Name, zone: Option<&Zone>) -> BTreeSet<IpAddr> {
        let mut addresses = BTreeSet::new();
        for rtype in [RrType::A, RrType::AAAA] {
            let key = RrKey::new(server.clone(), rtype);
            let records = match zone.and_then(|zone| zone.get(&key)) {
                Some(held) => held.shared_rdata(),
                None => match self.outside(&key).await {
                    Outside::Records(records) => records,
                    Outside::Absent | Outside::Unknown(_) => [].into(),
                },
            };
            addresses.extend(records.iter().filter_map(Rdata::ip));
        }
        addresses
    }

    /// Looks up one RRset, following aliases.
    pub(crate) async fn outside(&self, key: &RrKey) -> Outside {
        let Some(resolver) = &self.0 else {
            return Outside::Unknown("the plan says `resolver: none`".into());
        };
        let Ok(name) = wire_name(&key.name) else {
            return Outside::Unknown("the name cannot be queried".into());
        };
        match resolver.lookup(name, RecordType::from(key.rtype.number())).await {
            Ok(lookup) => {
                let mine = lookup.answers().iter();
                let mine = mine.filter(|r| u16::from(r.record_type()) == key.rtype.number());
                let rdata: Vec<Rdata> = mine.filter_map(rdata_of).collect();
                if rdata.is_empty() { Outside::Absent } else { Outside::Records(rdata.into()) }
            }
            Err(error) if error.is_nx_domain() || error.is_no_records_found() => Outside::Absent,
            Err(error) => Outside::Unknown(error.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_with_empty_rdata_is_accepted() {
        let mut wire = vec![0, 1, 0x84, 0, 0, 1, 0, 1, 0, 0, 0, 0];
        let question = [1, b'a', 4, b't', b'e', b's', b't', 0, 0xff, 0, 0, 1];
        wire.extend(question);
        wire.extend([0xc0, 12, 0xff, 0, 0, 1, 0, 0, 0, 60, 0, 0]);
        let answer = message(&wire).expect("a message");
        let key = RrKey::new(Name::from_user("a.test").expect("a name"), RrType::new(65_280));
        let found = rrset_of(&answer, &key).expect("an answer").expect("records");
        assert!(found.rdata()[0].wire().is_empty());
        assert_eq!(found.rdata()[0].rtype(), RrType::new(65_280));
    }
}
