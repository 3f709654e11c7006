//! Mail that passes by a term that nobody could follow: it passes only by that very term, and only if
//! nothing before the term can refuse it.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::LazyLock;

use cutover_zone::{Name, Rdata, RrKey, RrType};

use super::{RECORDS_MAX, evaluated_in};
use crate::proof::draft::Draft;
use crate::proof::view::View;
use cutover_mail::spf::{Outcome, SpfRecord, Target, Term};
use cutover_steps::ask::Outside;

/// The result of following a source's mail through a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// It reaches the term by which it passes.
    Through,
    /// Another term may decide, and does not accept it.
    Stopped,
}

/// The term by which mail passes, and where it led.
pub(super) struct Wanted<'w> {
    /// The domain of its record.
    pub(super) of: &'w Name,
    pub(super) term: &'w Term,
    /// The name outside the zones.
    pub(super) beyond: Option<&'w Name>,
}

impl Wanted<'_> {
    /// Whether its mail passes at a receiver with this view. `of_today`: such mail is sent today,
    /// and is not refused by what is there today.
    pub(super) fn passes(&self, view: &View<'_>, domain: &Name, of_today: bool) -> bool {
        let today = Records {
            draft: view.draft(),
            look_up: &|key| view.live(key),
            leaves_at: &|key| view.leaves_today_at(key),
            sender: domain,
            wanted: self,
        };
        let nobody = view.nobody();
        // Mail that passes today only because a term does not match it does not match that term.
        let is_unmatched = |of: &Name, term: &Term| {
            let stops = |at: &Name, met: &Term| at == of && met.same_as(term, of);
            of_today
                && today.let_through(&|at, met| !stops(at, met)) != Some(Way::Through)
                && matches_no_more(view, (of, domain), term)
        };
        let now = Records {
            look_up: &|key| view.look_up(key),
            leaves_at: &|key| view.leaves_at(key),
            ..today
        };
        // What is over IPv6, say, too late today need not be in time later.
        let is_in_time = |ip: &IpAddr| (of_today && !today.is_in_time(*ip)) || now.is_in_time(*ip);
        now.let_through(&is_unmatched) == Some(Way::Through) && nobody.iter().all(is_in_time)
    }
}

/// Whether mail that a term accepts passes before the first step, over either family, if nothing else
/// matches it.
pub(super) fn passes_today(wanted: &Wanted<'_>, view: &View<'_>, domain: &Name) -> bool {
    let today = Records {
        draft: view.draft(),
        look_up: &|key| view.live(key),
        leaves_at: &|key| view.leaves_today_at(key),
        sender: domain,
        wanted,
    };
    today.let_through(&|_, _| true) == Some(Way::Through)
        && view.nobody().into_iter().any(|ip| today.is_in_time(ip))
}

/// Records at one time, and the mail that is followed through them.
#[derive(Clone, Copy)]
struct Records<'r> {
    draft: &'r Draft<'r>,
    look_up: &'r dyn Fn(&RrKey) -> Outside,
    leaves_at: &'r dyn Fn(&RrKey) -> Option<Name>,
    sender: &'r Name,
    wanted: &'r Wanted<'r>,
}

/// Whether a term of a domain's record that refuses whom it matches, or says nothing about it, does
/// not match the mail.
type IsUnmatched<'u> = dyn Fn(&Name, &Term) -> bool + 'u;

