//! `cutover zone`

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use cutover_contract::{Config, ConfigValue, Provider};
use cutover_zone::{Name, RrKey, RrType, Zone};

use super::exit::Exit;
use super::failure::{Code, ErrorFormat, Failure, Message, Severity};
use super::{CommandArgs, home, planning, print_out, print_raw, registry, styling};
use crate::diag::did_you_mean;
use crate::language::{ResolverSpec, ZoneSpec};
use crate::render::zone::{compared as comparison, difference, json, master_file, octodns};
use crate::world::real::connect::{Commands, connect};
use crate::world::real::snapshot::{ServerAnswers, authorities, query_server};

/// Show whole zones, and how they differ
#[derive(clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(clap::Subcommand)]
enum What {
    Dump(Dump),
    Diff(Diff),
}

/// Print a zone as stored at its provider
#[derive(clap::Args)]
struct Dump {
    /// The plan that says which provider holds the zone, and how to connect to it
    plan: PathBuf,
    /// The zone
    zone: String,
    /// Read the zone from this provider of the plan, instead of the provider in its `zones:`
    #[arg(long, value_name = "NAME")]
    provider: Option<String>,
    /// The output format: a master file (RFC 1035), an octoDNS zone file, or JSON
    #[arg(long, value_enum, default_value_t = Format::Zone)]
    format: Format,
    #[command(flatten)]
    commands: CommandArgs,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum Format {
    Zone,
    Octodns,
    Json,
}

/// Show how two versions of a zone differ
///
/// A version is `provider` (as in the plan's `zones:`), `provider:NAME`, `live` (every
/// authoritative server), `live:ADDRESS:PORT`, or the path of a master file. Servers are queried
/// for the RRsets of the other version, one at a time, so RRsets that only they have are not found.
/// SOA serials are ignored.
#[derive(clap::Args)]
struct Diff {
    /// The plan that says which provider holds the zone, and how to connect to it
    plan: PathBuf,
    /// The zone
    zone: String,
    /// The first version, shown as `-`
    a: String,
    /// The second version, shown as `+`
    b: String,
    /// Exit with 0 if the versions are equal, 2 if they differ, and 1 after any error
    #[arg(long)]
    detailed_exitcode: bool,
    #[command(flatten)]
    commands: CommandArgs,
}

pub(super) async fn run(args: Args, errors: ErrorFormat) -> Result<Exit, Failure> {
    match args.what {
        What::Dump(args) => dump(&args, errors).await,
        What::Diff(args) => diff(&args, errors).await,
    }
}

fn warning(code: Code, text: String) -> Message {
    Message::new(code, text).severity(Severity::Warning)
}

/// A plan, and one zone.
struct Asking<'a> {
    plan: &'a Path,
    intent: crate::intent::Intent,
    zone: Name,
    commands: Commands,
    /// How remarks are written.
    errors: ErrorFormat,
}

