//! The store in a git branch: what an entry costs once there are many.
//!
//! * `append`: a run of 10,000 entries, each appended by itself, as a run does it. The last hundred are
//!   compared with a bare `git commit && git push` in a clone with as many commits. The limit is twice
//!   that time.
//! * `status`: reading all of it, in a new process, with a cache and without.
//!
//! Both repositories are on this machine, so no network hides what the store adds. Figures are medians.
//! `cargo bench --bench stores`.

use std::fmt::Write as _;
use std::io::Write as _;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use cutover_base::digest::Digest;
use cutover_store::{Claim, Line, RunId, Store};
use cutover_store_git::{Address, GitStore};

const ENTRIES: usize = 10_000;
/// How many of them are timed.
const TIMED: usize = 100;
/// The limit in the issue that asked for it.
const RATIO_MAX: f64 = 2.0;
/// Octets of an entry. Our choice: what the journals of the examples have.
const ENTRY_OCTETS: usize = 300;

#[expect(clippy::disallowed_methods, reason = "this is what is measured")]
fn start() -> Instant {
    Instant::now()
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

fn git(dir: &Path, args: &[&str]) {
    let done = Command::new("git").args(args).current_dir(dir).status().expect("git is installed");
    assert!(done.success(), "{args:?}");
}

/// A line that cannot be compressed into nothing.
fn line(number: usize, after: Digest) -> String {
    let mut text = format!("{number} {after} ");
    let mut noise = after;
    while text.len() < ENTRY_OCTETS {
        noise = Digest::of(noise.to_string().as_bytes());
        write!(text, "{noise}").expect("a string takes everything");
    }
    text.truncate(ENTRY_OCTETS);
    text
}

/// A clone whose history is as long, and the file in it that grows.
struct Bare {
    clone: PathBuf,
    path: PathBuf,
    file: String,
    after: Digest,
}

impl Bare {
    /// The time of a commit and a push.
    fn once(&mut self, number: usize) -> Duration {
        let next = line(number, self.after);
        self.after = Digest::of(next.as_bytes());
        self.file += &(next + "\n");
        std::fs::write(&self.path, &self.file).expect("written");
        let begun = start();
        git(&self.clone, &["commit", "--quiet", "--all", "--message=x"]);
        git(&self.clone, &["push", "--quiet"]);
        begun.elapsed()
    }
}

fn bare(dir: &Path) -> Bare {
    git(dir, &["init", "--quiet", "--bare", "--initial-branch=main", "bare.git"]);
    let mut import = Command::new("git");
    import.args(["--git-dir=bare.git", "fast-import", "--quiet"]).current_dir(dir);
    let mut import = import.stdin(Stdio::piped()).spawn().expect("git is installed");
    let mut stream = String::new();
    let (mut file, mut after) = (String::new(), Digest::of(b""));
    for number in 0..ENTRIES {
        // The same files as in the store.
        if number % 256 == 0 {
            file.clear();
        }
        let next = line(number, after);
        after = Digest::of(next.as_bytes());
        file += &(next + "\n");
        let head = "commit refs/heads/main\ncommitter a <a@b> 1700000000 +0000\ndata 1\nx";
        let (path, size) = (format!("journal/{:08}.jsonl", number / 256), file.len());
        write!(stream, "{head}\nM 100644 inline {path}\ndata {size}\n{file}\n").expect("a string");
    }
    import.stdin.take().expect("a pipe").write_all(stream.as_bytes()).expect("it listens");
    assert!(import.wait().expect("an end").success());
    git(dir, &["clone", "--quiet", "bare.git", "clone"]);
    let clone = dir.join("clone");
    for (key, value) in [("user.name", "a"), ("user.email", "a@b"), ("gc.auto", "0")] {
        git(&clone, &["config", key, value]);
    }
    let path = clone.join(format!("journal/{:08}.jsonl", (ENTRIES - 1) / 256));
    let file = std::fs::read_to_string(&path).expect("the last file");
    Bare { clone, path, file, after }
}

/// The time of an append to a run that has so many entries, of a commit and a push without the store,
/// and of all appends. The first two take turns: whatever else the machine does, it does to both.
async fn append(store: &GitStore, bare: &mut Bare) -> (Duration, Duration, Duration) {
    let claim = Claim { owner: "the bench".to_owned(), host: "here".to_owned() };
    let mut lease = store.lease("move", &claim).await.expect("a lease");
    let run = lease.create("an artifact").await.expect("a run");
    let (mut times, mut others) = (Vec::new(), Vec::new());
    let (mut after, mut all) = (Digest::of(b""), Duration::ZERO);
    for number in 0..ENTRIES {
        let next = Line::new(line(number, after));
        let begun = start();
        lease.append(&run, after, std::slice::from_ref(&next)).await.expect("written");
        let took = begun.elapsed();
        all += took;
        after = next.digest();
        if number + TIMED >= ENTRIES {
            times.push(took);
            others.push(bare.once(number));
        }
    }
    (median(times), median(others), all)
}

/// The time of reading all entries.
async fn read(store: &GitStore) -> Duration {
    let (begun, mut count) = (start(), 0);
    let mut take = |_: &[u8]| {
        count += 1;
        ControlFlow::Continue(())
    };
    store.lines(&RunId::new("move", 1), &mut take).await.expect("lines");
    assert_eq!(count, ENTRIES);
    begun.elapsed()
}

fn main() -> ExitCode {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.expect("a runtime");
    let mut bare = bare(dir.path());
    git(dir.path(), &["init", "--quiet", "--bare", "state.git"]);
    let address = format!("git+file://{}/state.git", dir.path().display());
    let open = |caches: &str| {
        let address = Address::parse(&address).expect("an address");
        GitStore::new(address, &dir.path().join(caches), false)
    };
    let (append, bare, all) = runtime.block_on(append(&open("caches"), &mut bare));
    let ratio = append.as_secs_f64() / bare.as_secs_f64();
    let (cached, fresh) = (open("caches"), open("fresh"));
    let (cached, fresh) = (runtime.block_on(read(&cached)), runtime.block_on(read(&fresh)));
    println!("commit && push after {ENTRIES} commits   {bare:>10.1?}");
    println!("append after {ENTRIES} entries           {append:>10.1?}, {ratio:.2} times that");
    println!("{ENTRIES} appends, each by itself        {all:>10.1?}");
    println!("reading all of it                    {cached:>10.1?}, {fresh:.1?} without a cache");
    match ratio < RATIO_MAX {
        true => ExitCode::SUCCESS,
        false => {
            println!("the limit is {RATIO_MAX} times");
            ExitCode::FAILURE
        }
    }
}
