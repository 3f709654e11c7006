//! Senders: their SPF terms and DKIM keys, each of which is read here as a receiver would read it.

use cutover_contract::Name;

use super::{BAD_NAME, Decoder, ONE_OF, items, text};
use crate::diag::{Code, Diagnostic, SECRET_IN_VALUE, Span, Spanned, quoted};
use crate::dkim::{KeyRecord, Problem, paste};
use crate::spec::shape::Form;
use crate::spec::yaml::{Kind, Node};
use crate::spec::{DkimRecord, DkimSpec, SenderSpec, template_in};
use crate::spf::{BadTerm, SpfRecord, Term, mechanism_with_equals_sign};

/// Terms of a sender that are no terms, or not a sender's.
pub(super) const SPF_TERMS: Code = Code::semantic("spf-terms");
/// A DKIM key that no verifier could use.
pub(super) const BAD_DKIM_KEY: Code = Code::semantic("bad-dkim-key");

impl Decoder<'_> {
    pub(super) fn sender(&mut self, node: &Node) -> Option<SenderSpec> {
        let spf = node.get("spf").and_then(text);
        if let Some(spf) = spf {
            self.spf_terms(spf);
        }
        Some(SenderSpec {
            domains: self.domains_of(node),
            spf: spf.map(|t| Spanned { value: t.value.to_owned(), span: t.span }),
            dkim: items(node.get("dkim")).filter_map(|n| self.dkim(n)).collect(),
            name: text(node.get("name")?)?.value.to_owned(),
        })
    }

    /// Terms are put into the domain's record as they are, so an error in one is an error of all.
    fn spf_terms(&mut self, written: Spanned<&str>) {
        let record = SpfRecord::of_terms(written.value);
        let is_of_domain = |term: &Term| {
            term.is_all() || term.to_string().to_ascii_lowercase().starts_with("v=spf1")
        };
        for term in record.terms.iter().filter(|term| is_of_domain(term)) {
            let title = format!("{} is not a sender", quoted(&term.to_string()));
            let help = "write only the terms that authorise this sender, such as `include:_spf.example.com`";
            self.report(
                Diagnostic::error(SPF_TERMS, written.span, title, help)
                    .why("the record's beginning and its `all` belong to the domain, which has one record for all senders"),
            );
        }
        let terms = record.terms.into_iter().filter(|term| !is_of_domain(term));
        for term in terms {
            self.spf_term(term, written.span);
        }
    }

    fn spf_term(&mut self, term: Term, span: Span) {
        let written = term.to_string();
        let why = "a term that is an error makes all of the record one for every receiver (RFC 7208 §4.6): SPF passes for nobody";
        let (title, why, help) = if let Some(template) = template_in(&written) {
            let title = format!("nothing fills in `{template}` in {}", quoted(&written));
            (title, why, "write the name out".to_owned())
        } else if let Some(meant) = mechanism_with_equals_sign(&written) {
            let title = format!("{} authorises nobody", quoted(&written));
            let why = "with `=` it is a modifier that receivers pass over (RFC 7208 §6)";
            (title, why, format!("write {}", quoted(&meant)))
        } else {
            let Err(BadTerm { term, meant }) = (SpfRecord { terms: vec![term] }).check() else {
                return;
            };
            let help = match meant {
                Some(meant) => format!("write {}, if that is meant", quoted(&meant)),
                None => "write terms such as `ip4:192.0.2.1`, `a:smtp.example.com` or `include:_spf.example.com`, with blanks between them".to_owned(),
            };
            (format!("{} is no SPF term", quoted(&term)), why, help)
        };
        self.report(Diagnostic::error(SPF_TERMS, span, title, help).why(why));
    }

    fn dkim(&mut self, node: &Node) -> Option<DkimSpec> {
        let selector = match text(node) {
            Some(selector) => selector,
            None => text(node.get("selector")?)?,
        };
        let cname = node.get("cname").map(|node| text(node).and_then(|t| self.template(t)));
        let txt = node.get("txt");
        let publish = match (cname, txt) {
            (None, None) if matches!(node.kind, Kind::Map(_)) => {
                let title = "nothing says what to publish for this selector".to_owned();
                let help = "add `cname:` or `txt:`; a selector that is published already is written as its name alone";
                self.error(ONE_OF, selector.span, title, help);
                None
            }
            (None, None) => None,
            (Some(cname), None) => Some(DkimRecord::Cname(cname?.value)),
            (None, Some(txt)) => Some(DkimRecord::Txt(self.key(txt, selector.value)?)),
            (Some(_), Some(txt)) => {
                let title = "a selector is either an alias or a key".to_owned();
                let help = "keep one of `cname` and `txt`: the two cannot stand at one name";
                self.error(ONE_OF, txt.span, title, help);
                None
            }
        };
        let braces = "nothing is filled in here: write the label in front of `._domainkey`";
        self.no_braces(selector, selector.value, braces)?;
        if let Err(error) = Name::from_user(selector.value) {
            let title = format!("{} is no DKIM selector: {error}", quoted(selector.value));
            let help = "write the label in front of `._domainkey`";
            self.error(BAD_NAME, selector.span, title, help);
            return None;
        }
        let selector = Spanned { value: selector.value.to_owned(), span: selector.span };
        Some(DkimSpec { selector, publish })
    }

    /// The text of a key that a sender signs with: what was pasted is understood, and what no
    /// verifier could use is refused.
    fn key(&mut self, node: &Node, selector: &str) -> Option<String> {
        let Kind::Text(written) = &node.kind else { return None };
        // Reported by the shape.
        if !Form::Lines.accepts(written) {
            return None;
        }
        let pasted =
            paste::read(written).and_then(|pasted| KeyRecord::usable(&pasted.text).map(|_| pasted));
        let paste::Pasted { owner, text } = match pasted {
            Ok(pasted) => pasted,
            Err(problem) => {
                self.bad_key(&problem, node.span);
                return None;
            }
        };
        if let Some(owner) = owner.filter(|owner| !is_of_selector(owner, selector)) {
            let title = format!(
                "this key stands at {}, and the selector is {}",
                quoted(&owner),
                quoted(selector)
            );
            let help = "write the selector that the host signs with, and its key";
            self.report(
                Diagnostic::error(BAD_DKIM_KEY, node.span, title, help)
                    .why("mail that is signed with another key than the published one fails DKIM"),
            );
            return None;
        }
        Some(text)
    }

    pub(super) fn bad_key(&mut self, problem: &Problem, span: Span) {
        // Where it is secret, what stands there is not shown.
        let code = if *problem == Problem::Private { SECRET_IN_VALUE } else { BAD_DKIM_KEY };
        let (title, help) = (problem.to_string(), problem.help());
        self.report(Diagnostic::error(code, span, title, help).why(problem.why()));
    }
}

/// Whether an owner name in a zone file is that of a selector: `s1._domainkey`, with the domain behind
/// it or without.
fn is_of_selector(owner: &str, selector: &str) -> bool {
    let owner = owner.to_ascii_lowercase();
    let Some(behind) = owner.strip_prefix(&selector.to_ascii_lowercase()) else { return false };
    behind == "._domainkey" || behind.starts_with("._domainkey.")
}