impl Records<'_> {
    /// Whether mail that the wanted term accepts gets as far as that term; `None`: it reaches the
    /// end of the record.
    fn let_through(&self, is_unmatched: &IsUnmatched<'_>) -> Option<Way> {
        self.through(self.sender, is_unmatched, &mut BTreeSet::new())
    }

    /// Whether a receiver gets as far as the wanted term before its look-ups are used up (RFC 7208
    /// §4.6.4), for an address that no record names. The record outside counts as one look-up.
    fn is_in_time(&self, ip: IpAddr) -> bool {
        let Wanted { of, term, beyond: Some(beyond) } = self.wanted else { return true };
        if !matches!(term.target(of), Some(Target::Record(_))) {
            return true;
        }
        let look_up = |key: &RrKey| {
            let found = (self.look_up)(key);
            let is_unseen = matches!(found, Outside::Unknown(_)) && key.rtype == RrType::TXT;
            match is_unseen && (self.leaves_at)(key).as_ref() == Some(beyond) {
                true => Outside::Records([Rdata::txt(b"v=spf1 +all")].into()),
                false => found,
            }
        };
        evaluated_in(Some(self.draft), &look_up, self.sender, ip).outcome == Outcome::Pass
    }

    fn through(
        &self,
        domain: &Name,
        is_unmatched: &IsUnmatched<'_>,
        reached: &mut BTreeSet<Name>,
    ) -> Option<Way> {
        if reached.len() >= RECORDS_MAX || !reached.insert(domain.clone()) {
            return Some(Way::Stopped);
        }
        let records = match (self.look_up)(&RrKey::new(domain.clone(), RrType::TXT)) {
            Outside::Records(txt) => spf_in(&txt),
            Outside::Absent => return Some(Way::Stopped),
            Outside::Unknown(_) => return None,
        };
        let [record] = records.as_slice() else { return Some(Way::Stopped) };
        let record = record.named(domain, self.sender);
        for term in &record.terms {
            // A redirect counts only after all other terms (RFC 7208 §6.1).
            let Some(on_match) = term.on_match() else { continue };
            let is_for_all = || term.is_all() || matches_all(self.draft, self.look_up, term);
            if is_for_all() || self.is_wanted(domain, term) {
                return Some(match on_match == Outcome::Pass {
                    true => Way::Through,
                    false => Way::Stopped,
                });
            }
            if let Some(Target::Record(name)) = term.target(domain) {
                match self.through(&name, is_unmatched, reached) {
                    Some(Way::Through) if on_match == Outcome::Pass => return Some(Way::Through),
                    Some(Way::Through) => return Some(Way::Stopped),
                    // An include without a record is an error; one that fails does not match.
                    Some(Way::Stopped) if !self.has_record(&name) => return Some(Way::Stopped),
                    Some(Way::Stopped) | None => {}
                }
            }
            // Clients that match this term pass; which others match is for the adversary to say.
            if on_match != Outcome::Pass && !is_unmatched(domain, term) {
                return Some(Way::Stopped);
            }
        }
        let redirect = record.terms.iter().find(|term| term.is_redirect())?;
        if self.is_wanted(domain, redirect) {
            return Some(Way::Through);
        }
        match redirect.target(domain) {
            Some(Target::Record(name)) => self.through(&name, is_unmatched, reached),
            Some(_) | None => Some(Way::Stopped),
        }
    }

    /// Whether a term of a domain's record is the wanted one, and leads to where it led. Where that
    /// is a record outside, any term that leads to it accepts the same mail.
    fn is_wanted(&self, domain: &Name, term: &Term) -> bool {
        let Wanted { of, term: wanted, beyond } = self.wanted;
        // A redirect of one host becomes an `include` in a record that others share.
        let is_it = || domain == *of && (term.same_as(wanted, of) || leads_alike(term, wanted, of));
        let Some(beyond) = *beyond else { return is_it() };
        let leads = |name: &Name, rtype| {
            (self.leaves_at)(&RrKey::new(name.clone(), rtype)).as_ref() == Some(beyond)
        };
        let has_address_there = |name: &Name| leads(name, RrType::A) || leads(name, RrType::AAAA);
        match term.target(domain) {
            Some(Target::Record(name)) => {
                let was_record = matches!(wanted.target(of), Some(Target::Record(_)));
                was_record && leads(&name, RrType::TXT)
            }
            Some(Target::Addresses(name)) => is_it() && has_address_there(&name),
            Some(Target::Exchanges(name)) => {
                let mx = RrKey::new(name, RrType::MX);
                let is_there = || match (self.look_up)(&mx) {
                    Outside::Records(mx) => {
                        let mut all = mx.iter().filter_map(Rdata::as_mx);
                        all.any(|(_, exchange)| has_address_there(&exchange))
                    }
                    Outside::Absent => false,
                    Outside::Unknown(_) => (self.leaves_at)(&mx).as_ref() == Some(beyond),
                };
                is_it() && is_there()
            }
            None => is_it(),
        }
    }

    fn has_record(&self, name: &Name) -> bool {
        match (self.look_up)(&RrKey::new(name.clone(), RrType::TXT)) {
            Outside::Records(txt) => spf_in(&txt).len() == 1,
            Outside::Absent => false,
            Outside::Unknown(_) => true,
        }
    }
}

fn spf_in(txt: &[Rdata]) -> Vec<SpfRecord> {
    txt.iter().filter_map(SpfRecord::of_rdata).collect()
}

/// Whether a term of a domain's record matches no other clients than those that it would match today.
pub fn matches_no_more(view: &View<'_>, (domain, sender): (&Name, &Name), term: &Term) -> bool {
    means_the_same(view, (domain, sender), (term, false), &mut BTreeSet::new())
}

