//! The adapter for every provider that octoDNS has a class for.
//!
//! A Python process that runs octoDNS creates an object of the class, and reads and writes through
//! it. The adapter talks to the process in JSON lines (`bridge.py`), and compares values itself, in
//! canonical form.
//!
//! How a change is made: the class plans it (`plan()`, which includes the class's own checks). The
//! adapter compares the RRsets that the class saw with the expected RRsets, and those that it would
//! make with the wanted RRsets. Then it applies exactly this plan and reads the zone again.
//!
//! octoDNS only reads whole zones, shows no SOA, and knows only the types in [`TYPES`]; records of
//! other types are not seen. In which order a class writes, and whether an RRset disappears for a
//! moment, depends on the class: [`table`] lists those that are known to replace an RRset in place.

mod convert;
mod process;
mod table;

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use async_trait::async_trait;
use cutover_contract::{
    Adapter, Atomicity, Capabilities, Change, ChangeSet, CompareAndSet, Config, ConfigError,
    ConfigField, ConfigValue, FieldKind, Gathered, Granularity, Provider, ProviderError,
    ProviderResult, Receipt, Unwritable,
};
use cutover_kit::check::{self, Checked};
use cutover_kit::{AsBefore, Written, alone, compare, rr_types, unsupported};
use cutover_zone::{Name, RrKey, RrSet, RrType, Ttl, Zone};
use serde_json::{Value, json};

use process::{Bridge, Failed, Kind};

/// The adapter, as the registry of the command line knows it.
pub const ADAPTER: Adapter = Adapter {
    kind: "octodns",
    doc: "Any provider that octoDNS has a class for, through Python.",
    asks_delegation: true,
    is_program: true,
    fields: &[
        ConfigField::required(
            "class",
            FieldKind::Text,
            "The class, as octoDNS's own configuration names it, such as \
                  octodns_gandi.GandiProvider.",
        ),
        ConfigField::optional(
            "settings",
            FieldKind::Settings,
            "The arguments of the class, as in octoDNS's own configuration; a secret is a \
                  reference, such as `{ env: TOKEN }`.",
        ),
        ConfigField::optional(
            "python",
            FieldKind::Text,
            "The Python in which octoDNS is installed, such as .venv/bin/python; default \
                  python3.",
        ),
        ConfigField::optional(
            "ttl_min",
            FieldKind::Duration,
            "The smallest TTL that the provider accepts, which octoDNS does not report.",
        ),
        ConfigField::optional(
            "anycast_margin",
            FieldKind::Duration,
            "The time to add after every server that can be queried serves a change, for the nodes \
                  of an anycast network that cannot be queried; default 1m, and 0s for classes that \
                  write to servers of your own.",
        )
        .renamed_from("unseen_nodes"),
    ],
    findings: include_str!("../findings.json"),
    connect,
};

/// The types that octoDNS 1.22 supports, without those that a provider invented.
const TYPES: &[RrType] = rr_types![
    A AAAA CAA CNAME DNAME DS HTTPS LOC MX NAPTR NS OPENPGPKEY PTR SRV SSHFP SVCB TLSA TXT URI
];

/// How long after a change of unknown outcome its effect can still appear. Our choice: the Python
/// process ends when we do, or when it is too slow, and a minute remains for a request that the
/// provider has already read.
const SETTLE_MAX: Duration = Duration::from_secs(60);
/// The most change sets that a class is asked to plan before a run. Our choice: each costs reading
/// the zone; the rest are checked without the class.
const PLANNED_MAX: usize = 32;
/// How long to wait if a provider asks to wait without saying how long. Our choice.
const PATIENCE: Duration = Duration::from_secs(60);
/// The longest wait that we accept. Our choice: a longer time is a typing error.
const PATIENCE_MAX: Duration = Duration::from_secs(3_600);
/// The most characters of other software's text that are shown. Our choice.
const WORDS_CHARS_MAX: usize = 400;

struct OctoDns {
    class: String,
    ttl_min: Ttl,
    anycast_margin: Duration,
    bridge: Bridge,
    /// Texts that no error may contain.
    secrets: Vec<String>,
}

