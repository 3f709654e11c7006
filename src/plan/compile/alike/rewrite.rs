//! Repeats for one zone what is said of another: rewrites names, records and texts so that they
//! contain the one zone's name instead of the other's.

use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;

use cutover_contract::{Change, ChangeSet};
use cutover_zone::{Name, Rdata, RrKey, RrSet};
use foldhash::{HashMap, HashSet};
use memchr::memmem::Finder;

use crate::observe::MAIL_ALIASES;
use cutover_steps::graph::StepId;

/// A zone's name as it appears in texts.
#[derive(Clone, Debug)]
pub(super) struct ZoneSpelling {
    name: Name,
    /// Without its final dot.
    dotted: Finder<'static>,
    /// With dashes for dots, as hosts name a customer's exchanges: `acme-example.mail.…`.
    dashed: Finder<'static>,
}

impl ZoneSpelling {
    /// `None` for names that texts may write in another way, for names that any text may contain,
    /// and for names with a label that says what the name is for.
    pub(super) fn of(name: &Name) -> Option<Self> {
        let has_meaning = |label: &[u8]| {
            let is = |word: &str| label.eq_ignore_ascii_case(word.as_bytes());
            label.starts_with(b"_") || is("mta-sts") || MAIL_ALIASES.iter().any(|word| is(word))
        };
        if name.labels().any(has_meaning) {
            return None;
        }
        let text = name.to_string();
        let dotted = text.strip_suffix('.').filter(|dotted| dotted.contains('.'))?;
        let is_plain = |c: u8| is_of_label(c) || c == b'.';
        dotted.bytes().all(is_plain).then(|| Self {
            name: name.clone(),
            dotted: Finder::new(dotted).into_owned(),
            dashed: Finder::new(&dotted.replace('.', "-")).into_owned(),
        })
    }

    fn form(&self, form: Form) -> &Finder<'static> {
        match form {
            Form::Dotted => &self.dotted,
            Form::Dashed => &self.dashed,
        }
    }

    /// The name in this form. It is plain ASCII.
    fn written(&self, form: Form) -> &str {
        str::from_utf8(self.form(form).needle()).unwrap_or_default()
    }

    pub(super) fn name(&self) -> &Name {
        &self.name
    }

    /// Whether a text contains the name.
    pub(super) fn is_in(&self, text: &str) -> bool {
        self.next_in(text, 0).is_some()
    }

    /// The next place in a text, from this octet on, that contains the name, and in which form.
    fn next_in(&self, text: &str, from: usize) -> Option<(Range<usize>, Form)> {
        let text = text.as_bytes();
        let found = [Form::Dotted, Form::Dashed].into_iter().filter_map(|form| {
            let name = self.form(form);
            let mut from = from;
            loop {
                let at = from + name.find(&text[from..])?;
                let at = at..at + name.needle().len();
                if is_whole(text, &at, form) {
                    return Some((at, form));
                }
                // A whole occurrence may begin within a partial one.
                from = at.start + 1;
            }
        });
        found.min_by_key(|(at, _)| at.start)
    }
}

/// How a text spells a zone's name.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    /// As labels of a name, anywhere in it: also in `s1.acme.example.dkim.…`.
    Dotted,
    /// As a part of a label, between dashes or alone.
    Dashed,
}

/// Whether an occurrence consists of whole labels, or of whole parts of a label.
fn is_whole(text: &[u8], at: &Range<usize>, form: Form) -> bool {
    let goes_on = |at: usize| {
        text.get(at).is_some_and(|c| is_of_label(*c) && (form == Form::Dotted || *c != b'-'))
    };
    !at.start.checked_sub(1).is_some_and(goes_on) && !goes_on(at.end)
}

/// An index of zones that finds in a text everything that [`ZoneSpelling::is_in`] finds.
#[derive(Debug)]
pub(super) struct Index {
    dotted: HashMap<String, Name>,
    dashed: HashMap<String, Vec<Name>>,
    /// The last labels of all zones, so that few parts of a name need to be looked up.
    last: HashSet<String>,
}

impl Index {
    pub(super) fn of(zones: &[ZoneSpelling]) -> Self {
        let mut dashed: HashMap<String, Vec<Name>> = HashMap::default();
        for zone in zones {
            let name = zone.written(Form::Dashed).to_owned();
            dashed.entry(name).or_default().push(zone.name.clone());
        }
        let dotted = |zone: &ZoneSpelling| zone.written(Form::Dotted).to_owned();
        let last = zones.iter().filter_map(|zone| zone.written(Form::Dotted).rsplit('.').next());
        Self {
            dotted: zones.iter().map(|zone| (dotted(zone), zone.name.clone())).collect(),
            dashed,
            last: last.map(str::to_owned).collect(),
        }
    }

    /// The zones whose names a text contains.
    pub(super) fn in_text(&self, text: &str) -> BTreeSet<&Name> {
        let mut found = BTreeSet::new();
        let text = text.to_ascii_lowercase();
        let is_of_name = |c: char| c == '.' || u8::try_from(c).is_ok_and(is_of_label);
        for word in text.split(|c: char| !is_of_name(c)) {
            for part in parts(word, '.') {
                let is_last =
                    part.rsplit('.').next().is_some_and(|label| self.last.contains(label));
                found.extend(self.dotted.get(part).filter(|_| is_last));
            }
            for label in word.split('.').filter(|label| label.contains('-')) {
                for part in parts(label, '-') {
                    found.extend(self.dashed.get(part).into_iter().flatten());
                }
            }
        }
        found
    }

    /// Zones that share a spelling with dashes for dots.
    pub(super) fn ambiguous(&self) -> impl Iterator<Item = &Name> {
        self.dashed.values().filter(|zones| zones.len() > 1).flatten()
    }
}

