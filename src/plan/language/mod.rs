//! The plan as the user wrote it: from YAML to [`PlanSpec`], with places.
//!
//! [`parse`] reports everything that is wrong with the form of a plan and with single values, all
//! at once. Whether values fit together (does the provider exist, is the domain in a zone) is
//! checked in `intent`. Nothing here reads files, the environment or the network: a plan of several
//! files says which it needs ([`Reading`]), and adapters' own keys are passed in.

mod compose;
mod decode;
pub mod gate;
pub mod mailboxes;
mod profile;
pub mod reference;
pub mod shape;
pub mod task;
mod todo;
pub mod v1;
pub mod yaml;

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use cutover_contract::Adapter;
use cutover_zone::{Name, NameError, Rdata, RrKey, RrType, Ttl};

use cutover_base::calendar::window::Windows;
use cutover_base::diag::{Diagnostic, Severity, Source, Span, Spanned};
use cutover_mail::recipients::Recipient;
use cutover_steps::approvals::Demand;
use cutover_steps::authority::{Authority, Exception};
use cutover_steps::config::ProviderSpec;
use cutover_steps::fact::{Fact, Subject, Value};
use cutover_steps::graph::{OnDrift, Point, StepId};
use cutover_steps::notify::Notice;
use cutover_steps::probe::ProbeKeys;
use gate::GatesSpec;
use mailboxes::MailboxesSpec;
use task::TasksSpec;

pub use compose::{Reading, Wanted};
pub use todo::UNDECIDED;

/// A decoded plan: each value is checked on its own.
#[derive(Clone, Debug)]
pub struct PlanSpec {
    /// The plan's name.
    pub name: Spanned<String>,
    /// The providers by name.
    pub providers: BTreeMap<String, ProviderSpec>,
    /// Who answers for names outside of the zones.
    pub resolver: ResolverSpec,
    /// The zones, in the order of the plan.
    pub zones: Vec<ZoneSpec>,
    /// The hosts by name.
    pub hosts: BTreeMap<String, HostSpec>,
    /// The move of mail domains.
    pub migrate: Option<MigrateSpec>,
    /// Other records.
    pub records: Vec<RecordSpec>,
    /// Lifetimes that no TTL states.
    pub clocks: Clocks,
    /// What has to pass before and after the switch.
    pub gates: GatesSpec,
    /// Work outside of DNS.
    pub tasks: TasksSpec,
    /// Notifications.
    pub notify: Vec<Notice>,
    /// Facts that cannot be seen.
    pub assume: Vec<AssumeSpec>,
    /// Invariants that may be broken.
    pub overrides: Vec<OverrideSpec>,
    /// Checks whose findings do not count.
    pub ignored: Vec<IgnoreSpec>,
    /// What continues when a part of the plan cannot.
    pub on_drift: OnDrift,
    /// Who has to approve the plan before it is applied.
    pub approvals: ApprovalsSpec,
    /// The values that nobody has decided yet: texts that begin with `TODO`.
    pub undecided: Vec<Spanned<String>>,
}

/// Who has to approve.
#[derive(Clone, Debug, Default)]
pub struct ApprovalsSpec {
    /// What the plan asks for.
    pub demand: Demand,
    /// The places of the signers that it names.
    pub spans: Vec<Span>,
}

impl ApprovalsSpec {
    /// The signers, with their places.
    pub fn signers(&self) -> impl Iterator<Item = Spanned<&str>> {
        let named = self.demand.signers.iter().zip(&self.spans);
        named.map(|(name, span)| Spanned { value: &**name, span: *span })
    }
}

/// A fact that the plan states.
#[derive(Clone, Debug)]
pub struct AssumeSpec {
    /// The kind.
    pub fact: Spanned<Fact>,
    /// What it is about.
    pub subject: Spanned<Subject>,
    /// Its value.
    pub value: Value,
    /// When it becomes true; `None` if it already is.
    pub from: Option<Point>,
    /// The name of the task at whose end it becomes true; `from` is then the task's part of the
    /// move.
    pub by: Option<Spanned<String>>,
    /// How long the old value may still hold after that.
    pub settle: Duration,
    /// Who confirms it when its time has come.
    pub confirm: Confirm,
    /// How the user knows.
    pub reason: String,
}

