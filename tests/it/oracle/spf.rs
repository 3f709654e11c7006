//! SPF directly from RFC 7208, only for the oracle. It shares no code with the project's own
//! evaluator.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use cutover_zone::{Name, Rdata, RrType};

/// The limit of terms that query DNS (RFC 7208 §4.6.4), and of names of an `mx` or `ptr`.
const LOOKUPS_MAX: usize = 10;
const VOIDS_MAX: usize = 2;

/// The result of a query.
pub(super) enum Reply {
    Records(Vec<Rdata>),
    Nothing,
    /// The answer is unknown.
    Unknown,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Verdict {
    None,
    Neutral,
    Pass,
    Fail,
    SoftFail,
    TempError,
    PermError,
}

/// Answers the queries.
pub(super) trait Resolver {
    fn ask(&mut self, name: &Name, rtype: RrType) -> Reply;
    /// Answers the query of an `exists`, which any address answers.
    fn ask_existence(&mut self, name: &Name) -> Reply {
        self.ask(name, RrType::A)
    }
    /// Whether an undecidable mechanism matches: `ptr`, and `%{p}`. `None` if they are evaluated.
    fn undecidable(&mut self, domain: &str) -> Option<bool>;
}

/// The sender.
#[derive(Clone, Debug)]
pub(super) struct Sender {
    pub(super) ip: IpAddr,
    pub(super) local: String,
    pub(super) domain: String,
    pub(super) helo: String,
}

impl Sender {
    pub(super) fn of(ip: IpAddr, domain: &str) -> Self {
        let [local, helo] = ["postmaster", "sender.invalid"].map(str::to_owned);
        Self { ip, local, domain: domain.trim_end_matches('.').to_owned(), helo }
    }
}

enum Mechanism {
    All,
    Include(String),
    A(Option<String>, u8, u8),
    Mx(Option<String>, u8, u8),
    Ptr(Option<String>),
    Ip(IpAddr, u8),
    Exists(String),
}

struct Record {
    terms: Vec<(Verdict, Mechanism)>,
    redirect: Option<String>,
}

/// Stops an evaluation.
type Stopped<T> = Result<T, Verdict>;

struct Evaluation<'r, R> {
    resolver: &'r mut R,
    sender: &'r Sender,
    lookups: usize,
    voids: usize,
}

pub(super) fn check(resolver: &mut impl Resolver, sender: &Sender) -> Verdict {
    let ip = match sender.ip {
        IpAddr::V6(v6) => v6.to_ipv4_mapped().map_or(IpAddr::V6(v6), IpAddr::V4),
        v4 @ IpAddr::V4(_) => v4,
    };
    let sender = Sender { ip, ..sender.clone() };
    let mut evaluation = Evaluation { resolver, sender: &sender, lookups: 0, voids: 0 };
    evaluation.check_host(&sender.domain).unwrap_or_else(|stopped| stopped)
}

/// The name of a text with dots; `None` if it is not a domain name of several labels.
pub(super) fn name(text: &str) -> Option<Name> {
    let text = text.strip_suffix('.').unwrap_or(text);
    Name::from_labels(text.split('.').map(str::as_bytes)).ok()
}

