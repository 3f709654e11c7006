//! `cutover discover`

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::{IsTerminal, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use clap::ValueEnum;
use cutover_zone::{Name, Zone};
use indicatif::ProgressBar;

use super::exit::Exit;
use super::failure::{Code, ErrorFormat, Failure, Message, Severity};
use super::{CommandArgs, language, print_out, print_raw, registry, shell_quote, styling};
use crate::diag::{Source, did_you_mean};
use crate::discover::{DOMAINS_MAX, DomainFacts, Report, Request, plan_text, report};
use crate::document::markdown;
use crate::intent::resolve;
use crate::language::{PlanSpec, Reading, ResolverSpec};
use crate::profile::names;
use crate::render::discover::{Written, document};
use crate::resolver::socket;
use crate::world::real::connect::{Commands, connect};
use crate::world::real::discover::discover;

/// Look at what is live, and write a plan to start from
///
/// Asks the domains' own name servers, and a resolver for names elsewhere. Nothing is changed, and
/// no resolver is asked for a name that the plan will publish.
#[derive(clap::Args)]
pub(super) struct Args {
    /// The mail domains that are to move
    #[arg(required = true, value_name = "DOMAIN")]
    domains: Vec<String>,
    /// The profile of the new host; `cutover profiles` lists them
    #[arg(long, value_name = "PROFILE")]
    to: Option<String>,
    /// The DNS provider that holds the zones: a type, or all its keys as under `providers:` in a
    /// plan, such as `type: cloudflare, api_token: { env: TOKEN }`. With all keys the zones are read
    #[arg(long, value_name = "PROVIDER")]
    dns: Option<String>,
    /// The resolvers to ask for names outside of the zones, instead of the system's
    #[arg(long, value_name = "ADDRESS[:PORT]")]
    resolver: Vec<String>,
    /// A DKIM selector that is in use: the `s=` of a DKIM-Signature
    #[arg(long, value_name = "NAME")]
    selector: Vec<String>,
    /// Write the plan to this file, which must not exist yet, and the report to standard output
    #[arg(short, long, value_name = "PLAN")]
    output: Option<PathBuf>,
    /// The format of the report; without `--output`, text and Markdown contain the plan
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    #[command(flatten)]
    commands: CommandArgs,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people
    Text,
    /// For a page or a ticket
    Markdown,
    /// For programs: the report, and the plan as a text
    Json,
}

pub(super) async fn run(args: Args, errors: ErrorFormat) -> Result<Exit, Failure> {
    let domains = domains(&args.domains)?;
    let to = args.to.as_deref().map(known_profile).transpose()?;
    let resolver = resolver(&args.resolver)?;
    let provider = args.dns.as_deref().map(provider);
    // Said before anybody is asked; `write` looks again.
    if let Some(path) = args.output.as_ref().filter(|path| path.exists()) {
        let text = format!("{} exists already", path.display());
        let help = "name a file that does not exist yet: this one may be somebody's work";
        return Err(Message::new(Code::OutputFailed, text).help(help).usage());
    }
    let mut request = Request {
        domains,
        to,
        zones: BTreeMap::new(),
        selectors: args.selector.clone(),
        provider,
        resolvers: args.resolver.clone(),
    };
    request.zones = zones(&request, args.commands.allowed(), errors).await?;
    let found = ask(&request, &resolver).await?;
    let report = report(&found);
    let plan = plan_text(&request, &found);
    if let Some(plan) = &plan {
        check_plan(plan)?;
    }
    let written = match (&args.output, &plan) {
        (Some(path), Some(plan)) => {
            write(path, plan)?;
            Written::To(shell_quote(path))
        }
        (None, Some(plan)) => Written::Here(plan.clone()),
        (_, None) => Written::Nowhere,
    };
    show(&report, &written, args.format, plan.as_deref())?;
    ended(&found)
}

/// Nothing that was asked for could be seen: that is a failure.
fn ended(found: &[DomainFacts]) -> Result<Exit, Failure> {
    let problems: Vec<String> = found
        .iter()
        .filter_map(|facts| Some(format!("{}: {}", facts.domain, facts.problem.as_ref()?)))
        .collect();
    match problems.len() == found.len() {
        false => Ok(Exit::Done),
        true => {
            let text = "none of the domains could be looked at";
            let help = "check the names, and that the resolver answers; `--resolver ADDRESS` asks \
                        another one";
            Err(Message::new(Code::DomainsUnseen, text).details(&problems).help(help).error())
        }
    }
}

fn domains(texts: &[String]) -> Result<Vec<Name>, Failure> {
    let mut domains: Vec<Name> = Vec::new();
    for text in texts {
        let name = Name::from_user(text).map_err(|error| {
            Message::new(Code::Usage, format!("`{text}` is not a domain name: {error}")).usage()
        })?;
        if name.is_root() || name.is_wildcard() {
            let text = format!("`{text}` is not a mail domain");
            return Err(Message::new(Code::Usage, text).usage());
        }
        if !domains.contains(&name) {
            domains.push(name);
        }
    }
    if domains.len() > DOMAINS_MAX {
        let text = format!("{} domains are more than {DOMAINS_MAX}", domains.len());
        return Err(Message::new(Code::Usage, text).help("look at some of them at a time").usage());
    }
    Ok(domains)
}

fn known_profile(name: &str) -> Result<&'static str, Failure> {
    names().find(|known| *known == name).ok_or_else(|| {
        let near = did_you_mean(name, names());
        let help = near.map_or("`cutover profiles` lists all".to_owned(), |near| {
            format!("did you mean `{near}`?")
        });
        let text = format!("there is no profile `{name}`");
        Message::new(Code::NoSuchProfile, text).help(help).usage()
    })
}