/// Who confirms a fact when its time has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Confirm {
    /// Nobody: it is assumed.
    Nobody,
    /// A person, or a command that runs until it succeeds.
    Person {
        /// The command: exit code 0 means true, 1 means not yet.
        check: Option<Vec<String>>,
    },
    /// Gates, when all of them have passed.
    Gates {
        /// Their ids.
        gates: Vec<StepId>,
        /// What they do not show: a clause.
        leaves: &'static str,
    },
}

/// What may be broken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OverrideSpec {
    /// An invariant by its name, or a defect by its id, which begins with the invariant's name.
    pub what: Spanned<String>,
    /// Why.
    pub reason: String,
}

/// A check whose findings do not count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IgnoreSpec {
    /// The code of the check.
    pub code: Spanned<String>,
    /// Why.
    pub reason: String,
}

/// How MX records change.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SwitchKind {
    /// In one change.
    #[default]
    Direct,
    /// The new exchanges join with a worse preference, are then preferred, and finally remain
    /// alone.
    Standby,
}

/// Who answers for names outside of the plan's zones.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ResolverSpec {
    /// The system's resolvers.
    System,
    /// Nobody: everything outside is unknown.
    None,
    /// These resolvers.
    Servers(Vec<SocketAddr>),
}

/// A zone that the plan may change.
#[derive(Clone, Debug)]
pub struct ZoneSpec {
    /// Its name.
    pub name: Spanned<Name>,
    /// The provider's name.
    pub provider: Spanned<String>,
    /// The authoritative servers as listed; `None`: those of the delegation.
    pub authorities: Option<Vec<Authority>>,
    /// The servers that the run does not wait for.
    pub except: Vec<Spanned<Exception>>,
}

/// The placeholder for a domain.
const DOMAIN: &str = "{domain}";
/// The same as one label: `acme-example` for `acme.example`.
const DOMAIN_DASHED: &str = "{domain-dashed}";

/// The first placeholder in a text.
fn template_in(text: &str) -> Option<&'static str> {
    [DOMAIN, DOMAIN_DASHED].into_iter().find(|one| text.contains(one))
}

/// A text that may contain [`DOMAIN`] or [`DOMAIN_DASHED`] and is a valid name once these are
/// filled in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NameTemplate(pub(crate) String);

impl NameTemplate {
    /// The name for one domain; absolute with or without the trailing dot.
    ///
    /// # Errors
    /// [`NameError`]: a template that fits a short domain can be too long for another.
    pub fn for_domain(&self, domain: &Name) -> Result<Name, NameError> {
        Name::from_user(&filled(&self.0, domain.to_string().trim_end_matches('.')))
    }
}

/// Fills in a domain, given without a trailing dot.
fn filled(template: &str, domain: &str) -> String {
    template.replace(DOMAIN, domain).replace(DOMAIN_DASHED, &domain.replace('.', "-"))
}

/// A host: takes mail, sends mail, or both.
#[derive(Clone, Debug, Default)]
pub struct HostSpec {
    /// Its exchanges.
    pub exchanges: Vec<ExchangeSpec>,
    /// Its senders.
    pub senders: Vec<SenderSpec>,
    /// Where clients find it.
    pub discovery: DiscoverySpec,
    /// TLSA records that the certificates of its exchanges match.
    pub tlsa: Vec<Rdata>,
    /// How its mailboxes are opened.
    pub mailboxes: Option<MailboxesSpec>,
}

/// A mail exchanger.
#[derive(Clone, Debug)]
pub struct ExchangeSpec {
    /// The MX record's preference.
    pub preference: u16,
    /// The exchange's name.
    pub name: Spanned<NameTemplate>,
    /// Addresses that the plan publishes for it.
    pub addresses: Vec<IpAddr>,
    /// The domains whose mail it takes.
    pub domains: DomainsOf,
}

/// The moving domains that a part of a host is limited to.
#[derive(Clone, Debug, Default)]
pub struct DomainsOf(pub(crate) Option<Vec<Spanned<Name>>>);

