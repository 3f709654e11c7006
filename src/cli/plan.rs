//! `cutover plan`

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use clap::ValueEnum;

use super::exit::Exit;
use super::failure::{Code, ErrorFormat, Failure, Message};
use super::planning::{Plan, Planning, Story};
use super::{
    CommandArgs, Invocation, StateArgs, planning, print_err, print_out, print_raw, several,
    shell_quote, styling,
};
use crate::artifact::Artifact;
use crate::diag::some_of;
use crate::document::markdown;
use crate::render::plan::{self, Detail};
use crate::world::real::earlier;
use crate::world::real::store::{Found, Runs};

/// Compare plans with live DNS and show what would be changed, in which order, and when
#[derive(clap::Args)]
pub(super) struct Args {
    /// The plans
    #[arg(required = true, value_name = "PLAN")]
    plans: Vec<PathBuf>,
    /// Write the sealed artifact to this file, for review and for `apply`. With several plans, or
    /// if this is a directory, write each artifact to NAME.json in it
    #[arg(short, long, value_name = "ARTIFACT|DIR")]
    output: Option<PathBuf>,
    #[command(flatten)]
    form: FormArgs,
    /// Plan a successor of the open run, which supersedes that run when it is applied
    #[arg(long)]
    replan: bool,
    /// Exit with 0 if there is nothing to change, 2 if there are changes, and 1 after any error
    #[arg(long)]
    detailed_exitcode: bool,
    #[command(flatten)]
    state: StateArgs,
    #[command(flatten)]
    commands: CommandArgs,
}

/// How an artifact is shown.
#[derive(clap::Args)]
pub(super) struct FormArgs {
    /// The output format
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(super) format: Format,
    /// With `--format markdown`: the maximum length of a plan. Steps are left out first, then rows of
    /// the timeline, then differences; never assumptions, overrides or what is refused [default:
    /// 65536, the maximum of a comment on GitHub]
    #[arg(long, value_name = "CHARACTERS")]
    max_chars: Option<usize>,
    /// Show every zone and every step, with the reason for each wait
    #[arg(long)]
    full: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// For people
    Text,
    /// For a comment on a pull request
    Markdown,
    /// For machines: the artifact itself
    Json,
}

/// The commands that apply an artifact and show all of it.
pub(super) struct Commands {
    pub(super) apply: String,
    pub(super) show: String,
}

impl Commands {
    /// For an artifact in a file.
    pub(super) fn of_file(file: &Path, artifact: &Artifact, state: Option<&StateArgs>) -> Self {
        let show = Invocation { input: file, state: None }.line("show", "--full");
        Self { apply: apply(file, artifact, state), show }
    }

    /// For an artifact that is made of a plan.
    fn of_plan(plan: &Path, artifact: &Artifact, state: Option<&StateArgs>) -> Self {
        let show = Invocation { input: plan, state }.line("plan", "--full");
        Self { apply: apply(plan, artifact, state), show }
    }
}

fn apply(input: &Path, artifact: &Artifact, state: Option<&StateArgs>) -> String {
    Invocation { input, state }.line("apply", &format!("--digest {}", artifact.digest()))
}

impl FormArgs {
    /// Refuses what would have no effect.
    pub(super) fn check(&self) -> Result<(), Failure> {
        match self.max_chars {
            Some(_) if self.format != Format::Markdown => {
                let text = "`--max-chars` works with `--format markdown` only";
                Err(Message::new(Code::Usage, text).usage())
            }
            Some(_) | None => Ok(()),
        }
    }

    pub(super) fn print(&self, artifact: &Artifact, commands: &Commands) -> Result<(), Failure> {
        let detail = if self.full { Detail::Full } else { Detail::Brief };
        match self.format {
            Format::Text => {
                print_out(&plan::plan(artifact, detail).text(styling(&std::io::stdout())))
            }
            Format::Markdown => {
                let Commands { apply, show } = commands;
                let max = self.max_chars.unwrap_or(markdown::CHARS_MAX);
                let text = plan::review(artifact, detail, apply, show).markdown(max);
                print_raw(&text.map_err(|error| {
                    let text = format!("{} does not fit: {error}", artifact.name);
                    Message::new(Code::TooLong, text).error()
                })?)
            }
            Format::Json => print_raw(&artifact.encode()),
        }
    }
}

pub(super) async fn run(args: Args, errors: ErrorFormat) -> Result<Exit, Failure> {
    args.form.check()?;
    let output =
        args.output.as_deref().map(|path| Output::of(path, args.plans.len())).transpose()?;
    let mut inputs = Vec::new();
    for path in &args.plans {
        inputs.push(planning::Input::Plan(Box::new(planning::read_plan(path)?)));
    }
    several::check_disjoint(inputs.iter())?;
    let mut ended = Exit::Done;
    for (place, (path, input)) in args.plans.iter().zip(&inputs).enumerate() {
        if place > 0 && args.form.format == Format::Markdown {
            // A paragraph ends at a blank line.
            print_raw("\n")?;
        }
        let planning::Input::Plan(plan) = input else { continue };
        let one = plan_one(&args, path, plan, output, errors).await;
        match one {
            Ok(exit) => ended = ended.or_worse(exit),
            Err(failure) if args.plans.len() == 1 => return Err(failure),
            // A failing plan does not keep the other plans from being shown.
            Err(failure) => {
                ended = ended.or_worse(errors.fail(&failure));
            }
        }
    }
    match (ended, args.detailed_exitcode) {
        (Exit::Changes, false) => Ok(Exit::Done),
        // As in Terraform, every other failure is 1.
        (Exit::Usage, true) => Ok(Exit::Error),
        (ended, _) => Ok(ended),
    }
}

