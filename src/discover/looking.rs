//! Look-ups in the answers so far. What is not answered yet becomes a question, so that the code that
//! reads an answer is the code that asks for it.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::net::SocketAddr;

use cutover_check::Look;
use cutover_mail::resolution::{Reply, reply};
use cutover_steps::ask::{Outside, Served};
use cutover_zone::{Name, RrKey, RrSet, RrType, Zone};

use crate::known;
use crate::{Answer, Answers, Question, Request, ZoneServers};

/// The maximum length of a chain of aliases; resolvers follow about as many. Our choice.
const ALIASES_MAX: usize = 8;
/// The most questions for each domain. Our choice: a domain with many senders needs some three
/// hundred.
pub(crate) const QUESTIONS_OF_DOMAIN_MAX: usize = 1_000;

/// Why an answer that is still open is not seen.
const OPEN: &str = "not asked yet";
/// Why a guessed name was not asked for.
const WOULD_HARM: &str = "the zone's own servers cannot be asked, and asking a resolver for a name \
                          that is to be published would delay it";

/// How sure it is that a name exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Named {
    /// Another record names it, or everybody looks it up.
    Published,
    /// It may not exist, and the plan may publish it.
    Guessed,
}

pub(crate) struct Looking<'a> {
    pub(crate) request: &'a Request,
    answers: &'a Answers,
    open: RefCell<BTreeSet<Question>>,
    /// Names that the plan will publish.
    planned: BTreeSet<Name>,
}