impl<'a> Asking<'a> {
    fn new(
        (plan, zone): (&'a Path, &str),
        commands: Commands,
        errors: ErrorFormat,
    ) -> Result<Self, Failure> {
        let planning::Plan { source: _, intent } = planning::read_plan(plan)?;
        let name = Name::from_user(zone);
        let zone = name.map_err(|error| {
            Message::new(Code::Usage, format!("`{zone}` is not a zone name: {error}")).usage()
        })?;
        Ok(Self { plan, intent, zone, commands, errors })
    }

    fn spec(&self) -> Result<&ZoneSpec, Failure> {
        self.intent.zones.get(&self.zone).ok_or_else(|| {
            let known: Vec<String> = self.intent.zones.keys().map(ToString::to_string).collect();
            let wanted = self.zone.to_string();
            let near = did_you_mean(&wanted, known.iter().map(String::as_str));
            let near = near.map_or(String::new(), |near| format!(" (did you mean `{near}`?)"));
            let known = known.join(", ");
            let text = format!("{wanted} is not in the plan's `zones:`, which has {known}{near}");
            let help =
                "to read a zone that is not in the plan, use `--provider NAME` or `provider:NAME`";
            Message::new(Code::UnknownZone, text).help(help).usage()
        })
    }

    /// Reads the zone from the named provider, or else from the provider in the plan.
    async fn held(&self, provider: Option<&str>) -> Result<Zone, Failure> {
        let name = match provider {
            Some(name) => name.to_owned(),
            None => self.spec()?.provider.value.clone(),
        };
        let spec = self.intent.providers.get(&name).ok_or_else(|| {
            let known: Vec<&str> = self.intent.providers.keys().map(String::as_str).collect();
            let text = format!("the plan has no provider `{name}`; it has {}", known.join(", "));
            Message::new(Code::UnknownProvider, text).usage()
        })?;
        let one = BTreeMap::from([(name.clone(), spec.clone())]);
        let connected = connect(registry(), &one, &home(self.plan), self.commands)
            .map_err(|(name, error)| Failure::connect(&name, &error))?;
        self.read(&*connected.providers[&name]).await
    }

    /// Reads a master file.
    async fn in_file(&self, path: &str) -> Result<Zone, Failure> {
        let config = [("file".to_owned(), ConfigValue::Path(path.into()))];
        // As usual on a command line, the path is relative to the current directory.
        let file = (cutover_zonefile::ADAPTER.connect)(&Config(config.into()), Path::new("."));
        let file =
            file.map_err(|error| Message::of_cause(Code::ProviderUnusable, &error).error())?;
        self.read(&*file).await
    }

    /// Reads the zone, and warns about its oddities.
    async fn read(&self, provider: &dyn Provider) -> Result<Zone, Failure> {
        let zone = provider.read_zone(&self.zone).await?;
        let remarks = provider.remarks(&self.zone).await?;
        for remark in remarks {
            self.errors.remark(warning(Code::ZoneRemark, remark.to_string()));
        }
        Ok(zone)
    }
}

async fn dump(args: &Dump, errors: ErrorFormat) -> Result<Exit, Failure> {
    let asking = Asking::new((&args.plan, &args.zone), args.commands.allowed(), errors)?;
    let zone = asking.held(args.provider.as_deref()).await?;
    let text = match args.format {
        Format::Zone => master_file(&zone),
        Format::Json => json(&zone),
        Format::Octodns => {
            let (text, left_out) = octodns(&zone);
            let divided = zone.rrsets.iter().filter(|(_, set)| set.divided_by_255() != **set);
            for (key, _) in divided {
                let text =
                    format!("octoDNS joins the strings of {key} and splits them after 255 octets");
                errors.remark(warning(Code::OctodnsLossy, text));
            }
            for key in left_out {
                let text = format!("octoDNS cannot represent {key}: left out");
                errors.remark(warning(Code::OctodnsLossy, text));
            }
            text
        }
    };
    print_raw(&text)?;
    Ok(Exit::Done)
}

/// One side of a comparison.
enum Side {
    Held(Option<String>),
    Live(Option<SocketAddr>),
    File(String),
}

impl Side {
    fn of(text: &str) -> Result<Self, Failure> {
        match text.split_once(':') {
            None if text == "provider" => Ok(Self::Held(None)),
            None if text == "live" => Ok(Self::Live(None)),
            Some(("provider", name)) => Ok(Self::Held(Some(name.to_owned()))),
            Some(("live", address)) => match address.parse() {
                Ok(address) => Ok(Self::Live(Some(address))),
                Err(_) => {
                    let text = format!("`{address}` is not an address with a port");
                    let help = "write `live:192.0.2.53:53` or `live:[2001:db8::53]:53`";
                    Err(Message::new(Code::Usage, text).help(help).usage())
                }
            },
            None | Some(_) => Ok(Self::File(text.to_owned())),
        }
    }

    /// The whole zone; `None` for servers, which only answer for single RRsets.
    async fn zone(&self, asking: &Asking<'_>) -> Result<Option<Zone>, Failure> {
        match self {
            Self::Held(name) => asking.held(name.as_deref()).await.map(Some),
            Self::File(path) => asking.in_file(path).await.map(Some),
            Self::Live(_) => Ok(None),
        }
    }