impl DomainsOf {
    /// Whether a domain is among them; if the plan names none, every domain is.
    #[must_use]
    pub fn has(&self, domain: &Name) -> bool {
        self.0.as_ref().is_none_or(|all| all.iter().any(|one| one.value == *domain))
    }

    /// The domains that the plan names.
    pub fn named(&self) -> impl Iterator<Item = &Spanned<Name>> {
        self.0.iter().flatten()
    }
}

/// A stream of mail.
#[derive(Clone, Debug)]
pub struct SenderSpec {
    /// Its name.
    pub name: String,
    /// The domains that it sends as.
    pub domains: DomainsOf,
    /// Its SPF terms.
    pub spf: Option<Spanned<String>>,
    /// Its DKIM selectors.
    pub dkim: Vec<DkimSpec>,
}

/// A DKIM selector.
#[derive(Clone, Debug)]
pub struct DkimSpec {
    /// The selector, one or more labels.
    pub selector: Spanned<String>,
    /// What the plan publishes for it; `None` if it is there already or somebody else publishes it.
    pub publish: Option<DkimRecord>,
}

/// What is published for a selector.
#[derive(Clone, Debug)]
pub enum DkimRecord {
    /// An alias to a name of the host.
    Cname(NameTemplate),
    /// The key itself.
    Txt(String),
}

/// Where mail clients find a host.
#[derive(Clone, Debug, Default)]
pub struct DiscoverySpec {
    /// IMAP.
    pub imap: Option<Spanned<Endpoint>>,
    /// POP3.
    pub pop3: Option<Spanned<Endpoint>>,
    /// Submission.
    pub submission: Option<Spanned<Endpoint>>,
    /// The target of `autodiscover`.
    pub autodiscover: Option<Spanned<NameTemplate>>,
    /// The target of `autoconfig`.
    pub autoconfig: Option<Spanned<NameTemplate>>,
}

/// A host and a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// The host's name.
    pub host: NameTemplate,
    /// The port.
    pub port: u16,
}

/// The move of mail domains.
#[derive(Clone, Debug)]
pub struct MigrateSpec {
    /// The domains.
    pub domains: Vec<Spanned<Name>>,
    /// The host that takes their mail now.
    pub from: Spanned<String>,
    /// The host that takes it after the move.
    pub to: Spanned<String>,
    /// The TTL during the move.
    pub cutover_ttl: Ttl,
    /// How long the old host goes on after the switch.
    pub keep_old: Duration,
    /// A bound for resolvers that keep records longer than their TTL.
    pub overrun: Duration,
    /// Whether TTLs go back to what they were.
    pub restore_ttls: bool,
    /// How the MX records change.
    pub switch: SwitchKind,
    /// When the switch may begin; `None`: at any time.
    pub windows: Option<Windows>,
    /// The addresses that move.
    pub recipients: Option<RecipientsSpec>,
}

/// The addresses that move.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecipientsSpec {
    /// The file that lists them, relative to the plan's directory.
    pub file: Spanned<String>,
    /// What it lists.
    pub all: Arc<[Recipient]>,
}

/// Another record.
#[derive(Clone, Debug)]
pub struct RecordSpec {
    /// Its name in anchors.
    pub id: Option<Spanned<String>>,
    /// The zone.
    pub zone: Spanned<Name>,
    /// The owner name.
    pub name: Spanned<Name>,
    /// The type.
    pub rtype: Spanned<RrType>,
    /// The records to be there; `None` to remove them.
    pub to: Option<Vec<Rdata>>,
    /// Its TTL.
    pub ttl: Option<Ttl>,
    /// The TTL to lower to first.
    pub lower_ttl: Option<Ttl>,
    /// When.
    pub when: When,
    /// How long to wait after the changes in `after:`, instead of until their old versions have
    /// expired.
    pub wait: Option<Duration>,
}

impl RecordSpec {
    /// The RRset that it is about.
    #[must_use]
    pub fn key(&self) -> RrKey {
        RrKey::new(self.name.value.clone(), self.rtype.value)
    }
}

/// When a record changes.
#[derive(Clone, Debug)]
pub enum When {
    /// At once.
    Start,
    /// Together with a part of the move.
    With(Spanned<Anchor>),
    /// When these have taken effect everywhere.
    After(Vec<Spanned<Anchor>>),
}