/// Who answers for a name.
enum Place<'a> {
    /// A zone whose contents are known.
    Held(&'a Zone),
    /// These servers of the zone; none if they are not known.
    Served(&'a ZoneServers),
    /// A resolver.
    Outside,
}

impl<'a> Looking<'a> {
    pub(crate) fn new(request: &'a Request, answers: &'a Answers) -> Self {
        let planned = request.domains.iter().flat_map(|domain| {
            request.to.into_iter().flat_map(move |profile| known::published(profile, domain))
        });
        Self { request, answers, open: RefCell::default(), planned: planned.collect() }
    }

    /// The questions that are still open.
    pub(crate) fn open(self) -> Vec<Question> {
        self.open.into_inner().into_iter().collect()
    }

    /// The answer to a question; `None` if it is still open. If the limit is reached, nothing more
    /// is asked.
    fn answer(&self, question: Question) -> Result<&'a Answer, String> {
        if let Some(answer) = self.answers.get(&question) {
            return Ok(answer);
        }
        let mut open = self.open.borrow_mut();
        let most = QUESTIONS_OF_DOMAIN_MAX * self.request.domains.len().max(1);
        if !open.contains(&question) && self.answers.len() + open.len() >= most {
            return Err(format!("the limit of {most} questions is reached"));
        }
        open.insert(question);
        Err(OPEN.to_owned())
    }

    /// The zone that a domain is in, and who serves it; `None` if it is not known yet.
    pub(crate) fn zone(&self, domain: &Name) -> Option<Result<&'a ZoneServers, &'a str>> {
        match self.answer(Question::Zone(domain.clone())) {
            Ok(Answer::Zone(found)) => Some(found.as_ref().map_err(String::as_str)),
            Ok(Answer::Served(_) | Answer::Public(_) | Answer::Policy(_)) => None,
            Err(why) if why == OPEN => None,
            Err(_) => Some(Err("the limit of questions is reached")),
        }
    }

    /// The text of a domain's MTA-STS policy; `None` if it is not known yet.
    pub(crate) fn policy(&self, domain: &Name) -> Option<&'a Result<String, String>> {
        match self.answer(Question::Policy(domain.clone())) {
            Ok(Answer::Policy(found)) => Some(found),
            Ok(_) | Err(_) => None,
        }
    }

    /// The zone that was read from its provider and has this name.
    pub(crate) fn held(&self, name: &Name) -> Option<&'a Zone> {
        let above = std::iter::successors(Some(name.clone()), Name::parent);
        above.into_iter().find_map(|name| self.request.zones.get(&name))
    }

    fn place(&self, name: &Name) -> Place<'a> {
        if let Some(zone) = self.held(name) {
            return Place::Held(zone);
        }
        let zones = self.request.domains.iter().filter_map(|domain| {
            match self.answers.get(&Question::Zone(domain.clone())) {
                Some(Answer::Zone(Ok(zone))) if name.is_at_or_below(&zone.origin) => Some(zone),
                Some(_) | None => None,
            }
        });
        match zones.max_by_key(|zone| zone.origin.wire().len()) {
            Some(zone) => Place::Served(zone),
            None => Place::Outside,
        }
    }

    /// What is at a name that is published, with aliases followed.
    pub(crate) fn look(&self, key: &RrKey) -> Look {
        self.follow(key, Named::Published)
    }

    /// What is at a name, with aliases followed.
    pub(crate) fn follow(&self, key: &RrKey, mut named: Named) -> Look {
        let mut key = key.clone();
        for _ in 0..=ALIASES_MAX {
            let found = match self.place(&key.name) {
                Place::Held(zone) => held(zone, &key),
                Place::Served(zone) if zone.servers.is_empty() => self.of_own(&key, named),
                Place::Served(zone) => self.served(zone, &key),
                Place::Outside => Step::Here(self.public(&key)),
            };
            match found {
                Step::Here(look) => return look,
                Step::To(target) => {
                    key.name = target;
                    named = Named::Published;
                }
            }
        }
        Look::Unseen(format!("{}: more than {ALIASES_MAX} aliases in a row", key.name))
    }

    /// A resolver's answer for a name in a zone whose servers cannot be asked.
    fn of_own(&self, key: &RrKey, named: Named) -> Step {
        let is_harmless = self.request.to.is_some() && !self.planned.contains(&key.name);
        match named == Named::Published || is_harmless {
            true => Step::Here(self.public(key)),
            false => Step::Here(Look::Unseen(WOULD_HARM.to_owned())),
        }
    }

    fn public(&self, key: &RrKey) -> Look {
        match self.answer(Question::Public(key.clone())) {
            Ok(Answer::Public(Outside::Records(rdata))) => {
                Look::Records { rdata: rdata.clone(), ttl: None, is_wildcard: false }
            }
            Ok(Answer::Public(Outside::Absent)) => Look::Absent,
            Ok(Answer::Public(Outside::Unknown(why))) => Look::Unseen(why.clone()),
            Ok(Answer::Zone(_) | Answer::Served(_) | Answer::Policy(_)) => {
                Look::Unseen(OPEN.to_owned())
            }
            Err(why) => Look::Unseen(why),
        }
    }

    fn served(&self, zone: &ZoneServers, key: &RrKey) -> Step {
        let exact = match self.one(&zone.servers, key) {
            Ok(Served::Answer(None)) => None,
            Ok(Served::Answer(Some(rrset))) => Some((rrset, false)),
            Ok(Served::Wildcard(rrset)) => Some((rrset, true)),
            // A zone of its own below this one, or servers that are away.
            Ok(Served::Unanswered(why)) => return Step::Here(Look::Unseen(why.clone())),
            Err(why) => return Step::Here(Look::Unseen(why)),
        };
        if let Some((rrset, is_wildcard)) = exact {
            return Step::Here(records(rrset, is_wildcard));
        }
        if key.rtype == RrType::CNAME || key.name == zone.origin {
            return Step::Here(Look::Absent);
        }
        // Servers are asked for exactly one type, and an alias is of another.
        match self.one(&zone.servers, &RrKey::new(key.name.clone(), RrType::CNAME)) {
            Ok(Served::Answer(Some(rrset)) | Served::Wildcard(rrset)) => {
                match rrset.rdata().first().and_then(cutover_zone::Rdata::target) {
                    Some(target) => Step::To(target),
                    None => Step::Here(Look::Absent),
                }
            }
            Ok(Served::Answer(None)) => Step::Here(Look::Absent),
            Ok(Served::Unanswered(why)) => Step::Here(Look::Unseen(why.clone())),
            Err(why) => Step::Here(Look::Unseen(why)),
        }
    }

    fn one(&self, servers: &[SocketAddr], key: &RrKey) -> Result<&'a Served, String> {
        let question = Question::Served { servers: servers.to_vec(), key: key.clone() };
        match self.answer(question)? {
            Answer::Served(served) => Ok(served),
            Answer::Zone(_) | Answer::Public(_) | Answer::Policy(_) => Err(OPEN.to_owned()),
        }
    }
}

/// What a look-up leads to.
enum Step {
    /// To an answer.
    Here(Look),
    /// To another name.
    To(Name),
}

fn records(rrset: &RrSet, is_wildcard: bool) -> Look {
    Look::Records { rdata: rrset.shared_rdata(), ttl: Some(rrset.ttl()), is_wildcard }
}

/// What a zone that was read answers.
fn held(zone: &Zone, key: &RrKey) -> Step {
    match reply(&zone, key) {
        Reply::Records(rrset) => Step::Here(records(rrset, zone.get(key).is_none())),
        Reply::Alias { by, .. } if key.rtype == RrType::CNAME => Step::Here(records(by, false)),
        Reply::Alias { target, .. } => Step::To(target),
        Reply::Absent => Step::Here(Look::Absent),
        Reply::Delegated(below) => {
            Step::Here(Look::Unseen(format!("{below} is a zone of its own")))
        }
    }
}
