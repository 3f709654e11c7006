//! The documents for users. Each block of output that names its command is compared with a run, and
//! the commands of the README's first ten minutes are run.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::bind_fixture::said;
use crate::zonefile_fixture::ZonefileFixture;

/// The marker before a block: `` <!-- `cutover ARGS`, lines A to B --> ``.
struct Block {
    args: Vec<String>,
    from: usize,
    to: usize,
    text: String,
}

fn blocks(readme: &str) -> Vec<Block> {
    let parts = readme.split("<!-- `cutover ").skip(1);
    parts
        .map(|part| {
            let (args, rest) = part.split_once("`, lines ").expect("a marker names its lines");
            let (from, rest) = rest.split_once(" to ").expect("a marker names its lines");
            let (to, rest) = rest.split_once(" -->").expect("a marker ends");
            // A block that has blocks in it has a longer fence.
            let (fence, block) = rest.trim_start().split_once("text\n").expect("a block follows");
            assert!(fence.len() >= 3 && fence.chars().all(|c| c == '`'), "{fence}");
            Block {
                args: args.split_whitespace().map(str::to_owned).collect(),
                from: from.parse().expect("a number"),
                to: to.parse().expect("a number"),
                text: block.split(&format!("\n{fence}")).next().expect("it ends").to_owned(),
            }
        })
        .collect()
}

/// The maximum number of lines of the README, and of columns.
const LINES_MAX: usize = 250;
const COLUMNS_MAX: usize = 120;

#[test]
fn every_output_in_the_documents_is_real() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = 0;
    for document in ["README.md", "plans/README.md", "plans/pipelines/README.md"] {
        let text = fs::read_to_string(root.join(document)).expect("a document");
        for Block { args, from, to, text } in blocks(&text) {
            let output = Command::new(env!("CARGO_BIN_EXE_cutover"))
                .args(&args)
                .current_dir(root)
                .output()
                .expect("the program can be run");
            let said = [output.stdout, output.stderr].concat();
            let said = String::from_utf8(said).expect("text");
            let lines: Vec<&str> = said.lines().collect();
            assert_eq!(lines[from - 1..to].join("\n"), text, "{args:?}, lines {from} to {to}");
            found += 1;
        }
    }
    assert!(found >= 6, "the documents show real output");
}

#[test]
fn the_readme_is_short() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = fs::read_to_string(root.join("README.md")).expect("the README");
    assert!(text.lines().count() <= LINES_MAX, "{} lines", text.lines().count());
    for line in text.lines() {
        assert!(line.chars().count() <= COLUMNS_MAX, "{line}");
    }
}

/// The commands that the README gives to a new user, each with the exit code in its comment.
#[test]
fn the_first_ten_minutes_work_as_the_readme_says() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = fs::read_to_string(root.join("README.md")).expect("the README");
    let mark = "<!-- run in a copy of plans/quickstart* -->\n\n```sh\n";
    let (_, rest) = text.split_once(mark).expect("the commands");
    let (commands, _) = rest.split_once("```").expect("their end");
    let fixture = ZonefileFixture::quickstart();
    assert_eq!(commands.lines().count(), 6);
    for line in commands.lines() {
        let (command, comment) = line.split_once('#').expect("a comment");
        let wanted = match comment.split_once("exit code ") {
            Some((_, code)) => code[..1].parse().expect("a code"),
            None => 0,
        };
        let (code, said) = fixture.shell(command);
        assert_eq!(code, wanted, "{command}: {said}");
    }
}

/// The walk through a pipeline, in a fresh clone of what is here.
#[test]
fn the_walk_through_a_pipeline_works_as_it_is_written() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = fs::read_to_string(root.join("plans/pipelines/README.md")).expect("a document");
    let mark = "<!-- run in a fresh clone -->\n\n```sh\n";
    let (_, rest) = text.split_once(mark).expect("the commands");
    let (commands, _) = rest.split_once("```").expect("their end");
    let dir = tempfile::tempdir().expect("a temporary directory");
    let clone = dir.path().join("clone");
    let prepare = format!(
        "git init --quiet {clone} && cd {root} &&
         git ls-files -z plans .github | xargs -0 cp --parents --target-directory {clone} &&
         cd {clone} && git add --all && git commit --quiet --message 'what is here'",
        clone = clone.display(),
        root = root.display(),
    );
    let shell = |script: &str, at: &Path| {
        let bin = Path::new(env!("CARGO_BIN_EXE_cutover")).parent().expect("a directory");
        let mut sh = Command::new("sh");
        sh.args(["-euc", script]).current_dir(at).env("XDG_CACHE_HOME", dir.path().join("cache"));
        sh.env("PATH", format!("{}:{}", bin.display(), std::env!("PATH")));
        for name in
            ["GIT_AUTHOR_NAME", "GIT_AUTHOR_EMAIL", "GIT_COMMITTER_NAME", "GIT_COMMITTER_EMAIL"]
        {
            sh.env(name, "ada@example.com");
        }
        for name in ["CUTOVER_STATE", "CUTOVER_REQUEST", "GITHUB_ACTIONS", "GITHUB_STEP_SUMMARY"] {
            sh.env_remove(name);
        }
        said(&sh.output().expect("a shell"))
    };
    let (code, told) = shell(&prepare, root);
    assert_eq!(code, 0, "{told}");
    let (code, told) = shell(commands, &clone);
    assert_eq!(code, 0, "{told}");
    for expected in
        ["waiting: apply again at", "quickstart is the next that continues", "quickstart  at least"]
    {
        assert!(told.contains(expected), "{expected}: {told}");
    }
    let comment = fs::read_to_string(clone.join("cutover-review/quickstart.yaml.md"));
    assert!(comment.expect("a comment").contains("PROVED: no mail is lost"));
    // What it says happens if the plan is edited after the approval.
    let edit = "git checkout --quiet HEAD -- plans/quickstart
        sed -i 's/preference: 20/preference: 30/' plans/quickstart.yaml
        ! git diff --quiet
        CUTOVER_SIGNERS=HEAD~1:allowed_signers CUTOVER_STATE=$PWD/../other \\
            .github/actions/cutover/apply.sh plans/quickstart.yaml";
    let (code, told) = shell(edit, &clone);
    assert!(code == 3 && told.contains("it is not what was reviewed any more"), "{code}: {told}");
}