fn connect(config: &Config, base: &Path) -> Result<Box<dyn Provider>, ConfigError> {
    let class = config.need("class", Config::text)?;
    let is_word = |word: &str| {
        !word.is_empty() && word.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    };
    if class.split('.').count() < 2 || !class.split('.').all(is_word) {
        let problem = "it must be a module and a class, such as octodns_gandi.GandiProvider";
        return Err(ConfigError::new("class", problem));
    }
    let mut secrets = Vec::new();
    let mut settings = serde_json::Map::new();
    for (key, value) in config.object("settings").iter().flat_map(|config| &config.0) {
        let value = match value {
            ConfigValue::Text(text) => json!(text),
            ConfigValue::Number(number) => json!(number),
            ConfigValue::Bool(flag) => json!(flag),
            ConfigValue::Secret(secret) => {
                secrets.push(secret.expose().to_owned());
                json!(secret.expose())
            }
            ConfigValue::SocketAddr(_)
            | ConfigValue::Path(_)
            | ConfigValue::Name(_)
            | ConfigValue::Duration(_)
            | ConfigValue::Argv(_)
            | ConfigValue::Object(_) => {
                let problem = "an argument cannot be a list or a mapping";
                return Err(ConfigError::new("settings", problem));
            }
        };
        settings.insert(key.clone(), value);
    }
    let ttl = |span: &Duration| {
        let secs = u32::try_from(span.as_secs()).ok();
        secs.and_then(|secs| Ttl::from_secs(secs).ok())
            .ok_or_else(|| ConfigError::new("ttl_min", "it is not a TTL"))
    };
    let ttl_min = config.duration("ttl_min").map_or(Ok(Ttl::ZERO), ttl)?;
    let known = table::known(class).map(|known| known.anycast_margin);
    let anycast_margin = config.duration("anycast_margin").copied().or(known);
    let anycast_margin = anycast_margin.unwrap_or(table::ANYCAST);
    let open = json!({ "do": "open", "class": class, "settings": settings });
    let python = config.text("python").unwrap_or("python3");
    let bridge = Bridge::new(python, base, &open);
    let class = class.to_owned();
    Ok(Box::new(OctoDns { class, ttl_min, anycast_margin, bridge, secrets }))
}

/// How far a request has got, and thus whether a change may have been made.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Before,
    Commit,
}

/// A failure, before it becomes an error of the contract.
enum Trouble {
    Bridge(Failed),
    Told(ProviderError),
}

impl From<Failed> for Trouble {
    fn from(failed: Failed) -> Self {
        Self::Bridge(failed)
    }
}

impl OctoDns {
    fn peer(&self) -> String {
        format!("octoDNS's {}", self.class)
    }

    /// Other software's text, on one line, without secrets.
    fn words(&self, text: &str) -> String {
        let mut text = text.to_owned();
        // An empty secret would match everywhere.
        for secret in self.secrets.iter().filter(|secret| !secret.is_empty()) {
            text = text.replace(secret.as_str(), "[secret]");
        }
        let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
        line.chars().filter(|c| !c.is_control()).take(WORDS_CHARS_MAX).collect()
    }

    fn told(
        &self,
        zone: &Name,
        key: Option<&RrKey>,
        stage: Stage,
        trouble: Trouble,
    ) -> ProviderError {
        let (zone, peer) = (zone.clone(), self.peer());
        let failed = match trouble {
            Trouble::Told(error) => return error,
            Trouble::Bridge(failed) => failed,
        };
        let complaint = match failed {
            Failed::Start(detail) => {
                return ProviderError::Refused { zone, detail: self.words(&detail) };
            }
            Failed::Lost(detail) | Failed::Silent(detail) => {
                let detail = self.words(&detail);
                return match stage {
                    Stage::Before => ProviderError::Unreachable { zone, peer, detail },
                    Stage::Commit => ProviderError::InDoubt { zone, peer, detail },
                };
            }
            Failed::Said(complaint) => complaint,
        };
        let detail = self.words(&complaint.detail);
        match (complaint.kind, stage) {
            (Kind::Unauthorized, _) => ProviderError::Unauthorized { zone, detail },
            (Kind::NoSuchZone, _) => ProviderError::NoSuchZone { zone, detail },
            (Kind::Throttled, Stage::Before) => {
                let wait = complaint.wait.map_or(PATIENCE, Duration::from_secs);
                ProviderError::Throttled { zone, retry_after: wait.min(PATIENCE_MAX) }
            }
            (Kind::Unreached, _) | (Kind::Failing | Kind::Broken, Stage::Before) => {
                ProviderError::Unreachable { zone, peer, detail }
            }
            (Kind::Garbage, Stage::Before) => ProviderError::Malformed { zone, detail },
            (Kind::Setup | Kind::Denied, _) | (Kind::Refused, Stage::Before) => {
                ProviderError::Refused { zone, detail }
            }
            (Kind::Unsupported, _) => match key {
                Some(key) => ProviderError::Unsupported { zone, key: key.clone(), why: detail },
                None => ProviderError::Refused { zone, detail },
            },
            // A class does not report how much of a change it sent before it failed.
            (
                Kind::Throttled | Kind::Failing | Kind::Broken | Kind::Garbage | Kind::Refused,
                Stage::Commit,
            ) => ProviderError::InDoubt { zone, peer, detail },
        }
    }

