//! The commands and HTTP requests of gates and tasks.

use std::path::Path;
use std::time::Duration;

use cutover_contract::Secret;
use cutover_process::{Ended, RunError, run};
use cutover_web::{Bounds, Kind, beginning, client, one_line};

use crate::ask::{NoEnd, NoPage, Page, Said, is_breakdown};

/// Characters of a command's output that are kept. Our choice: as much of a line as a person reads.
const OUTPUT_CHARS_MAX: usize = 1_000;
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
