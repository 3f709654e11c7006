//! The evaluation of SPF records: `check_host()` of RFC 7208 §4.
//!
//! Synchronous, and without IO: the caller provides the answers of the DNS as a function, with
//! aliases followed. The same answers give the same evaluation. Nothing here knows where the
//! answers come from, or what happens to the message.
//!
//! Bounded whatever the answers are: ten terms with look-ups (§4.6.4), each with at most eleven
//! questions, so some 130 questions; includes nest ten deep. Errors stop an evaluation as
//! [`Problem`]; failures that RFC 7208 tells a receiver to ignore are kept in
//! [`Evaluation::unanswered`].

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use cutover_zone::{Name, Rdata, RrKey, RrType};

use super::Term;
use super::grammar::{self, Mechanism, Prefixes, Record};
use super::identity::{Client, Sender, domain_text};
use super::macros::{DomainSpec, MacroString, Place, Values, dotted, name_of};
use super::outcome::{
    EXCHANGES_MAX, Evaluation, Outcome, POINTERS_MAX, Problem, Reached, TERMS_MAX,
};

/// The maximum size of an explanation, in octets; a longer explanation is ignored. Our choice:
/// eight lines of an SMTP reply (512 octets each, RFC 5321 §4.5.3.1.5).
pub const EXPLANATION_OCTETS_MAX: usize = 4096;

/// An answer of the DNS, with aliases followed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// These records.
    Records(Arc<[Rdata]>),
    /// The name or the type does not exist.
    Absent,
    /// Nobody was asked, or nobody answered.
    Unknown,
    /// Nobody was asked. It counts as something that is there and matches no client: an evaluation
    /// that goes on as far as it can.
    MatchesNobody,
    /// Nobody was asked. It counts as something that matches this client.
    MatchesClient,
}

/// The answers of the DNS. The same question must always get the same answer.
pub type World<'w> = dyn Fn(&RrKey) -> Answer + 'w;

/// Evaluates the domain of MAIL FROM, or of HELO if MAIL FROM is empty (RFC 7208 §2.4).
///
/// The outcome is [`Outcome::None`] if that is not a domain name (RFC 7208 §4.3).
#[must_use]
pub fn check_mail(client: &Client<'_>, world: &World<'_>) -> Evaluation {
    let sender = Sender::of(client);
    match name_of(sender.domain.strip_suffix('.').unwrap_or(&sender.domain)) {
        Some(domain) => evaluate(client, &domain, &sender, world),
        None => Evaluator::new(client, &sender, world).finish(Ok(None)),
    }
}

/// Evaluates a domain for a client: `check_host()` of RFC 7208 §4.
///
/// The outcome is [`Outcome::None`] for a name with fewer than two labels (RFC 7208 §4.3).
#[must_use]
pub fn check_host(client: &Client<'_>, domain: &Name, world: &World<'_>) -> Evaluation {
    evaluate(client, domain, &Sender::of(client), world)
}

fn evaluate(
    client: &Client<'_>,
    domain: &Name,
    sender: &Sender<'_>,
    world: &World<'_>,
) -> Evaluation {
    let mut evaluator = Evaluator::new(client, sender, world);
    let found = evaluator.host(domain);
    evaluator.finish(found)
}

/// The verdict of a domain that has a record.
struct Verdict {
    outcome: Outcome,
    /// Where to find an explanation, and the domain whose record names it.
    explanation: Option<(DomainSpec, Name)>,
}

/// The names of the client's address (RFC 7208 §5.5).
#[derive(Clone)]
struct Reverse {
    /// Whether there is no PTR record at all.
    is_void: bool,
    /// The names whose addresses include the client's.
    validated: Vec<Name>,
}

struct Evaluator<'e> {
    client: &'e Client<'e>,
    sender: &'e Sender<'e>,
    world: &'e World<'e>,
    ip: IpAddr,
    terms: usize,
    voids: usize,
    path: Vec<Reached>,
    unanswered: Vec<RrKey>,
    /// Looked up once, when it is first needed.
    reverse: Option<Reverse>,
}

impl<'e> Evaluator<'e> {
    fn new(client: &'e Client<'e>, sender: &'e Sender<'e>, world: &'e World<'e>) -> Self {
        let ip = client.ip.to_canonical();
        let (path, unanswered) = (Vec::new(), Vec::new());
        Self { client, sender, world, ip, terms: 0, voids: 0, path, unanswered, reverse: None }
    }