    async fn read(&self, zone: &Name) -> Result<BTreeMap<RrKey, RrSet>, ProviderError> {
        let request = json!({ "do": "read", "zone": zone.to_string() });
        let mut rrsets = BTreeMap::new();
        let look = |_, answer: &Value| {
            rrsets = self.rrsets(zone, &answer["rrsets"]).map_err(Trouble::Told)?;
            Ok(())
        };
        let asked = self.bridge.ask(&[request], look).await;
        asked.map_err(|trouble| self.told(zone, None, Stage::Before, trouble))?;
        Ok(rrsets)
    }

    fn rrsets(&self, zone: &Name, shown: &Value) -> Result<BTreeMap<RrKey, RrSet>, ProviderError> {
        convert::rrsets(shown).map_err(|problem| ProviderError::Malformed {
            zone: zone.clone(),
            detail: self.words(&problem.to_string()),
        })
    }

    /// Compares what octoDNS saw with what is expected, and what it would make with what is wanted.
    fn prepared(&self, changes: &ChangeSet, answer: &Value) -> Result<(), ProviderError> {
        let zone = changes.zone();
        let before = self.rrsets(zone, &answer["before"])?;
        compare(changes, |key| before.get(key))?;
        stands_alone(changes, &before)?;
        let after = self.rrsets(zone, &answer["after"])?;
        let made = convert::keys(&answer["made"]).map_err(|problem| ProviderError::Malformed {
            zone: zone.clone(),
            detail: self.words(&problem.to_string()),
        })?;
        for Change { key, after: wanted, .. } in changes.changes() {
            if !made.contains(key) {
                let why = format!("{} does not include it in its plan", self.peer());
                return Err(unsupported(zone, key, why));
            }
            if after.get(key) != wanted.as_ref() {
                let is = after.get(key).map_or("nothing".to_owned(), |rrset| format!("{rrset:?}"));
                let why = format!("{} would make it {is}", self.peer());
                return Err(unsupported(zone, key, why));
            }
        }
        Ok(())
    }

    /// Refuses RRsets that are not entrusted to octoDNS.
    fn check_each(&self, changes: &ChangeSet) -> Result<(), ProviderError> {
        check::opaque(changes)?;
        let zone = changes.zone();
        for Change { key, after, .. } in changes.changes() {
            let types = table::known(&self.class).map_or(TYPES, |known| known.types);
            let written = convert::writable(key, after.as_ref(), types, self.ttl_min);
            written.map_err(|why| unsupported(zone, key, why.to_string()))?;
        }
        Ok(())
    }

    /// Lets the class plan a change set from the current state, without making it.
    async fn planned(
        &self,
        set: &ChangeSet,
        live: &BTreeMap<RrKey, RrSet>,
    ) -> Result<(), ProviderError> {
        let from_here = set
            .changes()
            .iter()
            .map(|change| Change { before: live.get(&change.key).cloned(), ..change.clone() });
        let from_here = from_here.filter(|change| change.before != change.after).collect();
        let Ok(set) = ChangeSet::new(set.zone().clone(), from_here) else { return Ok(()) };
        // What other change sets add or remove at a name is not considered here.
        let alone = stands_alone(&set, live).is_ok();
        let look = |_, answer: &Value| match alone {
            true => self.prepared(&set, answer).map_err(Trouble::Told),
            false => Ok(()),
        };
        let asked = self.bridge.ask(&[prepare(&set)], look).await;
        let key = set.changes().first().map(|change| &change.key);
        match asked.map_err(|trouble| self.told(set.zone(), key, Stage::Before, trouble)) {
            Err(ProviderError::Unsupported { .. }) if !alone => Ok(()),
            other => other,
        }
    }

    /// The error for a failure while a change was being made. A class may have sent several
    /// requests before it failed, so an error that means "nothing was done" is believed only if the
    /// zone is unchanged.
    async fn settled(&self, changes: &ChangeSet, error: ProviderError) -> ProviderError {
        if matches!(error, ProviderError::InDoubt { .. }) {
            return error;
        }
        let zone = changes.zone();
        let is_before = |live: &BTreeMap<RrKey, RrSet>| {
            changes.changes().iter().all(|change| live.get(&change.key) == change.before.as_ref())
        };
        if self.read(zone).await.is_ok_and(|live| is_before(&live)) {
            return error;
        }
        let detail = format!("a part of the change may have been made: {error}");
        ProviderError::InDoubt { zone: zone.clone(), peer: self.peer(), detail }
    }

