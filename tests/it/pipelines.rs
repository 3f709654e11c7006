//! A whole round with the scripts of the action: a branch, a review, an approval, a merge, and a run that
//! a scheduled job finishes. The forge is a bare repository, with a service for comments.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::approvals::signers::Signers;
use crate::bind_fixture::said;
use crate::lab::fault_proxy::{Answer, FaultProxy, Request, Service};
use crate::lab::{now, sleep};
use crate::shared::git;
use crate::zonefile_fixture::ZONE;

const PATIENCE: Duration = Duration::from_secs(60);

/// Comments as GitHub and GitLab keep them: listed in pages, created, and edited in place.
#[derive(Default)]
struct Comments(Mutex<Vec<Value>>);

impl Comments {
    fn all(&self) -> MutexGuard<'_, Vec<Value>> {
        self.0.lock().expect("no holder of the lock panics")
    }
}

impl Service for Comments {
    fn answer(&self, request: &Request) -> Answer {
        let json =
            |status, value: Value| Answer::new(status, "application/json", value.to_string());
        let mut all = self.all();
        let is_one = |list: &str| request.path.strip_prefix(list)?.parse::<usize>().ok();
        let one = is_one("/repos/team/dns/issues/comments/")
            .or_else(|| is_one("/projects/7/merge_requests/3/notes/"));
        let lists = ["/repos/team/dns/issues/3/comments", "/projects/7/merge_requests/3/notes"];
        let has_token = request.headers.iter().any(|(name, value)| {
            (name == "authorization" && value == "Bearer t0ken")
                || (name == "private-token" && value == "t0ken")
        });
        let body = || serde_json::from_slice::<Value>(&request.body).expect("JSON")["body"].clone();
        match (request.method.as_str(), one) {
            _ if !has_token => json(401, json!({"message": "Bad credentials"})),
            ("GET", None) if lists.contains(&request.path.as_str()) => {
                let number = |wanted: &str| {
                    let found = request.query.iter().find(|(name, _)| name == wanted);
                    found.and_then(|(_, value)| value.parse::<usize>().ok()).expect("a number")
                };
                let skipped = all.iter().skip((number("page") - 1) * number("per_page"));
                json(200, skipped.take(number("per_page")).cloned().collect())
            }
            ("POST", None) if lists.contains(&request.path.as_str()) => {
                let id = all.len();
                let user = json!({"login": "github-actions[bot]"});
                let author = json!({"username": "bot"});
                all.push(json!({"id": id, "user": user, "author": author, "body": body()}));
                json(201, all[id].clone())
            }
            ("PATCH" | "PUT", Some(id)) if id < all.len() => {
                all[id]["body"] = body();
                json(200, all[id].clone())
            }
            (_, _) => json(404, json!({"message": "Not Found"})),
        }
    }
}

/// A forge with a repository, the zone at a provider, and people.
struct Forge {
    dir: TempDir,
    signers: Signers,
    comments: Arc<Comments>,
    api: FaultProxy,
}

/// The scripts of the action.
fn scripts() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(".github/actions/cutover")
}