    fn finish(mut self, found: Result<Option<Verdict>, Problem>) -> Evaluation {
        let (outcome, explanation, problem) = match found {
            Ok(None) => (Outcome::None, None, None),
            Ok(Some(Verdict { outcome: Outcome::Fail, explanation: Some((spec, domain)) })) => {
                (Outcome::Fail, self.explain(&spec, &domain), None)
            }
            Ok(Some(verdict)) => (verdict.outcome, None, None),
            Err(problem) => (problem.outcome(), None, Some(problem)),
        };
        let Self { terms, voids, path, unanswered, .. } = self;
        Evaluation { outcome, terms, voids, path, problem, explanation, unanswered }
    }

    /// The verdict of a domain, following redirects; `None` if it has no record.
    ///
    /// Recurses for includes and loops for redirects, both bounded because each costs a term.
    fn host(&mut self, domain: &Name) -> Result<Option<Verdict>, Problem> {
        let Some(mut record) = self.record(domain)? else { return Ok(None) };
        let mut domain = domain.clone();
        loop {
            for directive in &record.directives {
                let length = self.path.len();
                self.path.push(Reached { domain: domain.clone(), term: directive.term.clone() });
                if self.matches(&directive.mechanism, &directive.term, &domain)? {
                    let explanation = record.explanation.map(|spec| (spec, domain));
                    return Ok(Some(Verdict { outcome: directive.on_match, explanation }));
                }
                self.path.truncate(length);
            }
            let Some((term, spec)) = record.redirect else {
                return Ok(Some(Verdict { outcome: Outcome::Neutral, explanation: None }));
            };
            self.path.push(Reached { domain: domain.clone(), term: term.clone() });
            self.spend()?;
            let missing = |domain| Problem::NoRecord { domain, term };
            let Some(target) = self.name(&spec, &domain) else { return Err(missing(domain)) };
            match self.record(&target)? {
                Some(found) => record = found,
                None => return Err(missing(domain)),
            }
            domain = target;
        }
    }

    /// The SPF record of a domain (RFC 7208 §4.3 to §4.6).
    fn record(&mut self, domain: &Name) -> Result<Option<Record>, Problem> {
        if domain.labels().nth(1).is_none() {
            return Ok(None);
        }
        let texts = self.ask(domain, RrType::TXT)?;
        let mut policies = grammar::policies(&texts);
        let Some(terms) = policies.next() else { return Ok(None) };
        if policies.next().is_some() {
            return Err(Problem::ManyRecords { domain: domain.clone() });
        }
        match grammar::parse(&terms) {
            Ok(record) => Ok(Some(record)),
            Err(term) => Err(Problem::Syntax { domain: domain.clone(), term }),
        }
    }

    /// Whether a mechanism of a domain's record matches (RFC 7208 §5).
    fn matches(
        &mut self,
        mechanism: &Mechanism,
        term: &Term,
        domain: &Name,
    ) -> Result<bool, Problem> {
        match mechanism {
            Mechanism::All => Ok(true),
            Mechanism::Include(spec) => {
                self.spend()?;
                let verdict = match self.name(spec, domain) {
                    Some(name) => self.host(&name)?,
                    None => None,
                };
                let missing = || Problem::NoRecord { domain: domain.clone(), term: term.clone() };
                Ok(verdict.ok_or_else(missing)?.outcome == Outcome::Pass)
            }
            Mechanism::A(spec, prefixes) => {
                self.spend()?;
                let Some(name) = self.name_or(spec.as_ref(), domain) else { return Ok(false) };
                self.has_address(&name, *prefixes)
            }
            Mechanism::Mx(spec, prefixes) => {
                self.spend()?;
                let Some(name) = self.name_or(spec.as_ref(), domain) else { return Ok(false) };
                self.has_exchange(&name, *prefixes)
            }
            Mechanism::Ptr(spec) => {
                self.spend()?;
                let Some(name) = self.name_or(spec.as_ref(), domain) else { return Ok(false) };
                let reverse = self.reverse();
                if reverse.is_void {
                    self.count_void()?;
                }
                Ok(reverse.validated.iter().any(|validated| validated.is_at_or_below(&name)))
            }
            Mechanism::Exists(spec) => {
                self.spend()?;
                let Some(name) = self.name(spec, domain) else { return Ok(false) };
                // Always A, also for a client with an IPv6 address (RFC 7208 §5.7).
                let key = RrKey::new(name, RrType::A);
                match (self.world)(&key) {
                    // Any record would match, so there is none.
                    Answer::MatchesNobody => self.count_void().map(|()| false),
                    Answer::MatchesClient => Ok(true),
                    Answer::Records(_) | Answer::Absent | Answer::Unknown => {
                        Ok(!self.ask_counting(&key.name, RrType::A)?.is_empty())
                    }
                }
            }
            Mechanism::Ip4(network, bits) => {
                Ok(self.ip.is_ipv4() && is_within(self.ip, IpAddr::V4(*network), *bits))
            }
            Mechanism::Ip6(network, bits) => {
                Ok(self.ip.is_ipv6() && is_within(self.ip, IpAddr::V6(*network), *bits))
            }
        }
    }