    fn shown(&self, asking: &Asking<'_>) -> String {
        match self {
            Self::Held(None) => match asking.intent.zones.get(&asking.zone) {
                Some(spec) => format!("provider `{}`", spec.provider.value),
                None => "the provider".to_owned(),
            },
            Self::Held(Some(name)) => format!("provider `{name}`"),
            Self::Live(_) => "the servers".to_owned(),
            Self::File(path) => path.clone(),
        }
    }
}

async fn diff(args: &Diff, errors: ErrorFormat) -> Result<Exit, Failure> {
    let asking = Asking::new((&args.plan, &args.zone), args.commands.allowed(), errors)?;
    let sides = [Side::of(&args.a)?, Side::of(&args.b)?];
    let [a, b] = &sides;
    let zones = [a.zone(&asking).await?, b.zone(&asking).await?];
    let names = [a.shown(&asking), b.shown(&asking)];
    let differ = match zones {
        [Some(one), Some(other)] => compared(&asking, &names, &one, &other)?,
        [Some(whole), None] => live(&asking, b, &names[0], whole, false).await?,
        [None, Some(whole)] => live(&asking, a, &names[1], whole, true).await?,
        [None, None] => {
            let text = "cannot compare servers with servers";
            let help = "one of the two versions has to be a provider or a file, because servers are queried for its RRsets";
            return Err(Message::new(Code::Usage, text).help(help).usage());
        }
    };
    Ok(if differ && args.detailed_exitcode { Exit::Changes } else { Exit::Done })
}

/// Compares two zones and prints the result; whether they differ.
fn compared(
    asking: &Asking<'_>,
    names: &[String; 2],
    one: &Zone,
    other: &Zone,
) -> Result<bool, Failure> {
    let found = difference(one, other);
    let differs = !found.0.is_empty();
    let document = comparison(&asking.zone, names, found);
    print_out(&document.text(styling(&std::io::stdout())))?;
    Ok(differs)
}

/// Compares what every server serves with a whole zone; whether they differ.
async fn live(
    asking: &Asking<'_>,
    servers: &Side,
    whole_name: &str,
    whole: Zone,
    servers_first: bool,
) -> Result<bool, Failure> {
    let addresses: Vec<SocketAddr> = match servers {
        Side::Live(Some(address)) => vec![*address],
        Side::Live(None) | Side::Held(_) | Side::File(_) => {
            let listed =
                asking.intent.zones.get(&asking.zone).and_then(|spec| spec.authorities.as_ref());
            let found = match listed {
                Some(listed) => listed.clone(),
                None => {
                    let resolver: &ResolverSpec = &asking.intent.resolver;
                    authorities(&whole, resolver).await.map_err(|problem| {
                        let zone = &asking.zone;
                        let text = format!("cannot find the servers of {zone}: {problem}");
                        Message::new(Code::ServersUnknown, text).usage()
                    })?
                }
            };
            found.into_iter().map(|authority| authority.address).collect()
        }
    };
    if addresses.is_empty() {
        let text = format!("no server of {} is known", asking.zone);
        let help = "use `live:ADDRESS:PORT`, or set `authorities:` in the plan";
        return Err(Message::new(Code::ServersUnknown, text).help(help).usage());
    }
    let rrsets = whole.rrsets.len();
    let asked = served_by_itself(whole);
    let skipped = rrsets - asked.rrsets.len();
    if skipped > 0 {
        let text =
            format!("skipped {skipped} RRsets at or below a delegation, which other servers serve");
        let message = Message::new(Code::DelegatedSkipped, text);
        asking.errors.remark(message.severity(Severity::Note));
    }
    let keys: Vec<RrKey> = asked.rrsets.keys().cloned().collect();
    let mut differs = false;
    for address in addresses {
        let ServerAnswers { rrsets, failed } = query_server(address, &keys).await;
        if let Some((key, why)) = failed.first() {
            let more = failed.len() - 1;
            let more = if more == 0 { String::new() } else { format!(" (and {more} more)") };
            let text = format!("{address} does not answer for {key}: {why}{more}");
            return Err(Message::new(Code::ServerSilent, text).error());
        }
        let served = Zone { origin: asked.origin.clone(), rrsets };
        let name = address.to_string();
        differs |= match servers_first {
            true => compared(asking, &[name, whole_name.to_owned()], &served, &asked)?,
            false => compared(asking, &[whole_name.to_owned(), name], &asked, &served)?,
        };
    }
    Ok(differs)
}

/// The RRsets that the zone's own servers answer for: all but those at or below a delegation (RFC
/// 1034 §4.2.1), except its DS, and those below a DNAME (RFC 6672 §2.4).
fn served_by_itself(mut zone: Zone) -> Zone {
    let is_cut = |key: &&RrKey| key.rtype == RrType::NS && key.name != zone.origin;
    let delegated: BTreeSet<Name> =
        zone.rrsets.keys().filter(is_cut).map(|key| key.name.clone()).collect();
    let is_alias = |key: &&RrKey| key.rtype == RrType::DNAME;
    let aliased: BTreeSet<Name> =
        zone.rrsets.keys().filter(is_alias).map(|key| key.name.clone()).collect();
    let above = |name: &Name| std::iter::successors(name.parent(), Name::parent);
    zone.rrsets.retain(|key, _| {
        let is_below =
            above(&key.name).any(|name| delegated.contains(&name) || aliased.contains(&name));
        !is_below && (key.rtype == RrType::DS || !delegated.contains(&key.name))
    });
    zone
}