/// All runs of parts of a word, which these marks separate.
fn parts(word: &str, mark: char) -> impl Iterator<Item = &str> {
    let ends = word.match_indices(mark).map(|(at, _)| at).chain([word.len()]);
    let ends: Vec<usize> = ends.collect();
    let begins: Vec<usize> =
        std::iter::once(0).chain(word.match_indices(mark).map(|(at, _)| at + 1)).collect();
    let pairs = ends.into_iter().flat_map(move |end| {
        begins.clone().into_iter().filter(move |begin| *begin < end).map(move |begin| (begin, end))
    });
    pairs.map(|(begin, end)| &word[begin..end])
}

/// Whether an octet may stand in a label.
fn is_of_label(c: u8) -> bool {
    c.is_ascii_alphanumeric() || c == b'-' || c == b'_'
}

/// Writes one zone's name where another's stands.
pub(super) struct ZoneRewriter<'p> {
    from: &'p ZoneSpelling,
    to: &'p ZoneSpelling,
    /// What has been rewritten: a plan has each RRset and each id in many places.
    rrsets: RefCell<HashMap<RrSet, Option<RrSet>>>,
    texts: RefCell<HashMap<Arc<str>, Arc<str>>>,
}

impl<'p> ZoneRewriter<'p> {
    pub(super) fn new(from: &'p ZoneSpelling, to: &'p ZoneSpelling) -> Self {
        Self { from, to, rrsets: RefCell::default(), texts: RefCell::default() }
    }

    /// The zone whose name is replaced.
    pub(super) fn from(&self) -> &Name {
        &self.from.name
    }

    /// Rewrites a text.
    pub(super) fn text<'t>(&self, text: &'t str) -> Cow<'t, str> {
        let mut written = String::new();
        let mut rest = 0;
        while let Some((at, form)) = self.from.next_in(text, rest) {
            written.push_str(&text[rest..at.start]);
            written.push_str(self.to.written(form));
            rest = at.end;
        }
        if rest == 0 {
            return Cow::Borrowed(text);
        }
        written.push_str(&text[rest..]);
        Cow::Owned(written)
    }

    pub(super) fn string(&self, text: &str) -> String {
        self.text(text).into_owned()
    }

    /// Rewrites a shared text, which stays shared.
    pub(super) fn shared(&self, text: &Arc<str>) -> Arc<str> {
        let mut known = self.texts.borrow_mut();
        let written =
            known.entry(Arc::clone(text)).or_insert_with_key(|text| match self.text(text) {
                Cow::Borrowed(_) => Arc::clone(text),
                Cow::Owned(written) => written.into(),
            });
        Arc::clone(written)
    }

    pub(super) fn id(&self, id: &StepId) -> StepId {
        StepId::new(self.shared(&id.shared()))
    }

    /// Rewrites a name in the zone, or a name elsewhere that contains the zone's name.
    pub(super) fn name(&self, name: &Name) -> Name {
        let (from, to) = (&self.from.name, &self.to.name);
        if name.is_at_or_below(from) {
            let own = &name.wire()[..name.wire().len() - from.wire().len()];
            let written = Name::from_wire(&[own, to.wire()].concat());
            return written.map_or_else(|| name.clone(), |(name, _)| name);
        }
        match self.text(&name.to_string()) {
            Cow::Borrowed(_) => name.clone(),
            Cow::Owned(text) => Name::absolute(&text).unwrap_or_else(|_| name.clone()),
        }
    }

    pub(super) fn key(&self, key: &RrKey) -> RrKey {
        RrKey::new(self.name(&key.name), key.rtype)
    }

    /// `None` if a record cannot be repeated for the other zone: a record that is not understood
    /// shows no names.
    pub(super) fn rdata(&self, rdata: &Rdata) -> Option<Rdata> {
        let text = rdata.to_string();
        match self.text(&text) {
            Cow::Borrowed(_) => Some(rdata.clone()),
            Cow::Owned(_) if rdata.is_opaque() => None,
            Cow::Owned(text) => Rdata::parse(rdata.rtype(), &text, None).ok(),
        }
    }

    pub(super) fn rrset(&self, rrset: &RrSet) -> Option<RrSet> {
        let mut known = self.rrsets.borrow_mut();
        let written = known.entry(rrset.clone()).or_insert_with_key(|rrset| {
            let all: Option<Vec<Rdata>> =
                rrset.rdata().iter().map(|rdata| self.rdata(rdata)).collect();
            let all = all?;
            // Records that do not name the zone stay the same, in the same place.
            match all == rrset.rdata() {
                true => Some(rrset.clone()),
                false => RrSet::new(rrset.ttl(), all).ok(),
            }
        });
        written.clone()
    }

    fn version(&self, version: Option<&RrSet>) -> Option<Option<RrSet>> {
        version.map_or(Some(None), |rrset| self.rrset(rrset).map(Some))
    }

    /// The versions of an RRset; `None` stands for its non-existence.
    pub(super) fn versions(&self, all: &[Option<RrSet>]) -> Option<Vec<Option<RrSet>>> {
        all.iter().map(|version| self.version(version.as_ref())).collect()
    }

    pub(super) fn change(&self, change: &Change) -> Option<Change> {
        let Change { key, before, after } = change;
        let (before, after) = (self.version(before.as_ref())?, self.version(after.as_ref())?);
        Some(Change { key: self.key(key), before, after })
    }

    pub(super) fn changes(&self, all: &[Change]) -> Option<Vec<Change>> {
        all.iter().map(|change| self.change(change)).collect()
    }

    pub(super) fn change_set(&self, set: &ChangeSet) -> Option<ChangeSet> {
        ChangeSet::new(self.name(set.zone()), self.changes(set.changes())?).ok()
    }
}
