//! Reads whole zones, and RRsets by their names.
//!
//! A few names are asked for separately; for more of them the whole zone is read. Servers before
//! 5.0 leave disabled records out of their answer about a name, so if those matter the whole zone
//! is read. If neither disabled records nor comments matter, it is read as an export.

use std::collections::{BTreeMap, BTreeSet};

use cutover_contract::ProviderError;
use cutover_web::Answer;
use cutover_zone::{Name, RrKey, RrSet, RrType, Zone};
use futures_util::stream::{self, StreamExt as _};
use serde::Deserialize;

use crate::api::{Question, Server};
use crate::convert::{self, BadZone, Head, Held, Holdings};
use crate::failure::{denied, failed};
use crate::limits::{QUESTIONS_MAX, REQUESTS_AT_ONCE, SHOWS_DISABLED_FROM};

/// What some names of a zone hold.
#[derive(Debug)]
pub(crate) struct Live {
    /// The head of the zone, from before the names were read.
    pub(crate) head: Head,
    /// What is held, by key.
    pub(crate) held: BTreeMap<RrKey, Held>,
    /// The names where the server makes up answers, and for which types.
    pub(crate) made_up: BTreeMap<Name, BTreeSet<RrType>>,
}

impl Live {
    /// The served RRset at a key.
    pub(crate) fn rrset(&self, key: &RrKey) -> Option<&RrSet> {
        self.held.get(key).and_then(|held| held.rrset.as_ref())
    }
}

/// Whether disabled records must be seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Disabled {
    /// All of them must be.
    Seen,
    /// They do not matter.
    AsItComes,
}

/// The whole zone, as it is served.
pub(crate) async fn zone(server: &Server, origin: &Name) -> Result<Zone, ProviderError> {
    let answer = ask(server, origin, Question::Export(origin)).await?;
    let Holdings { held, made_up: _ } = convert::exported(&answer.body, origin, |_| true)
        .map_err(|bad| malformed(server, origin, &bad))?;
    let served = held.into_iter().filter_map(|(key, held)| Some((key, held.rrset?)));
    Ok(Zone { origin: origin.clone(), rrsets: served.collect() })
}

/// What these names hold.
pub(crate) async fn live(
    server: &Server,
    zone: &Name,
    names: &BTreeSet<Name>,
    disabled: Disabled,
) -> Result<Live, ProviderError> {
    let is_whole = names.len() > QUESTIONS_MAX
        || disabled == Disabled::Seen && major_version(server, zone).await? < SHOWS_DISABLED_FROM;
    if is_whole && disabled == Disabled::AsItComes {
        let head = self::head(server, zone).await?;
        let answer = ask(server, zone, Question::Export(zone)).await?;
        let Holdings { held, made_up } =
            convert::exported(&answer.body, zone, |name| names.contains(name))
                .map_err(|bad| malformed(server, zone, &bad))?;
        return Ok(Live { head, held: held.into_iter().collect(), made_up });
    }
    let questions: Vec<Question<'_>> = match is_whole {
        true => vec![Question::Zone(zone)],
        false => names.iter().map(|name| Question::At(zone, name)).collect(),
    };
    let asked: Vec<_> = questions.iter().map(|question| ask(server, zone, *question)).collect();
    let mut answers = stream::iter(asked).buffered(REQUESTS_AT_ONCE).zip(stream::iter(&questions));
    let bad = |bad: BadZone| malformed(server, zone, &bad);
    let mut head = None;
    let (mut held, mut made_up) = (BTreeMap::new(), BTreeMap::new());
    while let Some((answer, question)) = answers.next().await {
        let answer = answer?;
        // Of several heads the first counts, so that anything that has moved since is noticed.
        let this = convert::head(&answer.body).map_err(bad)?;
        head.get_or_insert(this);
        // 4.7 adds the comments of all names to the records of one name.
        let more = convert::holdings(&answer.body, zone, |name| match question {
            Question::At(_, asked) => name == *asked,
            Question::Zone(_)
            | Question::Export(_)
            | Question::Head(_)
            | Question::Server
            | Question::Settings
            | Question::Presigned(_) => names.contains(name),
        });
        let more = more.map_err(bad)?;
        held.extend(more.held);
        made_up.extend(more.made_up);
    }
    match head {
        Some(head) => Ok(Live { head, held, made_up }),
        None => Ok(Live { head: self::head(server, zone).await?, held, made_up }),
    }
}

/// What the server reports about a zone besides its RRsets.
pub(crate) async fn head(server: &Server, zone: &Name) -> Result<Head, ProviderError> {
    let answer = ask(server, zone, Question::Head(zone)).await?;
    convert::head(&answer.body).map_err(|bad| malformed(server, zone, &bad))
}

/// Whether a zone was signed elsewhere, so that it cannot be changed here.
pub(crate) async fn is_presigned(server: &Server, zone: &Name) -> Result<bool, ProviderError> {
    #[derive(Deserialize)]
    struct Metadata {
        metadata: Vec<String>,
    }
    let answer = ask(server, zone, Question::Presigned(zone)).await?;
    let Metadata { metadata } = serde_json::from_slice(&answer.body)
        .map_err(|error| malformed(server, zone, &BadZone::Json(error)))?;
    Ok(metadata.iter().any(|value| value == "1"))
}

/// The largest request, in octets, that the server accepts, if it says so.
pub(crate) async fn body_octets_max(
    server: &Server,
    zone: &Name,
) -> Result<Option<usize>, ProviderError> {
    #[derive(Deserialize)]
    struct Setting {
        name: String,
        #[serde(default)]
        value: String,
    }
    let answer = ask(server, zone, Question::Settings).await?;
    let settings: Vec<Setting> = serde_json::from_slice(&answer.body)
        .map_err(|error| malformed(server, zone, &BadZone::Json(error)))?;
    let found = settings.into_iter().find(|setting| setting.name == "webserver-max-bodysize");
    let mebibytes = found.and_then(|setting| setting.value.parse::<usize>().ok());
    Ok(mebibytes.and_then(|mebibytes| mebibytes.checked_mul(1 << 20)))
}

/// The major version; 0 if it has none, as with a custom build.
async fn major_version(server: &Server, zone: &Name) -> Result<u32, ProviderError> {
    #[derive(Deserialize)]
    struct Description {
        #[serde(default)]
        version: String,
    }
    let answer = ask(server, zone, Question::Server).await?;
    let Description { version } = serde_json::from_slice(&answer.body)
        .map_err(|error| malformed(server, zone, &BadZone::Json(error)))?;
    Ok(version.split('.').next().and_then(|major| major.parse().ok()).unwrap_or(0))
}

async fn ask(
    server: &Server,
    zone: &Name,
    question: Question<'_>,
) -> Result<Answer, ProviderError> {
    match server.ask(question).await {
        Ok(answer) if answer.is_success() => Ok(answer),
        Ok(answer) => Err(denied(server, zone, &answer).await),
        Err(error) => Err(failed(server, zone, &error)),
    }
}

fn malformed(server: &Server, zone: &Name, bad: &BadZone) -> ProviderError {
    ProviderError::Malformed { zone: zone.clone(), detail: server.without_key(&bad.to_string()) }
}