impl<R: Resolver> Evaluation<'_, R> {
    fn ask(&mut self, domain: &str, rtype: RrType, is_counted: bool) -> Stopped<Vec<Rdata>> {
        let Some(name) = name(domain) else { return Ok(Vec::new()) };
        let reply = self.resolver.ask(&name, rtype);
        self.records_of(reply, is_counted)
    }

    fn records_of(&mut self, reply: Reply, is_counted: bool) -> Stopped<Vec<Rdata>> {
        match reply {
            Reply::Records(records) => Ok(records),
            Reply::Unknown => Err(Verdict::TempError),
            Reply::Nothing => {
                if is_counted {
                    self.count_void()?;
                }
                Ok(Vec::new())
            }
        }
    }

    fn count_void(&mut self) -> Stopped<()> {
        self.voids += 1;
        if self.voids > VOIDS_MAX { Err(Verdict::PermError) } else { Ok(()) }
    }

    fn count(&mut self) -> Stopped<()> {
        self.lookups += 1;
        if self.lookups > LOOKUPS_MAX { Err(Verdict::PermError) } else { Ok(()) }
    }

    fn check_host(&mut self, domain: &str) -> Stopped<Verdict> {
        let is_name = domain.trim_end_matches('.').contains('.') && name(domain).is_some();
        if !is_name {
            return Ok(Verdict::None);
        }
        let txt = self.ask(domain, RrType::TXT, false)?;
        let texts = txt.iter().filter_map(Rdata::txt_joined);
        let mut records = texts.filter(|text| is_spf(text));
        let Some(text) = records.next() else { return Ok(Verdict::None) };
        if records.next().is_some() {
            return Err(Verdict::PermError);
        }
        let text = String::from_utf8(text.into_owned()).map_err(|_| Verdict::PermError)?;
        let record = parse(&text).ok_or(Verdict::PermError)?;
        for (verdict, mechanism) in &record.terms {
            if self.matches(mechanism, domain)? {
                return Ok(*verdict);
            }
        }
        let Some(target) = &record.redirect else { return Ok(Verdict::Neutral) };
        self.count()?;
        let target = self.expand(target, domain)?;
        match self.check_host(&target)? {
            Verdict::None => Err(Verdict::PermError),
            verdict @ (Verdict::Neutral
            | Verdict::Pass
            | Verdict::Fail
            | Verdict::SoftFail
            | Verdict::TempError
            | Verdict::PermError) => Ok(verdict),
        }
    }

    fn target(&mut self, spec: Option<&String>, domain: &str) -> Stopped<String> {
        spec.map_or_else(|| Ok(domain.to_owned()), |spec| self.expand(spec, domain))
    }

    fn matches(&mut self, mechanism: &Mechanism, domain: &str) -> Stopped<bool> {
        let spec = match mechanism {
            Mechanism::All => return Ok(true),
            Mechanism::Ip(net, bits) => return Ok(is_in(self.sender.ip, *net, *bits)),
            Mechanism::Include(spec) | Mechanism::Exists(spec) => Some(spec),
            Mechanism::A(spec, ..) | Mechanism::Mx(spec, ..) | Mechanism::Ptr(spec) => {
                spec.as_ref()
            }
        };
        self.count()?;
        // A name that contains the sender's own words may be any unknown name, which exists if
        // there is a wildcard.
        let is_open = matches!(mechanism, Mechanism::Ptr(_)) || spec.is_some_and(|s| of_pointer(s));
        if is_open && let Some(is_match) = self.resolver.undecidable(domain) {
            // An address without a name is a void look-up too.
            if !is_match && matches!(mechanism, Mechanism::Ptr(_)) {
                self.count_void()?;
            }
            return Ok(is_match);
        }
        let target = self.target(spec, domain)?;
        match mechanism {
            Mechanism::All | Mechanism::Ip(..) => unreachable!("they ask nothing"),
            Mechanism::Include(_) => match self.check_host(&target)? {
                Verdict::Pass => Ok(true),
                Verdict::Fail | Verdict::SoftFail | Verdict::Neutral => Ok(false),
                Verdict::TempError => Err(Verdict::TempError),
                Verdict::PermError | Verdict::None => Err(Verdict::PermError),
            },
            Mechanism::A(_, four, six) => {
                let addresses = self.addresses(&target, true)?;
                Ok(addresses.iter().any(|ip| self.is_near(*ip, *four, *six)))
            }
            Mechanism::Mx(_, four, six) => {
                let exchanges = self.ask(&target, RrType::MX, true)?;
                if exchanges.len() > LOOKUPS_MAX {
                    return Err(Verdict::PermError);
                }
                for (_, exchange) in exchanges.iter().filter_map(Rdata::as_mx) {
                    let addresses = self.addresses(&exchange.to_string(), true)?;
                    if addresses.iter().any(|ip| self.is_near(*ip, *four, *six)) {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
            Mechanism::Exists(_) => {
                let Some(name) = name(&target) else { return Ok(false) };
                let reply = self.resolver.ask_existence(&name);
                Ok(!self.records_of(reply, true)?.is_empty())
            }
            Mechanism::Ptr(_) => {
                let target = target.trim_end_matches('.').to_ascii_lowercase();
                let names = self.validated()?;
                Ok(names.iter().any(|n| *n == target || n.ends_with(&format!(".{target}"))))
            }
        }
    }

    fn addresses(&mut self, target: &str, is_counted: bool) -> Stopped<Vec<IpAddr>> {
        let rtype = if self.sender.ip.is_ipv4() { RrType::A } else { RrType::AAAA };
        Ok(self.ask(target, rtype, is_counted)?.iter().filter_map(Rdata::ip).collect())
    }

    fn is_near(&self, ip: IpAddr, four: u8, six: u8) -> bool {
        is_in(self.sender.ip, ip, if ip.is_ipv4() { four } else { six })
    }

    /// The names of the sender's address that lead back to it (RFC 7208 §5.5).
    fn validated(&mut self) -> Stopped<Vec<String>> {
        let reverse = match self.sender.ip {
            IpAddr::V4(_) => dotted(self.sender.ip, true) + ".in-addr.arpa",
            IpAddr::V6(_) => dotted(self.sender.ip, true) + ".ip6.arpa",
        };
        let pointers = match self.ask(&reverse, RrType::PTR, true) {
            Err(Verdict::TempError) => Vec::new(),
            other => other?,
        };
        let mut names = Vec::new();
        for pointer in pointers.iter().take(LOOKUPS_MAX) {
            let Some((owner, _)) = Name::from_wire(pointer.wire()) else { continue };
            let owner = owner.to_string();
            if self.addresses(&owner, false).unwrap_or_default().contains(&self.sender.ip) {
                names.push(owner.trim_end_matches('.').to_ascii_lowercase());
            }
        }
        Ok(names)
    }

    /// Expands macros (RFC 7208 §7), and shortens a name that is too long from the left.
    fn expand(&mut self, spec: &str, domain: &str) -> Stopped<String> {
        let mut out = String::new();
        let mut rest = spec;
        while let Some(at) = rest.find('%') {
            out += &rest[..at];
            let (sign, more) = rest[at + 1..].split_at(1);
            rest = more;
            match sign {
                "%" => out.push('%'),
                "_" => out.push(' '),
                "-" => out += "%20",
                _ => {
                    let (body, more) = rest.split_once('}').ok_or(Verdict::PermError)?;
                    rest = more;
                    out += &self.letter(body, domain)?;
                }
            }
        }
        out += rest;
        let mut text = out.as_str();
        while text.trim_end_matches('.').len() > 253 {
            text = text.split_once('.').map_or("", |(_, rest)| rest);
        }
        Ok(text.to_owned())
    }

    fn letter(&mut self, body: &str, domain: &str) -> Stopped<String> {
        let letter = body.chars().next().ok_or(Verdict::PermError)?;
        let sender = self.sender;
        let value = match letter.to_ascii_lowercase() {
            's' => format!("{}@{}", sender.local, sender.domain),
            'l' => sender.local.clone(),
            'o' => sender.domain.clone(),
            'd' => domain.trim_end_matches('.').to_owned(),
            'i' => dotted(sender.ip, false),
            'v' => if sender.ip.is_ipv4() { "in-addr" } else { "ip6" }.to_owned(),
            'h' => sender.helo.clone(),
            'p' => {
                let names = self.validated()?;
                let own = |n: &&String| **n == domain || n.ends_with(&format!(".{domain}"));
                let best = names.iter().find(|n| **n == domain);
                let best = best.or_else(|| names.iter().find(own)).or(names.first());
                best.map_or("unknown", String::as_str).to_owned()
            }
            _ => return Err(Verdict::PermError),
        };
        let rest = &body[1..];
        let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
        let rest = &rest[digits.len()..];
        let is_reversed = rest.starts_with(['r', 'R']);
        let delimiters = if is_reversed { &rest[1..] } else { rest };
        let delimiters = if delimiters.is_empty() { "." } else { delimiters };
        let mut parts: Vec<&str> = value.split(|c| delimiters.contains(c)).collect();
        if is_reversed {
            parts.reverse();
        }
        if let Ok(count) = digits.parse::<usize>() {
            let skipped = parts.len().saturating_sub(count);
            parts.drain(..skipped);
        }
        let text = parts.join(".");
        Ok(if letter.is_ascii_uppercase() { escaped(&text) } else { text })
    }
}

fn escaped(text: &str) -> String {
    let is_plain = |c: u8| c.is_ascii_alphanumeric() || b"-._~".contains(&c);
    let octet = |c: u8| if is_plain(c) { char::from(c).to_string() } else { format!("%{c:02X}") };
    text.bytes().map(octet).collect()
}

/// An address as labels: for IPv6 the nibbles.
fn dotted(ip: IpAddr, is_reversed: bool) -> String {
    let mut labels: Vec<String> = match ip {
        IpAddr::V4(v4) => v4.octets().iter().map(u8::to_string).collect(),
        IpAddr::V6(v6) => {
            let nibbles = v6.octets().into_iter().flat_map(|octet| [octet >> 4, octet & 15]);
            nibbles.map(|nibble| format!("{nibble:x}")).collect()
        }
    };
    if is_reversed {
        labels.reverse();
    }
    labels.join(".")
}

fn is_in(ip: IpAddr, net: IpAddr, bits: u8) -> bool {
    let number = |ip: IpAddr| match ip {
        IpAddr::V4(v4) => (u128::from(u32::from(v4)), 32),
        IpAddr::V6(v6) => (u128::from(v6), 128_u32),
    };
    let ((a, width), (b, other)) = (number(ip), number(net));
    let shift = width.saturating_sub(u32::from(bits));
    width == other && (shift >= 128 || a >> shift == b >> shift)
}

pub(super) fn is_spf(text: &[u8]) -> bool {
    let head = text.get(..6).is_some_and(|head| head.eq_ignore_ascii_case(b"v=spf1"));
    head && text.get(6).is_none_or(|next| *next == b' ')
}

/// Whether a domain-spec depends on names to which the sender's address leads.
fn of_pointer(spec: &str) -> bool {
    spec.split("%{").skip(1).any(|body| body.starts_with(['p', 'P']))
}

fn parse(text: &str) -> Option<Record> {
    let mut record = Record { terms: Vec::new(), redirect: None };
    let mut has_explanation = false;
    for term in text[6..].split(' ').filter(|term| !term.is_empty()) {
        if let Some((key, value)) = modifier(term) {
            match key.to_ascii_lowercase().as_str() {
                "redirect" => {
                    if record.redirect.is_some() || !is_domain_spec(value) {
                        return None;
                    }
                    record.redirect = Some(value.to_owned());
                }
                "exp" => {
                    if has_explanation || !is_domain_spec(value) {
                        return None;
                    }
                    has_explanation = true;
                }
                _ => is_macro_string(value, true).then_some(())?,
            }
            continue;
        }
        let (verdict, rest) = match term.as_bytes()[0] {
            b'+' => (Verdict::Pass, &term[1..]),
            b'-' => (Verdict::Fail, &term[1..]),
            b'~' => (Verdict::SoftFail, &term[1..]),
            b'?' => (Verdict::Neutral, &term[1..]),
            _ => (Verdict::Pass, term),
        };
        record.terms.push((verdict, mechanism(rest)?));
    }
    if record.terms.iter().any(|(_, mechanism)| matches!(mechanism, Mechanism::All)) {
        record.redirect = None;
    }
    Some(record)
}

/// A modifier `name=value`, in which the sign comes before any `:` or `/`.
fn modifier(term: &str) -> Option<(&str, &str)> {
    let (key, value) = term.split_once('=')?;
    let mut letters = key.chars();
    let is_name = letters.next().is_some_and(|c| c.is_ascii_alphabetic())
        && letters.all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c));
    is_name.then_some((key, value))
}