impl Forge {
    fn new() -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        git(dir.path(), &["init", "--quiet", "--bare", "--initial-branch=main", "forge.git"]);
        fs::create_dir(dir.path().join("zones")).expect("a directory");
        fs::write(dir.path().join("zones/acme.test.zone"), ZONE).expect("written");
        let signers = Signers::new(&["alice", "mallory"]);
        let comments = Arc::new(Comments::default());
        let api = FaultProxy::open(Arc::clone(&comments) as Arc<dyn Service>);
        let forge = Self { dir, signers, comments, api };
        let allowed = fs::read(forge.signers.allow(&["alice"])).expect("a list");
        let clone = forge.clone_of("main");
        fs::write(clone.join("allowed_signers"), allowed).expect("written");
        forge.commit(&clone, "main");
        forge
    }

    /// A fresh clone of a branch, as each job has one.
    fn clone_of(&self, branch: &str) -> PathBuf {
        let clone = tempfile::tempdir_in(self.dir.path()).expect("a directory").keep();
        let at = clone.display().to_string();
        git(self.dir.path(), &["clone", "--quiet", "forge.git", &at]);
        let start = format!("origin/{branch}");
        let mut checkout = vec!["checkout", "--quiet", "-B", branch];
        // A new branch begins where `main` is.
        checkout.extend(git(&clone, &["branch", "--remotes"]).contains(&start).then_some(&*start));
        git(&clone, &checkout);
        clone
    }

    fn commit(&self, clone: &Path, branch: &str) {
        git(clone, &["add", "--all"]);
        let who = ["-c", "user.name=a", "-c", "user.email=a@b"];
        git(clone, &[&who[..], &["commit", "--quiet", "--message=x"]].concat());
        git(clone, &["push", "--quiet", "--force", "origin", &format!("HEAD:{branch}")]);
    }

    /// Merges a branch; the commit before.
    fn merge(&self, branch: &str) -> String {
        let clone = self.clone_of("main");
        let before = git(&clone, &["rev-parse", "HEAD"]).trim().to_owned();
        let who = ["-c", "user.name=a", "-c", "user.email=a@b"];
        let branch = format!("origin/{branch}");
        let merge = ["merge", "--quiet", "--no-ff", "--message=x", "--", &branch];
        git(&clone, &[&who[..], &merge].concat());
        git(&clone, &["push", "--quiet"]);
        before
    }

    /// Writes the plan into a branch.
    fn propose(&self, branch: &str, address: &str) {
        let clone = self.clone_of(branch);
        let zones = self.dir.path().join("zones");
        let plan = format!(
            "version: 1
name: move
providers:
  files: {{ type: zonefile, directory: '{}', served: {{ assume_within: 1s }} }}
resolver: none
zones: {{ acme.test: {{ provider: files }} }}
records:
  - {{ id: site, zone: acme.test, name: www, type: A, to: [ {address} ], lower_ttl: 1s }}
clocks: {{ margin: 0s, use: 0s }}
",
            zones.display()
        );
        fs::create_dir_all(clone.join("plans")).expect("a directory");
        fs::write(clone.join("plans/move.yaml"), plan).expect("written");
        self.commit(&clone, branch);
    }

    /// Plans what is in a branch, and signs the artifact.
    fn approve(&self, branch: &str, by: &str) {
        let clone = self.clone_of(branch);
        let run = |args: &[&str]| {
            let (code, said) =
                said(&self.command("cutover", &clone, args).output().expect("it runs"));
            assert_eq!(code, 0, "{said}");
        };
        run(&["plan", "plans/move.yaml", "-o", "plans/move.json"]);
        let key = self.signers.key(by).display().to_string();
        run(&["approve", "plans/move.json", "--key", &key]);
        self.commit(&clone, branch);
    }

    /// A command in a job's clone.
    fn command(&self, program: &str, clone: &Path, args: &[&str]) -> Command {
        let bin = Path::new(env!("CARGO_BIN_EXE_cutover")).parent().expect("a directory").display();
        let path = format!("{bin}:{}", std::env!("PATH"));
        let mut command = Command::new(program);
        command.args(args).current_dir(clone).env("PATH", path);
        let store = format!("git+file://{}/forge.git", self.dir.path().display());
        command.env("CUTOVER_STATE", store).env("XDG_CACHE_HOME", clone.join("../cache"));
        command.env_remove("CI_API_V4_URL").env_remove("GITHUB_ACTIONS");
        command.env("GITHUB_API_URL", format!("http://{}", self.api.addr()));
        command.env("GITHUB_REPOSITORY", "team/dns").env("GITHUB_TOKEN", "t0ken");
        command.env("CUTOVER_OUT", clone.join("../review"));
        command
    }

    /// Runs a script of the action in a fresh clone. Its exit code and output.
    fn job(
        &self,
        branch: &str,
        script: &str,
        args: &[&str],
        set: &[(&str, &str)],
    ) -> (i32, String) {
        let clone = self.clone_of(branch);
        let script = scripts().join(script).display().to_string();
        let mut command = self.command(&script, &clone, args);
        command.envs(set.iter().copied());
        let ended = said(&command.output().expect("the script can be run"));
        assert!(!clone.join(".cutover").exists(), "the state is in the store only");
        assert!(!clone.join("plans/.cutover").exists(), "the state is in the store only");
        ended
    }

    fn review(&self, branch: &str) -> String {
        let (code, said) =
            self.job(branch, "plan.sh", &["plans/move.yaml"], &[("CUTOVER_REQUEST", "3")]);
        assert_eq!(code, 0, "{said}");
        said
    }

    fn apply(&self, before: &str) -> (i32, String) {
        let signers = format!("{before}:allowed_signers");
        self.job("main", "apply.sh", &["plans/move.yaml"], &[("CUTOVER_SIGNERS", &signers)])
    }

    fn zone(&self) -> String {
        fs::read_to_string(self.dir.path().join("zones/acme.test.zone")).expect("a zone")
    }
}

