//! `no-loop`: no two hosts pass mail to each other, and no host passes mail to itself by the MX
//! records that it follows (RFC 5321 §5.1: the message bounces, "mail loops back to myself").

use std::time::Duration;

use super::deliverable::passing_on;
use super::forbid_at_host;
use crate::proof::builder::{PatternBuilder, shown};
use crate::proof::parties::Side;
use crate::proof::pattern::Harm;
use crate::proof::view::Choice;
use cutover_steps::fact::{Fact, Value};

const ID: &str = "no-loop";

pub(super) fn patterns(builder: &mut PatternBuilder<'_>) {
    let Some((from, to)) = builder.sides() else { return };
    for old in passing_on(builder, &from.name) {
        for new in passing_on(builder, &to.name) {
            let harm = Harm::new(
                format!("{ID}/{}/{}", from.name, to.name),
                format!(
                    "`{}` passes mail for unknown recipients to `{}`, which passes it back: 554 5.4.6, the message bounces",
                    from.name, to.name
                ),
                "let only one of the two hosts relay, and let the other one know every recipient",
            );
            builder.forbid(ID, (&Choice::new(), Duration::ZERO), &[old, new], &harm);
        }
    }
    for (side, host) in [(Side::From, from), (Side::To, to)] {
        for relays in builder.facts.of_host(Fact::Mail, &host.name, Value::RelayByMx) {
            for (domain, _) in builder.moving() {
                let harm = Harm::new(
                    format!("{ID}/{}/{}/by-mx", shown(domain), host.name),
                    format!(
                        "`{}` passes mail on by the MX records of {domain}, which name `{}` itself: 554 5.4.6, the message bounces",
                        host.name, host.name
                    ),
                    format!(
                        "let `{}` relay to the other host's exchanges by name (`value: relay`), or let it begin when no cache can hold MX records that name it",
                        host.name
                    ),
                );
                let relays = (Duration::ZERO, &[vec![relays]][..]);
                forbid_at_host(builder, (ID, domain, side), relays, &harm);
            }
        }
    }
}