/// A point of the plan that others can refer to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Anchor {
    /// Additions before the switch.
    Expand,
    /// The switch itself.
    Switch,
    /// Removals after the switch.
    Contract,
    /// A record of the plan, by its id.
    Record(String),
}

impl Anchor {
    /// The word in a plan; of a record, its id.
    #[must_use]
    pub fn word(&self) -> &str {
        match self {
            Self::Expand => "expand",
            Self::Switch => "switch",
            Self::Contract => "contract",
            Self::Record(id) => id,
        }
    }
}

/// Lifetimes that no TTL states.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Clocks {
    /// Added to each hold.
    pub margin: Duration,
    /// How long an answer stays in use after its look-up.
    pub use_: Duration,
    /// How long mail waits in senders' queues.
    pub queue_life: Duration,
}

impl Clocks {
    /// 60 s: the clocks of resolvers differ from ours, and TTLs are whole seconds. Our choice
    /// (PROOF §2).
    pub const MARGIN: Duration = Duration::from_secs(60);
    /// 30 min: an answer that is valid at look-up stays in use for a whole SMTP dialogue (RFC 5321
    /// §4.5.3.2).
    pub const USE: Duration = Duration::from_secs(30 * 60);
    /// 5 d: "the give-up time generally needs to be at least 4-5 days" (RFC 5321 §4.5.4.1).
    pub const QUEUE_LIFE: Duration = Duration::from_secs(5 * 86_400);
}

/// How long resolvers may cache that a name outside of the zones does not exist: the bound that RFC
/// 2308 §5 calls sensible, since the SOA record of such a name's zone is not looked up.
pub const NEGATIVE_OUTSIDE: Duration = Duration::from_secs(24 * 3_600);

/// 7 d: the cap that RFC 8767 §4 recommends for any cache.
pub const KEEP_OLD: Duration = Duration::from_secs(7 * 86_400);
/// 24 h: 8.7 % of measured resolvers extend TTLs (PAM 2023); the bound is our choice (PROOF §2).
pub const OVERRUN: Duration = Duration::from_secs(86_400);

impl Default for Clocks {
    fn default() -> Self {
        Self { margin: Self::MARGIN, use_: Self::USE, queue_life: Self::QUEUE_LIFE }
    }
}

/// The adapters and probes that add their own keys to the plan language.
#[derive(Clone, Copy)]
pub struct Registry<'r> {
    /// The adapters.
    pub adapters: &'r [Adapter],
    /// The probes.
    pub probes: &'r [ProbeKeys],
}

/// Reads a plan that is a single file.
///
/// # Errors
/// Every diagnostic of the plan's form and of its single values, including warnings; and each
/// further file that it names, since those need [`Reading`].
pub fn parse(source: &Source, registry: Registry<'_>) -> Result<PlanSpec, Vec<Diagnostic>> {
    let (_, parsed) = Reading::of(source.clone()).finish(registry);
    parsed
}

/// Decodes a plan whose files have been merged.
fn decoded(
    root: &yaml::Node,
    registry: Registry<'_>,
    (undecided, mut found): (Vec<Spanned<String>>, Vec<Diagnostic>),
) -> Result<PlanSpec, Vec<Diagnostic>> {
    if !matches!(root.kind, yaml::Kind::Map(_)) {
        return Err(vec![no_plan(root)]);
    }
    v1::plan(registry).check(root, &mut found);
    let spec = decode::plan(root, registry, &mut found);
    let spec = spec.map(|spec| PlanSpec { undecided, ..spec });
    match spec {
        Some(spec) if found.iter().all(|d| d.severity == Severity::Warning) => Ok(spec),
        _ => Err(found),
    }
}

/// Refuses text that is YAML by accident, such as a sentence or a zone file, or nothing at all.
fn no_plan(root: &yaml::Node) -> Diagnostic {
    let title = match root.kind == yaml::Kind::Null {
        true => "the plan is empty".to_owned(),
        false => format!("expected a plan, found {}", root.kind.name()),
    };
    let help = "begin with `version: 1`, then `name:`, `providers:` and `zones:`";
    Diagnostic::error(shape::WRONG_TYPE, root.span, title, help)
}
