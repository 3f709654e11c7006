//! Senders. Their SPF terms and DKIM keys are read as a receiver would read them.

use cutover_zone::Name;

use super::{BAD_NAME, Decoder, ONE_OF, items, text};
use crate::language::shape::Form;
use crate::language::yaml::{Kind, Node};
use crate::language::{DkimRecord, DkimSpec, SenderSpec, template_in};
use cutover_base::diag::{Code, Diagnostic, SECRET_IN_VALUE, Span, Spanned, quoted};
use cutover_mail::dkim::{KeyRecord, Problem, paste};
use cutover_mail::spf::{BadTerm, SpfRecord, Term, mechanism_with_equals_sign};

/// Invalid SPF terms, or terms that do not belong to a sender.
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

    /// Terms go into the domain's record as they are, so a bad term breaks the whole record.
    fn spf_terms(&mut self, written: Spanned<&str>) {
        let record = SpfRecord::of_terms(written.value);
        let is_of_domain = |term: &Term| {
            term.is_all() || term.to_string().to_ascii_lowercase().starts_with("v=spf1")
        };
        for term in record.terms.iter().filter(|term| is_of_domain(term)) {
            let title = format!("{} is not a sender", quoted(&term.to_string()));
            let help = "write only the terms that authorise this sender, such as `include:_spf.example.com`";
            self.report(Diagnostic::error(SPF_TERMS, written.span, title, help).why(
                "`v=spf1` and `all` belong to the domain, whose single record covers all senders",
            ));
        }
        let terms = record.terms.into_iter().filter(|term| !is_of_domain(term));
        for term in terms {
            self.spf_term(term, written.span);
        }
    }

    fn spf_term(&mut self, term: Term, span: Span) {
        let written = term.to_string();
        let why = "one bad term makes the whole record an error for every receiver (RFC 7208 §4.6): SPF passes for nobody";
        let (title, why, help) = if let Some(template) = template_in(&written) {
            let title = format!("`{template}` is not filled in: {}", quoted(&written));
            (title, why, "write the full name".to_owned())
        } else if let Some(meant) = mechanism_with_equals_sign(&written) {
            let title = format!("{} authorises nobody", quoted(&written));
            let why = "with `=` it is an unknown modifier, which receivers ignore (RFC 7208 §6)";
            (title, why, format!("write {}", quoted(&meant)))
        } else {
            let Err(BadTerm { term, meant }) = (SpfRecord { terms: vec![term] }).check() else {
                return;
            };
            let help = match meant {
                Some(meant) => format!("did you mean {}?", quoted(&meant)),
                None => "write terms such as `ip4:192.0.2.1`, `a:smtp.example.com` or `include:_spf.example.com`, separated by spaces".to_owned(),
            };
            (format!("{} is not an SPF term", quoted(&term)), why, help)
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
                let title = "this selector has nothing to publish".to_owned();
                let help = "add `cname:` or `txt:`; if the selector is already published, write only its name";
                self.error(ONE_OF, selector.span, title, help);
                None
            }
            (None, None) => None,
            (Some(cname), None) => Some(DkimRecord::Cname(cname?.value)),
            (None, Some(txt)) => Some(DkimRecord::Txt(self.key(txt, selector.value)?)),
            (Some(_), Some(txt)) => {
                let title = "a selector has either `cname` or `txt`".to_owned();
                let help = "keep one: a CNAME cannot share its name with other records";
                self.error(ONE_OF, txt.span, title, help);
                None
            }
        };
        let braces = "nothing is filled in here: write the label before `._domainkey`";
        self.no_braces(selector, selector.value, braces)?;
        if let Err(error) = Name::from_user(selector.value) {
            let title = format!("{} is not a DKIM selector: {error}", quoted(selector.value));
            let help = "write the label before `._domainkey`";
            self.error(BAD_NAME, selector.span, title, help);
            return None;
        }
        let selector = Spanned { value: selector.value.to_owned(), span: selector.span };
        Some(DkimSpec { selector, publish })
    }

    /// The text of a sender's DKIM key. Pasted forms are understood; a key that no verifier could
    /// use is refused.
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
                "this key belongs to {}, but the selector is {}",
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
        // A private key must not be shown.
        let code = if *problem == Problem::Private { SECRET_IN_VALUE } else { BAD_DKIM_KEY };
        let (title, help) = (problem.to_string(), problem.help());
        self.report(Diagnostic::error(code, span, title, help).why(problem.why()));
    }
}

/// Whether an owner name in a zone file is that of a selector: `s1._domainkey`, with or without the
/// domain after it.
fn is_of_selector(owner: &str, selector: &str) -> bool {
    let owner = owner.to_ascii_lowercase();
    let Some(rest) = owner.strip_prefix(&selector.to_ascii_lowercase()) else { return false };
    rest == "._domainkey" || rest.starts_with("._domainkey.")
}