fn mechanism(term: &str) -> Option<Mechanism> {
    let end = term.find([':', '/']).unwrap_or(term.len());
    let (word, rest) = term.split_at(end);
    let word = word.to_ascii_lowercase();
    let of_name = |is_needed: bool| match rest.strip_prefix(':') {
        Some(spec) => is_domain_spec(spec).then(|| Some(spec.to_owned())),
        None => (rest.is_empty() && !is_needed).then_some(None),
    };
    match word.as_str() {
        "all" => rest.is_empty().then_some(Mechanism::All),
        "include" => of_name(true)?.map(Mechanism::Include),
        "exists" => of_name(true)?.map(Mechanism::Exists),
        "ptr" => Some(Mechanism::Ptr(of_name(false)?)),
        "a" | "mx" => {
            let (spec, four, six) = prefixes(rest)?;
            let spec = match spec.strip_prefix(':') {
                Some(spec) => is_domain_spec(spec).then(|| Some(spec.to_owned()))?,
                None => spec.is_empty().then_some(None)?,
            };
            Some(match word.as_str() {
                "a" => Mechanism::A(spec, four, six),
                _ => Mechanism::Mx(spec, four, six),
            })
        }
        "ip4" | "ip6" => {
            let value = rest.strip_prefix(':')?;
            let most = if word == "ip4" { 32 } else { 128 };
            let (address, bits) = match value.split_once('/') {
                Some((address, bits)) => (address, number(bits, most)?),
                None => (value, most),
            };
            let ip = match word.as_str() {
                "ip4" => IpAddr::V4(address.parse::<Ipv4Addr>().ok()?),
                _ => IpAddr::V6(address.parse::<Ipv6Addr>().ok()?),
            };
            Some(Mechanism::Ip(ip, bits))
        }
        _ => None,
    }
}

