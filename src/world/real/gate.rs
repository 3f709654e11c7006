//! The commands, HTTP requests and files of gates and tasks.

use std::path::Path;
use std::time::Duration;

use cutover_contract::Secret;
use cutover_process::{Ended, RunError, run};
use cutover_web::{Bounds, ExchangeError, Kind, beginning, client, client_at, exchange, one_line};
use tokio::io::AsyncReadExt as _;

use crate::ask::{
    AskDocument, AskLines, Fetched, NoEnd, NoLines, NoPage, Page, Said, is_breakdown,
};

/// Characters of a command's output that are kept. Our choice: as much of a line as a person reads.
const OUTPUT_CHARS_MAX: usize = 1_000;
/// Characters of a problem with a certificate, which may name a hundred names. Our choice.
const PROBLEM_CHARS_MAX: usize = 300;
/// Octets of a page that are read. The doc of the key `contains` promises exactly these.
const PAGE_OCTETS_MAX: usize = 64 * 1024;
/// What replaces a secret.
const REDACTED: &str = "[secret]";

/// Runs a command in a directory.
///
/// # Errors
/// Why it did not run to its end.
pub(super) async fn command(
    argv: &[String],
    home: &Path,
    within: Duration,
    secrets: &[Secret],
) -> Result<Said, NoEnd> {
    let Some((program, arguments)) = argv.split_first() else {
        return Err(NoEnd::NotRun("it names no program".to_owned()));
    };
    let Ended { status, output } =
        run(program, arguments, home, within).await.map_err(|error| {
            let said = redacted(&error.to_string(), secrets);
            match error {
                RunError::NotRun { .. } => NoEnd::NotRun(said),
                RunError::Lost { .. } | RunError::TimedOut { .. } => NoEnd::Cut(said),
            }
        })?;
    let broke_down = is_breakdown(&output);
    let output = one_line(&redacted(&output, secrets), OUTPUT_CHARS_MAX);
    Ok(Said { code: status.code(), output, broke_down })
}

/// The text without the secrets that this process knows.
fn redacted(text: &str, secrets: &[Secret]) -> String {
    let mut text = text.to_owned();
    for secret in secrets {
        text = text.replace(secret.expose(), REDACTED);
    }
    text
}

/// The kind of client for an arbitrary URL.
pub(super) fn client_kind(url: &str) -> Kind {
    Kind {
        is_https: url.starts_with("https://"),
        headers: Default::default(),
        idle_max: 0,
        user_agent: concat!("cutover/", env!("CARGO_PKG_VERSION")),
    }
}

/// Requests a page.
///
/// # Errors
/// Why there is no answer.
pub(super) async fn http(
    url: &str,
    contains: Option<&str>,
    within: Duration,
) -> Result<Page, NoPage> {
    let bounds = Bounds {
        connect_max: within,
        progress_max: within,
        whole_max: within,
        octets_max: PAGE_OCTETS_MAX,
    };
    let client = client(client_kind(url), bounds).map_err(|error| NoPage(error.to_string()))?;
    let answer = beginning(client.get(url), bounds).await;
    let answer = answer.map_err(|error| NoPage(error.to_string()))?;
    let contains = contains.is_none_or(|text| String::from_utf8_lossy(&answer.body).contains(text));
    Ok(Page { status: answer.status, contains })
}

/// Fetches a document over HTTPS.
pub(super) async fn document(question: &AskDocument) -> Fetched {
    let AskDocument { host, servers, path, within } = question;
    let bounds = Bounds {
        connect_max: *within,
        progress_max: *within,
        whole_max: *within,
        octets_max: PAGE_OCTETS_MAX,
    };
    let url = match servers.first() {
        // The client takes the port from the address that it is given.
        Some(server) if server.port() != HTTPS_PORT => {
            format!("https://{host}:{}{path}", server.port())
        }
        Some(_) => format!("https://{host}{path}"),
        None => return Fetched::Unanswered("it has no address".to_owned()),
    };
    let client = match client_at(client_kind(&url), bounds, host, servers) {
        Ok(client) => client,
        Err(error) => return Fetched::Unanswered(error.to_string()),
    };
    match exchange(client.get(&url), bounds).await {
        Ok(answer) => Fetched::Document {
            status: answer.status,
            media: answer.headers.get("content-type").and_then(|value| value.to_str().ok()).map(
                |value| value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase(),
            ),
            body: String::from_utf8_lossy(&answer.body).into_owned(),
        },
        Err(ExchangeError::TooLarge { .. }) => Fetched::TooLarge,
        Err(ExchangeError::Connect(error)) if is_of_tls(&error) => {
            let said = one_line(&ExchangeError::Connect(error).to_string(), PROBLEM_CHARS_MAX);
            Fetched::Untrusted(said)
        }
        Err(error) => Fetched::Unanswered(error.to_string()),
    }
}

/// The port of HTTPS (RFC 9110 §4.2.2).
const HTTPS_PORT: u16 = 443;

/// Whether a connection failed since TLS did. The library puts rustls' error into errors of IO, which
/// hide what they hold from `source`.
fn is_of_tls(error: &(dyn std::error::Error + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(error) = next {
        if error.is::<tokio_rustls::rustls::Error>() {
            return true;
        }
        let held = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
        next = match held {
            Some(held) => Some(held),
            None => error.source(),
        };
    }
    false
}

/// Octets of a list that are read. Our choice: a hundred thousand addresses.
const LIST_OCTETS_MAX: u64 = 4 * 1024 * 1024;

/// Reads the lines of a file; a longer file is refused.
///
/// # Errors
/// Why it cannot be read.
pub(super) async fn lines(
    AskLines { path }: &AskLines,
    home: &Path,
) -> Result<Vec<String>, NoLines> {
    let path = home.join(path);
    let said = |problem: &str| NoLines(format!("{}: {problem}", path.display()));
    let read = async {
        let mut text = String::new();
        let file = tokio::fs::File::open(&path).await?;
        file.take(LIST_OCTETS_MAX + 1).read_to_string(&mut text).await?;
        Ok::<_, std::io::Error>(text)
    };
    let text = read.await.map_err(|error| said(&error.to_string()))?;
    if u64::try_from(text.len()).unwrap_or(u64::MAX) > LIST_OCTETS_MAX {
        return Err(said(&format!("it has more than {} MiB", LIST_OCTETS_MAX >> 20)));
    }
    Ok(text.lines().map(str::to_owned).collect())
}