    async fn read_back(&self, changes: &ChangeSet) -> Result<Receipt, ProviderError> {
        let written = Written {
            changes,
            peer: self.peer(),
            claim: "it accepted the change",
            as_before: AsBefore::Ignored,
        };
        let live = self.read(changes.zone()).await;
        let live = live.map_err(|error| written.unread(&error))?;
        written.judge(|key| live.get(key))?;
        Ok(Receipt { serial: None, read_back: true })
    }
}

/// Checks that each CNAME is alone after the change (RFC 1034 §3.6.2), and that none is at the
/// apex, whose SOA octoDNS does not show. Classes leave this check to their providers, and not
/// every provider makes it.
fn stands_alone(changes: &ChangeSet, before: &BTreeMap<RrKey, RrSet>) -> Result<(), ProviderError> {
    let soa = RrKey::new(changes.zone().clone(), RrType::SOA);
    alone(changes, before.keys().chain([&soa]), &[RrType::CNAME])
}

/// The request that lets the class plan a change set.
fn prepare(changes: &ChangeSet) -> Value {
    json!({
        "do": "prepare",
        "zone": changes.zone().to_string(),
        "changes": changes.changes().iter().map(convert::change).collect::<Vec<_>>(),
    })
}

fn owned((key, rrset): (&RrKey, &RrSet)) -> (RrKey, RrSet) {
    (key.clone(), rrset.clone())
}

#[async_trait]
impl Provider for OctoDns {
    fn capabilities(&self, _: &Name) -> Capabilities {
        let known = table::known(&self.class);
        Capabilities {
            granularity: Granularity::RrSet,
            atomicity: known.map_or(Atomicity::None, |_| Atomicity::RrSet),
            compare_and_set: CompareAndSet::ReadCompareWrite,
            ttl_min: self.ttl_min,
            ttl_max: Ttl::MAX,
            types: Some(known.map_or(TYPES, |known| known.types)),
            // No two RRsets change at once.
            gathered: Gathered::One,
            settle_max: SETTLE_MAX,
            anycast_margin: self.anycast_margin,
            served_within: None,
        }
    }

    async fn read_zone(&self, zone: &Name) -> Result<Zone, ProviderError> {
        Ok(Zone { origin: zone.clone(), rrsets: self.read(zone).await? })
    }

    async fn read_rrsets(&self, zone: &Name, keys: &[RrKey]) -> ProviderResult<Vec<Option<RrSet>>> {
        let rrsets = self.read(zone).await?;
        Ok(keys.iter().map(|key| rrsets.get(key).cloned()).collect())
    }

    async fn check(&self, zone: &Name, sets: &[ChangeSet]) -> ProviderResult<Vec<Unwritable>> {
        let live = self.read(zone).await?;
        let touched = check::touched(sets);
        let beside: BTreeMap<RrKey, RrSet> =
            live.iter().filter(|(key, _)| !touched.contains(key)).map(owned).collect();
        let mut checked = Checked::default();
        for (number, set) in sets.iter().enumerate() {
            let mut is_refused = false;
            let mut note = |checked: &mut Checked, found: Result<(), ProviderError>| {
                is_refused |= found.is_err();
                checked.note(found)
            };
            for single in check::one_by_one(set) {
                note(&mut checked, self.check_each(&single))?;
            }
            note(&mut checked, stands_alone(set, &beside))?;
            if !is_refused && number < PLANNED_MAX {
                checked.note(self.planned(set, &live).await)?;
            }
        }
        Ok(checked.found())
    }

    async fn apply(&self, changes: &ChangeSet) -> Result<Receipt, ProviderError> {
        let zone = changes.zone();
        self.check_each(changes)?;
        let prepare = prepare(changes);
        let mut stage = Stage::Before;
        let look = |number, answer: &Value| {
            if number == 0 {
                self.prepared(changes, answer).map_err(Trouble::Told)?;
                stage = Stage::Commit;
            }
            Ok(())
        };
        let asked = self.bridge.ask(&[prepare, json!({ "do": "commit" })], look).await;
        let key = changes.changes().first().map(|change| &change.key);
        match (asked, stage) {
            (Ok(()), _) => self.read_back(changes).await,
            (Err(trouble), Stage::Before) => Err(self.told(zone, key, stage, trouble)),
            (Err(trouble), Stage::Commit) => {
                let error = self.told(zone, key, stage, trouble);
                Err(self.settled(changes, error).await)
            }
        }
    }
}
