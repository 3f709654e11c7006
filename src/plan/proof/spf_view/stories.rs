//! What an adversary may say of mail: what nobody could see matches it or not, as the adversary
//! likes, but today as later.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use cutover_zone::{Name, Rdata, RrKey, RrType};

use super::{SOME_HOST, SOMEBODY, check, is_for_the_sender_to_choose, is_of_address};
use crate::proof::builder::shown;
use crate::proof::view::View;
use cutover_mail::spf::{Answer, Evaluation, Problem, VOIDS_MAX, dotted};
use cutover_steps::ask::Outside;

/// The maximum number of stories about one address in one view. Our choice: ten look-ups that all
/// match or do not are about a thousand.
const STORIES_MAX: usize = 4_000;

/// What an answer that nobody could see is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Guess {
    /// It matches somebody else, or nobody.
    Nobody,
    /// It matches this client.
    Client,
    /// There is no such record, which counts as a void look-up (RFC 7208 §4.6.4).
    Void,
}

/// What an adversary says of mail from an address.
#[derive(Clone, Debug)]
pub struct Story {
    /// The answers that nobody could see. For the names of a host (`PTR`), the domain that they
    /// belong to.
    guesses: BTreeMap<RrKey, Guess>,
    /// How many void look-ups the receiver allows.
    voids_max: usize,
    /// The result before the first step.
    pub today: Evaluation,
    /// The result in the view.
    pub now: Evaluation,
}

/// Every story about mail as a domain from an address. `hosts_of`: the domains to which a host's
/// name may have to belong. `None`: there are too many.
#[must_use]
pub fn stories(
    view: &View<'_>,
    domain: &Name,
    ip: IpAddr,
    hosts_of: &BTreeSet<Name>,
) -> Option<Vec<Story>> {
    let mut found: Vec<Story> = Vec::new();
    let mut open = vec![(BTreeMap::new(), VOIDS_MAX)];
    while let Some((guesses, voids_max)) = open.pop() {
        if found.len() + open.len() > STORIES_MAX {
            return None;
        }
        let told = Told { view, ip, hosts_of, guesses: &guesses, asked: RefCell::default() };
        let today = told.evaluated(domain, voids_max, true);
        let now = told.evaluated(domain, voids_max, false);
        if let Some(key) = told.asked.into_inner() {
            let all: &[Guess] = match key.rtype {
                RrType::A | RrType::AAAA | RrType::MX => {
                    &[Guess::Void, Guess::Client, Guess::Nobody]
                }
                _ => &[Guess::Client, Guess::Nobody],
            };
            for guess in all {
                let mut guesses = guesses.clone();
                guesses.insert(key.clone(), *guess);
                open.push((guesses, voids_max));
            }
            continue;
        }
        // A receiver need not count void look-ups.
        if voids_max == VOIDS_MAX && today.problem == Some(Problem::ManyVoids) {
            open.push((guesses.clone(), usize::MAX));
        }
        found.push(Story { guesses, voids_max, today, now });
    }
    Some(found)
}

impl Story {
    /// The names about which it says something that matters, joined by `+`; without the labels that
    /// stand for the client.
    #[must_use]
    pub fn names(&self, ip: IpAddr) -> String {
        let told = self.guesses.iter().filter(|(_, guess)| **guess != Guess::Nobody);
        let names: BTreeSet<String> =
            told.map(|(key, _)| without_the_client(&key.name, ip)).collect();
        match names.is_empty() {
            true => "none".to_owned(),
            false => names.into_iter().collect::<Vec<_>>().join("+"),
        }
    }

