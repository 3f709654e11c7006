//! The questions of `cutover discover`, asked in the real world.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use cutover_discover::{Answer, Answers, Next, Question, Request, ZoneServers, next};
use cutover_web::{Bounds, client, exchange};
use cutover_zone::{Name, Rdata, RrKey, RrType, Zone};
use futures_util::stream::{self, StreamExt};
use tokio::time::{Instant, timeout_at};

use super::delegation::delegation;
use super::dns::{self, DNS_PORT, Resolver, ResolverError};
use super::gate::client_kind;
use super::snapshot::{CONCURRENT_QUERIES_MAX, delegated};
use crate::ask::{Outside, Served};
use crate::discover::DomainFacts;
use crate::language::ResolverSpec;

/// How long everything together may take. Our choice: a person is waiting; what is not answered by
/// then is reported as not seen.
const WHOLE_MAX: Duration = Duration::from_secs(120);
/// How long one domain's policy may take: "a timeout of one minute is suggested" (RFC 8461 §3.3), of
/// which a person waits for a part. Our choice.
const POLICY_MAX: Duration = Duration::from_secs(15);
/// The size of a policy: "a maximum of 64 KB is suggested" (RFC 8461 §3.3).
const POLICY_OCTETS_MAX: usize = 64 * 1024;
/// Why a question was not answered.
const NO_TIME: &str = "there was no time left to ask";

/// Asks until everything was seen. `progress` is told how many questions were answered so far.
///
/// # Errors
/// If the resolver cannot be used.
pub async fn discover(
    request: &Request,
    resolver: &ResolverSpec,
    progress: &(dyn Fn(usize) + Sync),
) -> Result<Vec<DomainFacts>, ResolverError> {
    let asker = Asker {
        resolver: Resolver::new(resolver)?,
        silent: Mutex::default(),
        until: Instant::now() + WHOLE_MAX,
    };
    let mut answers = Answers::new();
    loop {
        let questions = match next(request, &answers) {
            Next::Found(found) => return Ok(found),
            Next::Ask(questions) => questions,
        };
        let asked = stream::iter(questions).map(|question| asker.ask(question));
        let mut asked = asked.buffer_unordered(CONCURRENT_QUERIES_MAX);
        while let Some((question, answer)) = asked.next().await {
            answers.insert(question, answer);
            progress(answers.len());
        }
    }
}

struct Asker {
    resolver: Resolver,
    /// Authoritative servers that did not answer: each is waited for once.
    silent: Mutex<BTreeSet<SocketAddr>>,
    until: Instant,
}

impl Asker {
    async fn ask(&self, question: Question) -> (Question, Answer) {
        let answer = match &question {
            Question::Zone(domain) => {
                let found = timeout_at(self.until, self.zone(domain)).await;
                Answer::Zone(found.unwrap_or_else(|_| Err(NO_TIME.to_owned())))
            }
            Question::Served { servers, key } => {
                let found = timeout_at(self.until, self.served(servers, key)).await;
                Answer::Served(found.unwrap_or_else(|_| Served::Unanswered(NO_TIME.to_owned())))
            }
            Question::Public(key) => {
                let found = timeout_at(self.until, self.resolver.outside(key)).await;
                Answer::Public(found.unwrap_or_else(|_| Outside::Unknown(NO_TIME.to_owned())))
            }
            Question::Policy(domain) => {
                let found = timeout_at(self.until, policy(domain)).await;
                Answer::Policy(found.unwrap_or_else(|_| Err(NO_TIME.to_owned())))
            }
        };
        (question, answer)
    }

    /// The zone that a domain is in: the first name, from the domain upwards, with an SOA record.
    async fn zone(&self, domain: &Name) -> Result<ZoneServers, String> {
        let origin = self.origin(domain).await?;
        let mut problem = None;
        let parent = match delegation(&origin, &self.resolver).await {
            Ok(parent) => parent,
            Err(error) => {
                problem = Some(error.to_string());
                None
            }
        };
        let is_signed = parent.as_ref().map(|parent| parent.is_signed());
        let zone = Zone { origin: origin.clone(), rrsets: BTreeMap::new() };
        let mut servers: Vec<SocketAddr> = delegated(&zone, parent.as_ref(), &self.resolver)
            .await
            .into_iter()
            .map(|authority| authority.address)
            .collect();
        let names = match &parent {
            Some(parent) => parent.servers().keys().cloned().collect(),
            None => self.names_by_resolver(&origin).await,
        };
        if servers.is_empty() {
            for name in &names {
                let found = self.resolver.addresses(name, None).await;
                servers.extend(found.into_iter().map(|ip| SocketAddr::new(ip, DNS_PORT)));
            }
        }
        let (servers, odd) = self.answering(servers, &origin).await;
        if servers.is_empty() && problem.is_none() {
            problem = Some(format!("no name server of {origin} answers from here"));
        }
        Ok(ZoneServers { origin, servers, names, is_signed, problem, odd })
    }