/// `exactly`: it matches no fewer clients either.
fn means_the_same(
    view: &View<'_>,
    (domain, sender): (&Name, &Name),
    (term, exactly): (&Term, bool),
    reached: &mut BTreeSet<Name>,
) -> bool {
    let is_same = |name: &Name, rtype| {
        let key = RrKey::new(name.clone(), rtype);
        view.look_up(&key) == view.live(&key)
    };
    let has_same = |name: &Name| is_same(name, RrType::A) && is_same(name, RrType::AAAA);
    // An `exists` asks only whether there is a record.
    let has_no_more = |name: &Name| {
        let key = RrKey::new(name.clone(), RrType::A);
        match (view.live(&key), view.look_up(&key)) {
            (Outside::Records(_), Outside::Records(_)) => true,
            (_, Outside::Absent) if !exactly => true,
            (live, now) => live == now,
        }
    };
    if let Some(name) = term.existence() {
        return has_no_more(&name);
    }
    if term.hangs_on_the_client() {
        let draft = view.draft();
        let mut below = draft.names_that_answer_below(&term.answered_below(domain));
        below.retain(|name| !term.is_of_host_names() || is_host(name));
        let owned = || draft.owned().map(|key| &key.name);
        let asks_names = term.asks_names_of_addresses();
        let mut pointers = owned().filter(|name| asks_names && is_of_address(name));
        // A name of an address counts only if it leads back to the address (RFC 7208 §5.5).
        let mut hosts = owned().filter(|name| asks_names && is_host(name));
        let stays = |name: &Name| match term.is_existence() {
            true => has_no_more(name),
            false => term.asks_for().iter().all(|rtype| is_same(name, *rtype)),
        };
        return below.iter().all(stays)
            && pointers.all(|name| is_same(name, RrType::PTR))
            && hosts.all(has_same);
    }
    match term.target(domain) {
        None => true,
        Some(Target::Addresses(name)) => has_same(&name),
        Some(Target::Exchanges(name)) => {
            is_same(&name, RrType::MX)
                && match view.live(&RrKey::new(name, RrType::MX)) {
                    Outside::Records(mx) => {
                        let mut all = mx.iter().filter_map(Rdata::as_mx);
                        all.all(|(_, exchange)| has_same(&exchange))
                    }
                    Outside::Absent | Outside::Unknown(_) => true,
                }
        }
        Some(Target::Record(name)) => {
            if reached.len() >= RECORDS_MAX {
                return false;
            }
            if !reached.insert(name.clone()) {
                return true;
            }
            is_same(&name, RrType::TXT)
                && match view.live(&RrKey::new(name.clone(), RrType::TXT)) {
                    Outside::Records(txt) => {
                        let named = spf_in(&txt).into_iter().map(|r| r.named(&name, sender));
                        let terms: Vec<Term> = named.flat_map(|record| record.terms).collect();
                        let of = (&name, sender);
                        // What does not pass in it keeps others from matching it.
                        let exactly =
                            |term: &Term| exactly || term.on_match() != Some(Outcome::Pass);
                        terms
                            .iter()
                            .all(|term| means_the_same(view, of, (term, exactly(term)), reached))
                    }
                    Outside::Absent | Outside::Unknown(_) => true,
                }
        }
    }
}

/// Whether a name can be that of a host, as the name of an address is: those have no underscores (RFC
/// 1123 §2.1).
pub fn is_host(name: &Name) -> bool {
    !name.labels().any(|label| label.first() == Some(&b'_'))
}

/// Whether a name can hold the name of an address (RFC 1035 §3.5, RFC 3596 §2.5).
pub fn is_of_address(name: &Name) -> bool {
    static ABOVE: LazyLock<[Name; 2]> = LazyLock::new(|| {
        ["in-addr.arpa.", "ip6.arpa."].map(|above| Name::from_user(above).expect("a name"))
    });
    ABOVE.iter().any(|above| name.is_at_or_below(above))
}

fn leads_alike(term: &Term, wanted: &Term, of: &Name) -> bool {
    match (term.target(of), wanted.target(of)) {
        (Some(Target::Record(left)), Some(Target::Record(right))) => left == right,
        (_, _) => false,
    }
}

/// Whether a name below another one, or that name itself, may be what the macro `i` makes of an
/// address there: what stands next to it is an octet or a digit (RFC 7208 §7.3). A wildcard answers
/// for all of these.
fn may_end_an_address(name: &Name, below: &Name) -> bool {
    let labels = name.labels().count() - below.labels().count();
    match labels.checked_sub(1).and_then(|next| name.labels().nth(next)) {
        None => true,
        Some(next) => next.iter().all(u8::is_ascii_hexdigit),
    }
}

/// Whether a term matches every client, so that no evaluation goes further: an `exists` with macros
/// for whose names a wildcard answers. If nothing is at or below the name where they end, all of
/// them get the same answer (RFC 4592 §2.2.1).
pub fn matches_all(draft: &Draft<'_>, look_up: &dyn Fn(&RrKey) -> Outside, term: &Term) -> bool {
    if !term.is_existence() || term.existence().is_some() {
        return false;
    }
    let below = term.answered_below(&Name::root());
    let Some(zone) = draft.snapshot.zone_of(&below) else { return false };
    let live = || zone.zone.rrsets.keys();
    let may_be_asked_for = |name: &Name| {
        name.is_at_or_below(&below)
            && (!term.ends_in_an_address() || may_end_an_address(name, &below))
    };
    let has_names = || {
        live().any(|key| may_be_asked_for(&key.name))
            || draft.owned().any(|key| may_be_asked_for(&key.name))
    };
    let is_cut = |key: &RrKey| {
        matches!(key.rtype, RrType::NS | RrType::DNAME)
            && key.name != zone.zone.origin
            && below.is_at_or_below(&key.name)
    };
    let apex = RrKey::new(zone.zone.origin.clone(), RrType::DNAME);
    let is_below_a_cut = || live().chain(draft.owned()).any(|key| is_cut(key) || *key == apex);
    below != zone.zone.origin
        && !has_names()
        && !is_below_a_cut()
        && below
            .child("any")
            .is_ok_and(|any| matches!(look_up(&RrKey::new(any, RrType::A)), Outside::Records(_)))
}