    /// What has to be so for the story, in words.
    #[must_use]
    pub fn needs(&self, ip: IpAddr) -> String {
        let of = |(key, guess): (&RrKey, &Guess)| {
            let name = without_the_client(&key.name, ip);
            match guess {
                Guess::Nobody => None,
                Guess::Client => Some(format!("{name} matches it")),
                Guess::Void => Some(format!("{name} has no {}", key.rtype)),
            }
        };
        let mut said: Vec<String> = self.guesses.iter().filter_map(of).collect();
        if self.voids_max > VOIDS_MAX {
            said.push("the receiver does not count void look-ups".to_owned());
        }
        match said.is_empty() {
            true => "nothing that nobody could see matches it".to_owned(),
            false => said.join(" and "),
        }
    }
}

/// A name without the labels that stand for the client in it.
fn without_the_client(name: &Name, ip: IpAddr) -> String {
    let digits: BTreeSet<String> = dotted(ip).split('.').map(str::to_ascii_lowercase).collect();
    let is_of_client = |label: &&[u8]| {
        let label = String::from_utf8_lossy(label).to_ascii_lowercase();
        digits.contains(&label) || label.contains(SOMEBODY) || label.contains(SOME_HOST)
    };
    let rest = Name::from_labels(name.labels().skip_while(is_of_client));
    shown(&rest.unwrap_or_else(|_| name.clone()))
}

/// Answers as a story has them.
struct Told<'t> {
    view: &'t View<'t>,
    ip: IpAddr,
    hosts_of: &'t BTreeSet<Name>,
    guesses: &'t BTreeMap<RrKey, Guess>,
    /// The first question for which the story has no answer yet.
    asked: RefCell<Option<RrKey>>,
}

impl Told<'_> {
    fn evaluated(&self, domain: &Name, voids_max: usize, today: bool) -> Evaluation {
        check(&|key| self.answer(key, today), domain, self.ip, voids_max)
    }

    fn answer(&self, key: &RrKey, today: bool) -> Answer {
        let is_address = matches!(key.rtype, RrType::A | RrType::AAAA);
        if is_address && self.domains().any(|of| of.child(SOME_HOST).as_ref() == Ok(&key.name)) {
            return Answer::MatchesClient;
        }
        let found = match today {
            true => self.view.live(key),
            false => self.view.look_up(key),
        };
        let to_choose = is_for_the_sender_to_choose(self.view.draft(), &key.name);
        match found {
            Outside::Records(records) if !to_choose => return Answer::Records(records),
            Outside::Absent if !to_choose => return Answer::Absent,
            Outside::Records(_) | Outside::Absent | Outside::Unknown(_) => {}
        }
        if key.rtype == RrType::PTR && is_of_address(&key.name) {
            return Answer::Records(self.hosts());
        }
        let left = match today {
            true => self.view.leaves_today_at(key),
            false => self.view.leaves_at(key),
        };
        let guessed = RrKey::new(left.unwrap_or_else(|| key.name.clone()), key.rtype);
        match self.guess(guessed) {
            Guess::Nobody => Answer::MatchesNobody,
            Guess::Client => Answer::MatchesClient,
            Guess::Void => Answer::Absent,
        }
    }

    fn guess(&self, key: RrKey) -> Guess {
        let guess = self.guesses.get(&key).copied();
        if guess.is_none() {
            self.asked.borrow_mut().get_or_insert(key);
        }
        guess.unwrap_or(Guess::Nobody)
    }

    /// The domains to which the client's names may belong, and one more.
    fn domains(&self) -> impl Iterator<Item = Name> {
        let elsewhere = Name::from_user("invalid").expect("a name");
        self.hosts_of.iter().cloned().chain([elsewhere])
    }

    /// The names of the client's address: in every domain that the story says, and one elsewhere.
    fn hosts(&self) -> Arc<[Rdata]> {
        let is_there = |of: &Name| {
            !self.hosts_of.contains(of)
                || self.guess(RrKey::new(of.clone(), RrType::PTR)) == Guess::Client
        };
        let hosts = self.domains().filter(is_there).filter_map(|of| of.child(SOME_HOST).ok());
        hosts.map(|host| Rdata::ptr(&host)).collect()
    }
}
