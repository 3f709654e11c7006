//! `cutover approve`

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use cutover_approval::{Approval, NAMESPACE, NoSignature, SigningKey, sign};

use super::exit::Exit;
use super::failure::{Code, Failure, Message, Severity};
use super::planning::{self, Story};
use super::{plan, print_out, shell_quote, show};
use crate::calendar::{later, parse_span, show_instant};
use crate::world::real::approvals::directory;
use crate::world::real::now;
use crate::world::real::store::read_text;

/// Approve exactly this artifact, by a signature
#[derive(clap::Args)]
#[command(after_help = "\
The signature is an OpenSSH signature in the namespace `cutover-approval@v1`. Keys in an agent or on a \
device, keys with a passphrase and RSA keys sign with `ssh-keygen`: name the key, and the command is \
printed.")]
pub(super) struct Args {
    /// The artifact
    artifact: PathBuf,
    /// Your key: a private key of OpenSSH, or a public key whose other half an agent or a device has
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// Your name, for those who read the approval [default: the comment of the key]
    #[arg(long)]
    name: Option<String>,
    /// How long it counts: `7d` [default: 14d more than an undisturbed run takes]
    #[arg(long, value_name = "SPAN", value_parser = span)]
    expires: Option<Duration>,
    /// The directory of the signatures [default: the file's name with `.sig.d`]
    #[arg(long, value_name = "DIR")]
    approvals: Option<PathBuf>,
}

fn span(text: &str) -> Result<Duration, &'static str> {
    parse_span(text).map_err(|_| "expected a span of at most ten years, such as `7d` or `12h`")
}

/// The maximum size of a key, in octets. Our choice: an RSA key of 16,384 bits has 13 KiB.
const KEY_OCTETS_MAX: u64 = 64 * 1024;

/// How much longer than an undisturbed run an approval counts. Our choice: time to begin, and for the
/// people and windows that the run waits for.
const SPARE: Duration = Duration::from_secs(14 * 86_400);

pub(super) fn run(args: &Args) -> Result<Exit, Failure> {
    let Args { artifact: path, key, name, expires, approvals } = args;
    let artifact = show::read(path)?;
    planning::check_not_refuted(&artifact, Story::NotShown, "nothing was signed")?;
    let digest = artifact.digest();
    let key_text = read_text(key, KEY_OCTETS_MAX)
        .map_err(|error| Message::new(Code::KeyUnusable, error.to_string()).usage())?;
    let signing = SigningKey::read(&key_text).map_err(|error| unusable(key, &error))?;
    let comment = Some(signing.comment()).filter(|comment| !comment.is_empty());
    let name = name.clone().or(comment.map(str::to_owned));
    let name = name.unwrap_or_else(|| signing.fingerprint());
    let takes = artifact.forecast.iter().map(|step| step.end).max().unwrap_or_default();
    let now = now();
    let until = later(now, expires.unwrap_or(takes + SPARE));
    let approval = Approval::new(&digest.to_string(), &name, now, until)
        .map_err(|error| Message::new(Code::Usage, error.to_string()).usage())?;
    let text = approval.encode();
    let dir = approvals.clone().unwrap_or_else(|| directory(path));
    let (text_file, sig_file) = files(&dir, &signing);
    let signed = sign(&signing, &text);
    if signed.as_ref().is_err_and(|error| *error == NoSignature::Broken) {
        return Err(unusable(key, &NoSignature::Broken));
    }
    write(&dir, &text_file, &sig_file, (&text, signed.as_ref().ok().map(|sig| sig.encode())))
        .map_err(|error| {
            let text = format!("cannot write to {}: {error}", dir.display());
            Message::new(Code::OutputFailed, text).error()
        })?;
    match signed {
        Ok(_) => {
            let (plan, until) = (&artifact.name, show_instant(approval.expires_at(), now));
            print_out(&format!(
                "approved: plan {plan}, {digest}\nas {name} ({}), until {until}\nwritten to {}\n",
                signing.fingerprint(),
                sig_file.display()
            ))?;
            Ok(Exit::Done)
        }
        Err(why) => {
            let text = format!("cutover does not sign with {}: {why}", key.display());
            let line = format!(
                "ssh-keygen -Y sign -f {} -n {NAMESPACE} {}",
                shell_quote(key),
                shell_quote(&text_file)
            );
            let message = Message::new(Code::KeyUnusable, text).severity(Severity::Note);
            let message = message.detail(format!("the text to sign is {}", text_file.display()));
            let help = format!("sign it with OpenSSH, which also asks for a passphrase:\n  {line}");
            Err(message.help(help).ends(Exit::ApprovalNeeded))
        }
    }
}

/// The files of a text and its signature.
fn files(dir: &Path, key: &SigningKey) -> (PathBuf, PathBuf) {
    let name = key.file_name();
    (dir.join(&name), dir.join(format!("{name}.sig")))
}

/// Writes a text and its signature. Without a signature an earlier one is removed: it does not fit the
/// new text, and `ssh-keygen` would ask whether to replace it.
fn write(
    dir: &Path,
    text_file: &Path,
    sig_file: &Path,
    (text, signature): (&str, Option<&str>),
) -> std::io::Result<()> {
    fs::create_dir_all(dir)?;
    plan::replace(text_file, text)?;
    match signature {
        Some(signature) => plan::replace(sig_file, signature),
        None => match fs::remove_file(sig_file) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
            Ok(()) | Err(_) => Ok(()),
        },
    }
}

fn unusable(key: &Path, error: &NoSignature) -> Failure {
    let text = format!("cannot use the key {}: {error}", key.display());
    let help = "name a key that `ssh-keygen` has made, such as `~/.ssh/id_ed25519`";
    Message::new(Code::KeyUnusable, text).help(help).usage()
}