fn number(text: &str, most: u8) -> Option<u8> {
    let is_plain = text == "0" || (!text.is_empty() && !text.starts_with('0'));
    let is_number = is_plain && text.bytes().all(|c| c.is_ascii_digit());
    is_number.then(|| text.parse().ok())?.filter(|number| *number <= most)
}

/// Splits `/24//64` off the end.
fn prefixes(rest: &str) -> Option<(&str, u8, u8)> {
    let (rest, six) = match rest.rfind("//") {
        Some(at) => (&rest[..at], number(&rest[at + 2..], 128)?),
        None => (rest, 128),
    };
    let cut = rest.rfind('/').filter(|at| !rest[*at..].contains('}'));
    match cut {
        Some(at) => Some((&rest[..at], number(&rest[at + 1..], 32)?, six)),
        None => Some((rest, 32, six)),
    }
}

fn is_macro_string(text: &str, any: bool) -> bool {
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        if c != '%' {
            if !(' '..='~').contains(&c) || (!any && c == ' ') {
                return false;
            }
            rest = &rest[1..];
            continue;
        }
        match rest.as_bytes().get(1) {
            Some(b'%' | b'_' | b'-') => rest = &rest[2..],
            Some(b'{') => {
                let Some((body, more)) = rest[2..].split_once('}') else { return false };
                let mut letters = body.chars();
                let is_letter = letters.next().is_some_and(|c| "slodiphvSLODIPHV".contains(c));
                let after = letters.as_str();
                let digits =
                    after.len() - after.trim_start_matches(|c: char| c.is_ascii_digit()).len();
                let is_count = digits == 0 || after[..digits].parse::<u32>().is_ok_and(|n| n > 0);
                let after = &after[digits..];
                let after = after.strip_prefix(['r', 'R']).unwrap_or(after);
                if !is_letter || !is_count || !after.chars().all(|c| ".-+,/_=".contains(c)) {
                    return false;
                }
                rest = more;
            }
            _ => return false,
        }
    }
    true
}

/// A domain-spec ends in a macro or in a top label (RFC 7208 §7.1).
fn is_domain_spec(text: &str) -> bool {
    if text.is_empty() || !is_macro_string(text, false) {
        return false;
    }
    if text.ends_with('}') || text.ends_with("%%") || text.ends_with("%_") || text.ends_with("%-") {
        return true;
    }
    let text = text.strip_suffix('.').unwrap_or(text);
    let Some((_, top)) = text.rsplit_once('.') else { return false };
    let is_label = !top.is_empty()
        && top.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
        && !top.starts_with('-')
        && !top.ends_with('-');
    is_label && !top.chars().all(|c| c.is_ascii_digit())
}