#[test]
fn a_plan_goes_from_a_branch_to_the_end_of_its_run() {
    let forge = Forge::new();
    // What others have written is left alone, even if it looks like ours.
    for n in 0..150 {
        let (login, body) = (format!("user{n}"), "<!-- cutover: plans/move.yaml -->\nhello");
        let comment = json!({"id": n, "user": {"login": login}, "author": {}, "body": body});
        forge.comments.all().push(comment);
    }
    forge.propose("move", "203.0.113.79");
    forge.review("move");
    let ours = || -> Vec<Value> { forge.comments.all()[150..].to_vec() };
    let first = ours();
    assert_eq!(first.len(), 1);
    let body = first[0]["body"].as_str().expect("text");
    assert!(body.starts_with("<!-- cutover: plans/move.yaml -->\n"), "{body}");
    assert!(body.contains("203.0.113.79") && body.contains("sha256:"), "{body}");
    // Another push edits the same comment.
    forge.propose("move", "203.0.113.80");
    forge.review("move");
    let second = ours();
    assert_eq!((second.len(), &second[0]["id"]), (1, &first[0]["id"]));
    let body = second[0]["body"].as_str().expect("text");
    assert!(body.contains("203.0.113.80") && !body.contains("203.0.113.79"), "{body}");
    assert!(forge.comments.all()[..150].iter().all(|other| other["body"].as_str()
        == Some("<!-- cutover: plans/move.yaml -->\nhello")));
    // Approved, merged, and applied until it has to wait.
    forge.approve("move", "alice");
    forge.review("move");
    let before = forge.merge("move");
    let (code, said) = forge.apply(&before);
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("waiting: apply again at"), "{said}");
    // The same job again does no harm.
    let (code, said) = forge.apply(&before);
    assert_eq!(code, 0, "{said}");
    // Scheduled jobs finish it.
    let begun = now();
    while !forge.zone().contains("www   2 A 203.0.113.80") {
        let (code, said) = forge.job("main", "resume.sh", &[], &[]);
        assert_eq!(code, 0, "{said}");
        assert!(begun.elapsed() < PATIENCE, "{said}");
        sleep(Duration::from_millis(300));
    }
    while !forge.job("main", "resume.sh", &[], &[]).1.contains("nothing is left to do") {
        assert!(begun.elapsed() < PATIENCE);
    }
    let (code, said) = forge.apply(&before);
    assert_eq!((code, said.contains("done already")), (0, true), "{said}");
    assert!(forge.zone().contains("( 10 ; serial"), "each change was made once: {}", forge.zone());
    let refs = git(&forge.dir.path().join("forge.git"), &["for-each-ref", "--format=%(refname)"]);
    assert!(refs.contains("refs/heads/cutover-state"), "{refs}");
}

#[test]
fn what_was_not_approved_as_it_is_is_not_applied() {
    let forge = Forge::new();
    forge.propose("move", "203.0.113.80");
    let before = forge.merge("move");
    let (code, said) = forge.apply(&before);
    assert_eq!((code, said.contains("nothing was approved")), (6, true), "{said}");
    // A plan that is changed after the approval.
    forge.approve("approved", "alice");
    forge.propose("approved", "203.0.113.81");
    let before = forge.merge("approved");
    let (code, said) = forge.apply(&before);
    assert_eq!(code, 3, "{said}");
    assert!(said.contains("not what was reviewed any more"), "{said}");
    assert!(said.contains("203.0.113.80") && said.contains("203.0.113.81"), "{said}");
    assert_eq!(forge.zone(), ZONE);
    // A colleague who edits DNS between approval and merge.
    forge.approve("edited", "alice");
    let before = forge.merge("edited");
    let edited = ZONE.replace("192.0.2.80", "192.0.2.99");
    let zone = forge.dir.path().join("zones/acme.test.zone");
    fs::write(&zone, &edited).expect("written");
    let (code, said) = forge.apply(&before);
    assert_eq!(code, 3, "{said}");
    assert!(said.contains("192.0.2.99"), "{said}");
    assert_eq!(forge.zone(), edited);
    fs::write(&zone, ZONE).expect("written");
    // Somebody who adds themselves to the list in what they propose.
    let clone = forge.clone_of("mine");
    let list = fs::read(forge.signers.allow(&["mallory"])).expect("a list");
    fs::write(clone.join("allowed_signers"), list).expect("written");
    fs::remove_dir_all(clone.join("plans/move.json.sig.d")).expect("removed");
    forge.commit(&clone, "mine");
    forge.approve("mine", "mallory");
    let before = forge.merge("mine");
    let (code, said) = forge.apply(&before);
    assert_eq!(code, 6, "{said}");
    assert!(said.contains("its key is not among the allowed signers"), "{said}");
    assert_eq!(forge.zone(), ZONE);
}