fn resolver(texts: &[String]) -> Result<ResolverSpec, Failure> {
    /// The port of DNS (RFC 1035 §4.2).
    const PORT: u16 = 53;
    if texts.is_empty() {
        return Ok(ResolverSpec::System);
    }
    let read = |text: &String| {
        socket(text, PORT).ok_or_else(|| {
            let text = format!("`{text}` is not the address of a resolver");
            Message::new(Code::Usage, text).help("write ADDRESS or ADDRESS:PORT").usage()
        })
    };
    let servers: Result<Vec<SocketAddr>, Failure> = texts.iter().map(read).collect();
    Ok(ResolverSpec::Servers(servers?))
}

/// What `--dns` says, as the value of a key: a bare word is a type, and braces may be left out.
fn provider(text: &str) -> String {
    let text = text.trim();
    match (text.starts_with('{'), text.contains(':')) {
        (true, _) => text.to_owned(),
        (false, true) => format!("{{ {text} }}"),
        (false, false) => format!("{{ type: {text} }}"),
    }
}

/// Reads a plan text that this command has made.
fn read(name: &str, text: String) -> (Source, Result<PlanSpec, Vec<crate::diag::Diagnostic>>) {
    Reading::of(Source::new(name, text)).finish(language())
}

/// The zones of the domains, as the provider holds them, if it can be asked already.
async fn zones(
    request: &Request,
    commands: Commands,
    errors: ErrorFormat,
) -> Result<BTreeMap<Name, Zone>, Failure> {
    let Some(provider) = &request.provider else { return Ok(BTreeMap::new()) };
    // The language checks the provider as in any plan.
    let domain = &request.domains[0];
    let text = format!(
        "version: 1\nname: discover\nproviders:\n  dns: {provider}\nzones:\n  \"{domain}\": {{ provider: dns }}\n"
    );
    let (source, spec) = read("--dns", text);
    let spec = spec.map_err(|found| Failure::plan(&found, &source))?;
    let here = Path::new(".");
    let connected = connect(registry(), &spec.providers, here, commands)
        .map_err(|(name, error)| Failure::connect(&name, &error))?;
    let provider = &connected.providers["dns"];
    let mut zones = BTreeMap::new();
    for domain in &request.domains {
        // Nobody knows yet which zone the domain is in.
        let above = std::iter::successors(Some(domain.clone()), Name::parent);
        let mut last = None;
        for name in above.take_while(|name| name.labels().count() > 1) {
            match provider.read_zone(&name).await {
                Ok(zone) => {
                    zones.insert(zone.origin.clone(), zone);
                    last = None;
                    break;
                }
                Err(error) => last = last.or(Some(error)),
            }
        }
        if let Some(error) = last {
            let message = Message::of_cause(Code::ProviderFailed, &error);
            let help = "its own name servers are asked instead, which do not show every record";
            errors.remark(message.severity(Severity::Warning).help(help));
        }
    }
    Ok(zones)
}

async fn ask(request: &Request, resolver: &ResolverSpec) -> Result<Vec<DomainFacts>, Failure> {
    let bar = std::io::stderr().is_terminal().then(ProgressBar::new_spinner);
    let progress = |count: usize| {
        if let Some(bar) = &bar {
            bar.set_message(format!("{count} questions answered"));
            bar.tick();
        }
    };
    let found = discover(request, resolver, &progress).await;
    if let Some(bar) = &bar {
        bar.finish_and_clear();
    }
    found.map_err(|error| {
        let help = "name a resolver: `--resolver ADDRESS`";
        Message::of_cause(Code::ResolverUnusable, &error).help(help).error()
    })
}

/// A plan that `cutover` writes has to be one that it reads.
fn check_plan(plan: &str) -> Result<(), Failure> {
    let (source, spec) = read("the written plan", plan.to_owned());
    let checked = spec.and_then(resolve);
    checked.map(drop).map_err(|found| Failure::plan(&found, &source))
}

/// Writes the plan. A file that is there is somebody's work.
fn write(path: &Path, plan: &str) -> Result<(), Failure> {
    let opened = OpenOptions::new().write(true).create_new(true).open(path);
    let written = opened.and_then(|mut file| file.write_all(plan.as_bytes()));
    written.map_err(|error| {
        let text = format!("cannot write {}: {error}", path.display());
        Message::new(Code::OutputFailed, text).help("name a file that does not exist yet").error()
    })
}

fn show(
    report: &Report,
    written: &Written,
    format: Format,
    plan: Option<&str>,
) -> Result<(), Failure> {
    match format {
        Format::Text => print_out(&document(report, written).text(styling(&std::io::stdout()))),
        Format::Markdown => {
            let text = document(report, written).markdown(markdown::CHARS_MAX);
            print_raw(&text.map_err(|long| Message::new(Code::TooLong, long.to_string()).error())?)
        }
        Format::Json => {
            let json = serde_json::json!({
                "format": "cutover/discover/1",
                "domains": report.domains,
                "plan": plan,
            });
            print_raw(&format!("{json}\n"))
        }
    }
}