async fn plan_one(
    args: &Args,
    path: &Path,
    plan: &Plan,
    output: Option<Output<'_>>,
    errors: ErrorFormat,
) -> Result<Exit, Failure> {
    let how = Planning { state: &args.state, commands: args.commands.allowed(), errors };
    let mut artifact = planning::plan(path, plan, &how).await?;
    let mut kept = Vec::new();
    if args.replan {
        let runs = args.state.runs(path, &plan.intent.name)?;
        let open = open(&runs).await?;
        artifact.parent = Some(open.run.state.artifact());
        kept = earlier::kept(&runs, &open, &artifact).await?;
    }
    let output = output.map(|output| output.file(&artifact));
    let state = Some(&args.state);
    let commands = match &output {
        Some(file) => Commands::of_file(file, &artifact, state),
        None => Commands::of_plan(path, &artifact, state),
    };
    args.form.print(&artifact, &commands)?;
    let story = match args.form.format {
        Format::Text | Format::Markdown => Story::Shown,
        Format::Json => Story::NotShown,
    };
    let undone = output
        .as_ref()
        .map(|output| format!("nothing was written to {}", output.display()))
        .unwrap_or_else(|| "it cannot be applied as it is".to_owned());
    planning::check_not_refuted(&artifact, story, &undone)?;
    if let Err(clash) = planning::check_no_clash(&artifact, &args.state.store(path)?).await {
        for problem in clash.problems {
            errors.remark(problem.into_warning("you can plan meanwhile, but not apply"));
        }
    }
    if !kept.is_empty() {
        print_err(&format!(
            "\nnot done again, as the open run has done it: {}",
            some_of(&kept, usize::MAX)
        ));
    }
    if let Some(output) = &output {
        write(output, &artifact)?;
        let apply = format!("cutover apply {}", shell_quote(output));
        print_err(&format!("\nwritten to {}; apply it with `{apply}`", output.display()));
    }
    Ok(if artifact.graph.steps().is_empty() { Exit::Done } else { Exit::Changes })
}

/// Where artifacts are written.
#[derive(Clone, Copy)]
enum Output<'p> {
    /// To this file.
    File(&'p Path),
    /// Into this directory, each under the name of its plan.
    Directory(&'p Path),
}

impl<'p> Output<'p> {
    /// An existing directory, or a new one for several artifacts; otherwise a file.
    fn of(path: &'p Path, plans: usize) -> Result<Self, Failure> {
        if path.is_dir() {
            return Ok(Self::Directory(path));
        }
        if plans == 1 {
            return Ok(Self::File(path));
        }
        let made = fs::create_dir(path);
        made.map(|()| Self::Directory(path)).map_err(|error| {
            let text = format!(
                "several plans need an output directory, but creating {} failed: {error}",
                path.display()
            );
            Message::new(Code::OutputFailed, text).usage()
        })
    }

    fn file(self, artifact: &Artifact) -> PathBuf {
        match self {
            Self::File(path) => path.to_owned(),
            Self::Directory(path) => path.join(format!("{}.json", artifact.name)),
        }
    }
}

/// The open run.
async fn open(runs: &Runs) -> Result<Found, Failure> {
    let found = runs.newest().await?;
    let goes =
        |found: &Found| found.run.state.finished.is_none() && !found.run.state.only_settles();
    let open = found.filter(|found| goes(found) && !found.run.artifact.is_way_back());
    open.ok_or_else(|| {
        let text = format!("there is no open run of {} to supersede", runs.plan());
        Message::new(Code::NoRun, text).help("plan without `--replan`").usage()
    })
}

fn write(output: &Path, artifact: &Artifact) -> Result<(), Failure> {
    let text = artifact.encode();
    let write = || match fs::metadata(output) {
        // A pipe or a device must not be replaced by a file.
        Ok(found) if !found.is_file() => fs::write(output, &text),
        // A reader must never see half an artifact, and a symbolic link must stay a link.
        Ok(_) => replace(&fs::canonicalize(output)?, &text),
        Err(_) => replace(output, &text),
    };
    write().map_err(|error| {
        let text = format!("cannot write {}: {error}", output.display());
        Message::new(Code::OutputFailed, text).error()
    })
}

/// Replaces a file at once: a reader never sees half of it.
pub(super) fn replace(path: &Path, text: &str) -> std::io::Result<()> {
    // An artifact is meant for reviewers and holds no secrets; the umask still applies.
    let mode = fs::Permissions::from_mode(0o666);
    let file = tempfile::Builder::new().permissions(mode).tempfile_in(super::base(path));
    let mut file = file?;
    file.write_all(text.as_bytes())?;
    file.as_file().sync_all()?;
    file.persist(path).map(drop).map_err(|error| error.error)
}