    /// Whether the client's address is an address of a name, within the prefix lengths.
    fn has_address(&mut self, name: &Name, prefixes: Prefixes) -> Result<bool, Problem> {
        let addresses = self.ask_counting(name, self.address_type())?;
        let bits = if self.ip.is_ipv4() { prefixes.ip4_bits } else { prefixes.ip6_bits };
        Ok(addresses.iter().filter_map(Rdata::ip).any(|address| is_within(self.ip, address, bits)))
    }

    /// Whether the client's address is an address of a name's exchanges (RFC 7208 §5.4).
    ///
    /// More than ten exchanges are an error even if one of the first ten would match: which are
    /// first depends on the order of the answer, which is arbitrary.
    fn has_exchange(&mut self, name: &Name, prefixes: Prefixes) -> Result<bool, Problem> {
        let key = RrKey::new(name.clone(), RrType::MX);
        if (self.world)(&key) == Answer::MatchesClient {
            return Ok(true);
        }
        let exchanges = self.ask_counting(name, RrType::MX)?;
        if exchanges.len() > EXCHANGES_MAX {
            return Err(Problem::ManyExchanges { domain: name.clone() });
        }
        for (_, exchange) in exchanges.iter().filter_map(Rdata::as_mx) {
            // The root is not an exchange: it says that there is none (RFC 7505 §3).
            if !exchange.is_root() && self.has_address(&exchange, prefixes)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The validated names of the client's address (RFC 7208 §5.5).
    ///
    /// Failures are ignored, as the RFC requires. Look-ups of those names' addresses do not count
    /// as void: the client's operator chooses these names, not the evaluated domain.
    fn reverse(&mut self) -> Reverse {
        if let Some(reverse) = &self.reverse {
            return reverse.clone();
        }
        let zone = if self.ip.is_ipv4() { "in-addr" } else { "ip6" };
        let labels = dotted(self.ip);
        let labels = labels.split('.').rev().chain([zone, "arpa"]).map(str::as_bytes);
        let owner = Name::from_labels(labels).expect("34 labels of an octet or seven are a name");
        let pointers = self.ask(&owner, RrType::PTR);
        let is_void = pointers.as_ref().is_ok_and(|names| names.is_empty());
        let mut validated: Vec<Name> = Vec::new();
        for name in pointers.unwrap_or_default().iter().filter_map(Rdata::target).take(POINTERS_MAX)
        {
            let addresses = self.ask(&name, self.address_type()).unwrap_or_default();
            if addresses.iter().filter_map(Rdata::ip).any(|address| address == self.ip) {
                validated.push(name);
            }
        }
        self.reverse.insert(Reverse { is_void, validated }).clone()
    }

    /// The value of `%{p}`: the domain itself, else a name below it, else any name (RFC 7208 §7.3).
    fn validated_name(&mut self, domain: &Name) -> String {
        let validated = self.reverse().validated;
        let exactly = validated.iter().find(|name| *name == domain);
        let below = || validated.iter().find(|name| name.is_at_or_below(domain));
        let best = exactly.or_else(below).or(validated.first());
        best.map_or_else(|| "unknown".to_owned(), domain_text)
    }

    /// The explanation of a fail; `None` if anything is wrong with it (RFC 7208 §6.2).
    fn explain(&mut self, spec: &DomainSpec, domain: &Name) -> Option<String> {
        let owner = self.name(spec, domain)?;
        let texts = self.ask(&owner, RrType::TXT).ok()?;
        let [text] = &*texts else { return None };
        let text = MacroString::parse(&text.txt_joined()?, Place::Explanation)?;
        let text = self.with_values(text.names_validated(), domain, |values| {
            text.expand(values, EXPLANATION_OCTETS_MAX)
        });
        (text.is_ascii() && text.len() <= EXPLANATION_OCTETS_MAX).then_some(text)
    }

    /// The name that a `domain-spec` expands to, if it is valid.
    fn name(&mut self, spec: &DomainSpec, domain: &Name) -> Option<Name> {
        self.with_values(spec.names_validated(), domain, |values| spec.name(values))
    }

    /// As [`Self::name`]; without a `domain-spec` the domain itself.
    fn name_or(&mut self, spec: Option<&DomainSpec>, domain: &Name) -> Option<Name> {
        match spec {
            Some(spec) => self.name(spec, domain),
            None => Some(domain.clone()),
        }
    }

    /// Calls a function with the values of the macros; `%{p}` is looked up only if needed.
    fn with_values<T>(
        &mut self,
        names_validated: bool,
        domain: &Name,
        expand: impl FnOnce(&Values<'_>) -> T,
    ) -> T {
        let validated = if names_validated { self.validated_name(domain) } else { String::new() };
        expand(&Values {
            sender: &self.sender.whole,
            local_part: self.sender.local_part,
            sender_domain: &self.sender.domain,
            domain: &domain_text(domain),
            ip: self.ip,
            validated_name: &validated,
            helo: self.client.helo,
            receiver: self.client.receiver,
            now_secs: self.client.now.timestamp(),
        })
    }

    fn address_type(&self) -> RrType {
        if self.ip.is_ipv4() { RrType::A } else { RrType::AAAA }
    }

    /// Counts a term with a look-up (RFC 7208 §4.6.4).
    fn spend(&mut self) -> Result<(), Problem> {
        self.terms += 1;
        if self.terms > TERMS_MAX { Err(Problem::ManyTerms) } else { Ok(()) }
    }

    fn count_void(&mut self) -> Result<(), Problem> {
        self.voids += 1;
        if self.voids > self.client.voids_max { Err(Problem::ManyVoids) } else { Ok(()) }
    }

    /// The records of this type; empty if there are none.
    fn ask(&mut self, name: &Name, rtype: RrType) -> Result<Arc<[Rdata]>, Problem> {
        let key = RrKey::new(name.clone(), rtype);
        match (self.world)(&key) {
            Answer::Records(records) if records.iter().all(|rdata| rdata.rtype() == rtype) => {
                Ok(records)
            }
            Answer::Records(records) => {
                Ok(records.iter().filter(|rdata| rdata.rtype() == rtype).cloned().collect())
            }
            Answer::Absent => Ok(Arc::default()),
            Answer::MatchesNobody if let Some(rdata) = matches_nobody(rtype) => Ok([rdata].into()),
            Answer::MatchesClient if let Some(rdata) = self.matches_client(rtype) => {
                Ok([rdata].into())
            }
            Answer::Unknown | Answer::MatchesNobody | Answer::MatchesClient => {
                self.unanswered.push(key.clone());
                Err(Problem::Unanswered(key))
            }
        }
    }

    /// A record that matches the client; `None` for types that name no client.
    fn matches_client(&self, rtype: RrType) -> Option<Rdata> {
        match (rtype, self.ip) {
            (RrType::TXT, _) => Some(Rdata::txt(b"v=spf1 +all")),
            (RrType::A, IpAddr::V4(ip)) => Some(Rdata::a(ip)),
            (RrType::AAAA, IpAddr::V6(ip)) => Some(Rdata::aaaa(ip)),
            _ => None,
        }
    }

    /// As [`Self::ask`], and counts an answer without records as void (RFC 7208 §4.6.4).
    fn ask_counting(&mut self, name: &Name, rtype: RrType) -> Result<Arc<[Rdata]>, Problem> {
        let records = self.ask(name, rtype)?;
        if records.is_empty() {
            self.count_void()?;
        }
        Ok(records)
    }
}

/// A record that says nothing about any client; `None` for types that RFC 7208 skips if no server
/// answers (§5.5).
fn matches_nobody(rtype: RrType) -> Option<Rdata> {
    match rtype {
        RrType::TXT => Some(Rdata::txt(b"v=spf1 ?all")),
        RrType::A => Some(Rdata::a(Ipv4Addr::UNSPECIFIED)),
        RrType::AAAA => Some(Rdata::aaaa(Ipv6Addr::UNSPECIFIED)),
        RrType::MX => Some(Rdata::mx(0, &Name::root())),
        _ => None,
    }
}

/// Whether the leading bits of two addresses of the same family are equal.
fn is_within(ip: IpAddr, network: IpAddr, bits: u8) -> bool {
    let bits = u32::from(bits);
    match (ip, network) {
        (IpAddr::V4(ip), IpAddr::V4(network)) => {
            let differing = ip.to_bits() ^ network.to_bits();
            differing.leading_zeros() >= bits
        }
        (IpAddr::V6(ip), IpAddr::V6(network)) => {
            let differing = ip.to_bits() ^ network.to_bits();
            differing.leading_zeros() >= bits
        }
        (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
    }
}
