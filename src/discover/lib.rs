//! `cutover discover`: looks at what is live, and writes a plan to start from.
//!
//! Pure, like a probe: [`next`] takes the answers so far and returns further questions, or what was
//! found. It asks nobody itself, and everything that it asks and follows is bounded, because zones
//! are written by strangers.
//!
//! **Asking does no harm.** A resolver that is asked for a name that does not exist remembers that,
//! and a plan may publish the name soon after. So names that are only guessed (DKIM selectors,
//! discovery records) are asked for at the zone's own servers, which remember nothing. Where these
//! cannot be asked, a guessed name that the plan will publish is left out, and the report says so.
//!
//! [`plan_text`] makes the plan, and [`Report`] says what was seen, what could not be seen, and what
//! is dangerous. Every text from outside is escaped: in the plan for YAML, and in the report by
//! whoever writes it.

mod ask;
mod domain;
mod facts;
mod known;
mod looking;
mod plan;
mod report;
mod senders;
#[cfg(test)]
mod tests;
mod yaml;

use std::collections::BTreeMap;

use cutover_zone::{Name, Zone};

pub use ask::{Answer, Answers, Question, ZoneServers};
pub use domain::{DomainFacts, Exchange, Key, KeyFound, Mailed, Sender, Senders};
pub use plan::plan_text;
pub use report::{Danger, DomainReport, Report, Seen, report};

use looking::Looking;

/// The most domains of one call. Our choice: a plan with more is written by a program.
pub const DOMAINS_MAX: usize = 100;

/// What to look at.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// The domains.
    pub domains: Vec<Name>,
    /// The profile of the new host, if it is known.
    pub to: Option<&'static str>,
    /// Zones that were read from their provider.
    pub zones: BTreeMap<Name, Zone>,
    /// DKIM selectors that the user knows.
    pub selectors: Vec<String>,
    /// The providers of the plan: the YAML of one, for all zones; `None` if nobody has said.
    pub provider: Option<String>,
    /// The resolvers that are asked, as in a plan; empty: those of the system.
    pub resolvers: Vec<String>,
}

/// What to do next.
#[derive(Clone, Debug)]
pub enum Next {
    /// Ask this.
    Ask(Vec<Question>),
    /// Everything was seen that can be: the domains, in the order of the request.
    Found(Vec<DomainFacts>),
}

/// Says what to ask, or what was found.
#[must_use]
pub fn next(request: &Request, answers: &Answers) -> Next {
    let looking = Looking::new(request, answers);
    let found = request.domains.iter().map(|domain| facts::of(&looking, domain)).collect();
    let open = looking.open();
    if open.is_empty() { Next::Found(found) } else { Next::Ask(open) }
}