    async fn origin(&self, domain: &Name) -> Result<Name, String> {
        for name in std::iter::successors(Some(domain.clone()), Name::parent) {
            let key = RrKey::new(name.clone(), RrType::SOA);
            match self.resolver.outside(&key).await {
                Outside::Records(_) if name != *domain && name.labels().count() < 2 => {
                    return Err(format!("{domain} is not delegated: {name} knows no such zone"));
                }
                Outside::Records(_) => return Ok(name),
                Outside::Absent => {}
                Outside::Unknown(why) => return Err(format!("{key}: {why}")),
            }
        }
        Err(format!("{domain} is in no zone that the resolver knows"))
    }

    async fn names_by_resolver(&self, origin: &Name) -> Vec<Name> {
        match self.resolver.outside(&RrKey::new(origin.clone(), RrType::NS)).await {
            Outside::Records(records) => records.iter().filter_map(Rdata::target).collect(),
            Outside::Absent | Outside::Unknown(_) => Vec::new(),
        }
    }

    /// The servers that answer for the zone, so that a silent one costs its time once; and what is
    /// odd about the others.
    async fn answering(
        &self,
        servers: Vec<SocketAddr>,
        origin: &Name,
    ) -> (Vec<SocketAddr>, Vec<String>) {
        let key = RrKey::new(origin.clone(), RrType::SOA);
        let asked = stream::iter(servers).map(|server| {
            let key = &key;
            async move { (server, dns::served(server, key).await) }
        });
        let asked: Vec<_> = asked.buffered(CONCURRENT_QUERIES_MAX).collect().await;
        let (mut good, mut odd) = (Vec::new(), Vec::new());
        let mut first: Option<(SocketAddr, u32)> = None;
        for (server, served) in asked {
            let soa = served.records().and_then(|rrset| rrset.rdata().first()?.as_soa());
            let Some(soa) = soa else {
                let why = match served {
                    Served::Unanswered(why) => why,
                    Served::Answer(_) | Served::Wildcard(_) => "it has no such zone".to_owned(),
                };
                odd.push(format!("{server}, a name server of {origin}: {why}"));
                continue;
            };
            match first {
                Some((other, serial)) if serial != soa.serial => odd.push(format!(
                    "{server} has version {} of {origin}, and {other} has {serial}",
                    soa.serial
                )),
                Some(_) => {}
                None => first = Some((server, soa.serial)),
            }
            good.push(server);
        }
        (good, odd)
    }

    async fn served(&self, servers: &[SocketAddr], key: &RrKey) -> Served {
        let mut last = Served::Unanswered("no server is left to ask".to_owned());
        for server in servers {
            if self.silent().contains(server) {
                continue;
            }
            match dns::served_or_absent(*server, key).await {
                Served::Unanswered(why) => {
                    // A refusal of one name says nothing about others.
                    if why.starts_with("no answer within") {
                        self.silent().insert(*server);
                    }
                    last = Served::Unanswered(why);
                }
                answer @ (Served::Answer(_) | Served::Wildcard(_)) => return answer,
            }
        }
        last
    }

    fn silent(&self) -> std::sync::MutexGuard<'_, BTreeSet<SocketAddr>> {
        self.silent.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The MTA-STS policy of a domain (RFC 8461 §3.3): status 200, no redirect, a valid certificate.
async fn policy(domain: &Name) -> Result<String, String> {
    let domain = domain.to_string();
    let url = format!("https://mta-sts.{}/.well-known/mta-sts.txt", domain.trim_end_matches('.'));
    let bounds = Bounds {
        connect_max: POLICY_MAX,
        progress_max: POLICY_MAX,
        whole_max: POLICY_MAX,
        octets_max: POLICY_OCTETS_MAX,
    };
    let client = client(client_kind(&url), bounds).map_err(|error| error.to_string())?;
    let answer = exchange(client.get(&url), bounds).await.map_err(|error| error.to_string())?;
    match answer.status {
        200 => Ok(String::from_utf8_lossy(&answer.body).into_owned()),
        status => Err(format!("{url} answers with status {status}")),
    }
}