/// The workflows give the action what it takes, and the scripts are plain `sh`.
#[test]
fn workflows_and_action_fit_together() {
    let read = |path: &Path| fs::read_to_string(path).expect("a file of the project");
    let yaml = |path: &Path| -> Value {
        serde_saphyr::from_str(&read(path)).unwrap_or_else(|error| panic!("{path:?}: {error}"))
    };
    let action = yaml(&scripts().join("action.yml"));
    let inputs = action["inputs"].as_object().expect("inputs");
    assert!(inputs.values().all(|input| input["description"].is_string()));
    let pipelines = Path::new(env!("CARGO_MANIFEST_DIR")).join("plans/pipelines");
    for name in ["plan", "apply", "resume"] {
        let workflow = yaml(&pipelines.join(format!("github-{name}.yml")));
        let steps = workflow["jobs"][name]["steps"].as_array().expect("steps");
        let step = steps.iter().find(|step| step["uses"] == "./.github/actions/cutover");
        let given = step.expect("it uses the action")["with"].as_object().expect("inputs");
        assert_eq!(given["command"], name);
        for key in given.keys() {
            assert!(inputs.contains_key(key), "{name}: {key}");
        }
        for (key, input) in inputs {
            assert!(input["required"] != true || given.contains_key(key), "{name}: {key}");
        }
        assert!(scripts().join(format!("{name}.sh")).exists());
        let gitlab = yaml(&pipelines.join("gitlab-ci.yml"));
        let script = gitlab[name]["script"].as_str().expect("a script");
        assert!(script.starts_with(&format!(".github/actions/cutover/{name}.sh")), "{script}");
    }
    for script in ["plan.sh", "apply.sh", "resume.sh", "comment.sh"] {
        let checked = Command::new("sh").arg("-n").arg(scripts().join(script)).output();
        assert!(checked.expect("a shell").status.success(), "{script}");
    }
    for file in ["crontab", "cutover.service"] {
        assert!(read(&pipelines.join(file)).contains("cutover run --all --once"), "{file}");
    }
}

#[test]
fn a_note_on_gitlab_is_edited_in_place_and_a_refusal_is_told() {
    let forge = Forge::new();
    forge.propose("move", "203.0.113.80");
    let api = format!("http://{}", forge.api.addr());
    let gitlab = [
        ("CI_API_V4_URL", api.as_str()),
        ("CI_PROJECT_ID", "7"),
        ("CUTOVER_REQUEST", "3"),
        ("CUTOVER_AUTHOR", "bot"),
        ("GITLAB_TOKEN", "t0ken"),
    ];
    for _ in 0..2 {
        let (code, said) = forge.job("move", "plan.sh", &["plans/move.yaml"], &gitlab);
        assert_eq!(code, 0, "{said}");
        assert_eq!(forge.comments.all().len(), 1);
    }
    // Whom the base branch does not allow cannot be asked for.
    let clone = forge.clone_of("move");
    let plan = clone.join("plans/move.yaml");
    let text = fs::read_to_string(&plan).expect("a plan");
    let named = format!("{text}approvals: {{ need: 1, signers: [ mallory@example.com ] }}\n");
    fs::write(&plan, named).expect("written");
    forge.commit(&clone, "move");
    let signers = ("CUTOVER_SIGNERS", "origin/main:allowed_signers");
    let (code, said) =
        forge.job("move", "plan.sh", &["plans/move.yaml"], &[&gitlab[..], &[signers]].concat());
    assert!(code == 2 && said.contains("mallory@example.com"), "{code}: {said}");
    let (code, said) = forge.job("move", "plan.sh", &["plans/move.yaml"], &gitlab);
    assert_eq!(code, 0, "{said}");
    let wrong = [&gitlab[..4], &[("GITLAB_TOKEN", "wrong")]].concat();
    let (code, said) = forge.job("move", "plan.sh", &["plans/move.yaml"], &wrong);
    assert!(code != 0 && said.contains("401"), "{code}: {said}");
    assert!(!said.contains("t0ken"), "{said}");
}
