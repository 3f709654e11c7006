//! Other records: owner, type, data, and when they change.
//!
//! Two things that a master file accepts but nobody means are refused here: a full name without its
//! trailing dot, and unquoted text, whose spaces would be lost.

use cutover_zone::{Name, NameError, Rdata, RrType};

use super::target::{a_label_of_word, a_labels, is_address, no_name, target, with_a_labels};
use super::{
    BAD_ANCHOR, BAD_NAME, BAD_RDATA, BAD_RECORD_TYPE, Decoder, ONE_OF, bool_of, items, text,
};
use crate::language::yaml::Node;
use crate::language::{Anchor, RecordSpec, When, shape, template_in};
use cutover_base::diag::{Diagnostic, Span, Spanned, did_you_mean, quoted};

impl Decoder<'_> {
    pub(super) fn record(&mut self, node: &Node) -> Option<RecordSpec> {
        self.missing("zone", node, node.span, "the zone, one of `zones`");
        let zone = node.get("zone").and_then(|n| self.name(n));
        let rtype = node.get("type").and_then(|n| self.record_type(n));
        let ttl = self.ttl(node.get("ttl"));
        let lower_ttl = self.ttl(node.get("lower_ttl"));
        let when = self.when(node);
        let wait = self.span(node.get("wait"));
        if let (Some(written), None) = (node.get("wait"), node.get("after")) {
            let title = "`wait` needs an `after`".to_owned();
            let help = "add `after:`, with the changes that the wait follows";
            self.error(ONE_OF, written.span, title, help);
        }
        let zone = zone?;
        let name = node.get("name").and_then(|node| self.owner(node, &zone.value));
        // The shape has refused any word but true and false.
        let absent = node.get("absent").filter(|node| bool_of(Some(node)) != Some(false));
        let title = "a record has either `to` or `absent: true`".to_owned();
        let help = "write `to: [ ... ]` with the records, or `absent: true`";
        let to = match (node.get("to"), absent) {
            (Some(list), None) => {
                let rtype = rtype?.value;
                let rdata: Vec<Rdata> =
                    items(Some(list)).filter_map(|n| self.rdata(n, rtype, &zone.value)).collect();
                let spans: Vec<Span> = items(Some(list)).map(|node| node.span).collect();
                // If a record is invalid, do not judge the set without it.
                if let (Some(name), true) = (&name, !rdata.is_empty() && rdata.len() == spans.len())
                {
                    self.records_together(&name.value, rtype, &rdata, &spans)?;
                }
                Some(rdata)
            }
            (None, Some(_)) => None,
            (Some(_), Some(absent)) => {
                self.error(ONE_OF, absent.span, title, help);
                return None;
            }
            (None, None) => {
                self.error(ONE_OF, node.span, title, help);
                return None;
            }
        };
        let id = node.get("id").and_then(text);
        let id = id.map(|t| Spanned { value: t.value.to_owned(), span: t.span });
        Some(RecordSpec {
            id,
            zone,
            name: name?,
            rtype: rtype?,
            to,
            ttl,
            lower_ttl,
            when: when?,
            wait,
        })
    }

    fn owner(&mut self, node: &Node, zone: &Name) -> Option<Spanned<Name>> {
        let text = text(node)?;
        self.no_braces(text, text.value, "nothing is filled in here: write the full name")?;
        let ascii = match a_labels(text.value) {
            Ok(ascii) => ascii,
            Err(error) => return self.no_idna(text.value, &error, text.span),
        };
        let title = match Name::relative_to(&ascii, zone) {
            Ok(value) if is_meant_absolute(&ascii, zone) => {
                format!("{} would become {}", quoted(text.value), quoted(&value.to_string()))
            }
            Ok(value) => return Some(Spanned { value, span: text.span }),
            Err(error) => format!("{} is not an owner name: {error}", quoted(text.value)),
        };
        let help = "write it relative to the zone (`www`, `@` for the zone itself), or absolute with a trailing dot";
        self.error(BAD_NAME, text.span, title, help);
        None
    }

    fn no_idna<T>(&mut self, written: &str, error: &NameError, span: Span) -> Option<T> {
        let help = "write it in its ASCII form, `xn--…`, if you know it";
        self.error(BAD_NAME, span, no_name(written, error), help);
        None
    }

    fn record_type(&mut self, node: &Node) -> Option<Spanned<RrType>> {
        let text = text(node)?;
        let rtype = match text.value.parse::<RrType>() {
            Ok(rtype) => rtype,
            Err(_) => {
                let upper = text.value.to_ascii_uppercase();
                let known = RrType::KNOWN.iter().map(|(_, mnemonic)| *mnemonic);
                let help = match did_you_mean(&upper, known) {
                    Some(guess) => format!("did you mean `{guess}`?"),
                    None => "write a type such as A, AAAA, CNAME, MX, SRV or TXT, or TYPE and its number".into(),
                };
                let title = format!("{} is not a known record type", quoted(text.value));
                self.error(BAD_RECORD_TYPE, text.span, title, &help);
                return None;
            }
        };
        let (why, help) = match rtype {
            RrType::NS | RrType::DS | RrType::DNSKEY | RrType::CDS | RrType::CDNSKEY => (
                "a delegation or key change takes effect in two zones at different times, and the proof covers only one",
                "change it by hand, well before the move or well after it",
            ),
            RrType::SOA => (
                "the serial rises with every change, and the rest is up to the operator",
                "take the record out",
            ),
            rtype if rtype.is_made_by_signer() => {
                ("the server's signer makes these records", "take the record out")
            }
            value => return Some(Spanned { value, span: text.span }),
        };
        let title = format!("a plan cannot change records of type {rtype}");
        self.report(Diagnostic::error(BAD_RECORD_TYPE, text.span, title, help).why(why));
        None
    }

    fn rdata(&mut self, node: &Node, rtype: RrType, zone: &Name) -> Option<Rdata> {
        let text = text(node)?;
        let pointed_to = target(rtype, text.value);
        if let Some(address) = pointed_to.filter(|target| is_address(target)) {
            self.address_as_target(Spanned { value: address, span: text.span });
            return None;
        }
        let ascii = match with_a_labels(rtype, text.value) {
            Ok(ascii) => ascii,
            Err(error) => {
                return self.no_idna(pointed_to.unwrap_or_default(), &error, text.span);
            }
        };
        let title = match Rdata::parse(rtype, &ascii, Some(zone)) {
            Ok(_) if template_in(text.value).is_some() => {
                let template = template_in(text.value).unwrap_or_default();
                format!("a record cannot contain `{template}`")
            }
            Ok(_) if rtype == RrType::TXT && loses_blanks(text.value) => {
                "without quotes, this text loses its spaces".to_owned()
            }
            Ok(_) if Rdata::parse(rtype, &ascii, None).is_err() && ends_in_dots(&ascii) => {
                let last = text.value.split_whitespace().last().unwrap_or_default();
                let zone = quoted(&zone.to_string());
                format!("{} without a trailing dot is a name below {zone}", quoted(last))
            }
            Ok(rdata) => return Some(rdata),
            Err(error) => {
                let title = format!("this is not a valid {rtype} record: {error}");
                if let Some(ascii) = a_label_of_word(text.value) {
                    let help = format!("write names in ASCII: {}", quoted(&ascii));
                    self.error(BAD_RDATA, text.span, title, &help);
                    return None;
                }
                title
            }
        };
        let help = match rtype {
            RrType::A => "write an IPv4 address: `192.0.2.1`",
            RrType::AAAA => "write an IPv6 address: `2001:db8::1`",
            RrType::CNAME => {
                "write the name it points to, with its trailing dot: `www.example.com.`"
            }
            RrType::MX => {
                "write preference and exchange, the name with its trailing dot: `10 mx1.example.com.`"
            }
            RrType::TXT => "put each string in double quotes: '\"v=spf1 -all\"'",
            RrType::SRV => "write priority, weight, port and target: `0 1 993 imap.example.com.`",
            _ => "write the data in master file format (RFC 1035 §5.1), names with a trailing dot",
        };
        self.error(BAD_RDATA, text.span, title, help);
        None
    }

    fn when(&mut self, node: &Node) -> Option<When> {
        match (node.get("with"), node.get("after")) {
            (None, None) => Some(When::Start),
            (Some(with), None) => Some(When::With(self.anchor(with)?)),
            (None, Some(after)) => self.anchors(Some(after)).map(When::After),
            (Some(_), Some(after)) => {
                let title = "a record has either `with` or `after`".to_owned();
                self.error(ONE_OF, after.span, title, "keep one of `with` and `after`");
                None
            }
        }
    }

    /// One or several anchors; `None` if any of them is invalid.
    pub(super) fn anchors(&mut self, node: Option<&Node>) -> Option<Vec<Spanned<Anchor>>> {
        let one = node.filter(|node| text(node).is_some());
        let anchors: Vec<&Node> = one.into_iter().chain(items(node)).collect();
        let read: Vec<_> = anchors.iter().filter_map(|n| self.anchor(n)).collect();
        (read.len() == anchors.len()).then_some(read)
    }

    fn anchor(&mut self, node: &Node) -> Option<Spanned<Anchor>> {
        let text = text(node)?;
        let value = match text.value {
            "expand" => Anchor::Expand,
            "switch" => Anchor::Switch,
            "contract" => Anchor::Contract,
            other => match other.strip_prefix("record:") {
                Some(id) => Anchor::Record(id.to_owned()),
                None if other == "clients" || other.starts_with("wave:") => {
                    let title = format!("the anchor {} is not supported yet", quoted(other));
                    let help = "use `switch`, or remove the record and change it by hand";
                    self.error(shape::NOT_BUILT_YET_ANCHOR, text.span, title, help);
                    return None;
                }
                None => {
                    let title = format!("{} is not a point of the plan", quoted(other));
                    let words = "write `expand`, `switch`, `contract` or `record:ID`";
                    let help = match did_you_mean(other, ["expand", "switch", "contract"]) {
                        Some(guess) => format!("did you mean `{guess}`?"),
                        None => words.to_owned(),
                    };
                    self.error(BAD_ANCHOR, text.span, title, &help);
                    return None;
                }
            },
        };
        Some(Spanned { value, span: text.span })
    }
}

/// Whether a name without a trailing dot ends in its zone's name: `www.acme.test` in acme.test
/// would become www.acme.test.acme.test.
fn is_meant_absolute(text: &str, zone: &Name) -> bool {
    let whole = Name::absolute(&format!("{text}."));
    !zone.is_root() && !text.ends_with('.') && whole.is_ok_and(|whole| whole.is_at_or_below(zone))
}

/// Whether an unquoted text is more than one string.
fn loses_blanks(text: &str) -> bool {
    !text.contains('"') && text.split_whitespace().count() > 1 && !text.starts_with("\\#")
}

/// Whether the last word is a name of several labels without a trailing dot.
fn ends_in_dots(text: &str) -> bool {
    text.split_whitespace().last().is_some_and(|last| last.contains('.'))
}
