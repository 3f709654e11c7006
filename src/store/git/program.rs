//! The `git` program: a local bare repository as a cache, and the calls that the store makes.
//!
//! The user's configuration of transport counts (credential helpers, proxies, `core.sshCommand`);
//! what would change commits or run something does not: hooks, signing, templates, maintenance.
//! Nothing ever asks at a terminal.

use std::fs;
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::Duration;

use cutover_base::digest::Digest;
use cutover_process::{Piped, Spoke, pipe};
use cutover_store::{StoreError, StoreResult};

use super::address::Address;

/// Maximum time of a call. Our choice: a fetch of a large history over a slow line.
const CALL_TIME_MAX: Duration = Duration::from_secs(120);
/// Maximum octets of what a call says. Our choice: four artifacts of the largest size.
const OUTPUT_OCTETS_MAX: u64 = 1024 * 1024 * 1024;

/// The name by which git knows the store, in each call.
const REMOTE: &str = "cutover-store";
/// The file in a cache that says that it was made.
const MADE: &str = "cutover-made";
/// The file that is locked while a cache is made.
const MAKING: &str = "cutover-making";
/// How often that lock is tried. Our choice: a cache is made in less.
const MAKING_POLL: Duration = Duration::from_millis(50);
/// Loose objects in one of the 256 folders from which on the cache is packed. Our choice: about
/// 4,000 in all, or a thousand entries, as in git's own `gc.auto`.
const SAMPLED_OBJECTS_MAX: usize = 16;
/// When a ref in the cache counts as left by a process that was killed. Our choice: a process that
/// still uses it makes it again with its next fetch, and new objects are kept for a day.
const REF_AGE_MAX: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// A commit's name, in hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Commit(String);

/// A file that a commit writes, at a path without quotes and line ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Written {
    /// The path in the tree.
    pub(crate) path: String,
    /// The content.
    pub(crate) octets: Vec<u8>,
}

/// The program, with its cache of one store.
#[derive(Debug)]
pub(crate) struct Git {
    address: Address,
    /// The bare repository.
    cache: PathBuf,
    /// This store's own ref in it, so that processes do not disturb each other.
    own: String,
    /// Whether the user says how `ssh` is run; known once the cache is there.
    has_ssh_command: OnceLock<bool>,
}

/// A new ref in a cache. It is random: processes in containers have the same number, and a cache may
/// outlive them.
fn new_ref() -> String {
    format!("refs/cutover/{:016x}", RandomState::new().build_hasher().finish())
}

impl Git {
    /// The program for a store, with its cache below this directory. Nothing is created yet.
    #[must_use]
    pub(crate) fn new(address: Address, caches: &Path, user_has_ssh_command: bool) -> Self {
        let name = Digest::of(address.identity().as_bytes()).to_string();
        let cache = caches.join(name.trim_start_matches("sha256:"));
        let own = new_ref();
        let has_ssh_command = OnceLock::new();
        if user_has_ssh_command {
            let _ = has_ssh_command.set(true);
        }
        Self { address, cache, own, has_ssh_command }
    }

    /// The same program, with a ref of its own in the cache.
    #[must_use]
    pub(crate) fn apart(&self) -> Self {
        let Self { address, cache, own: _, has_ssh_command } = self;
        let (address, cache, own) = (address.clone(), cache.clone(), new_ref());
        Self { address, cache, own, has_ssh_command: has_ssh_command.clone() }
    }

    /// Where the store is, for messages.
    #[must_use]
    pub(crate) fn place(&self) -> String {
        self.address.place()
    }

    /// Where it is.
    #[must_use]
    pub(crate) fn address(&self) -> &Address {
        &self.address
    }

    /// The store cannot be reached, or `git` refuses.
    fn away(&self, detail: impl AsRef<str>) -> StoreError {
        let lines: Vec<&str> = detail.as_ref().lines().map(str::trim).collect();
        let detail = self.address.without_password(lines.join("; ").trim_matches([';', ' ']));
        StoreError::Away { place: self.place(), detail }
    }

    async fn call(&self, arguments: &[&str], input: &[u8]) -> StoreResult<Spoke> {
        const SETTINGS: &[&str] = &[
            "core.hooksPath=/dev/null",
            "core.fsmonitor=false",
            "core.logAllRefUpdates=false",
            "gc.auto=0",
            "gc.packRefs=false",
            // Commits that lost a race, which nothing names.
            "gc.pruneExpire=1.day.ago",
            "maintenance.auto=false",
            "push.gpgSign=false",
            "push.pushOption=",
            "push.followTags=false",
            "push.recurseSubmodules=no",
            "fetch.recurseSubmodules=no",
            "fetch.prune=false",
            "fetch.writeCommitGraph=false",
            "advice.fetchShowForcedUpdates=false",
            "color.ui=false",
        ];
        let cache = self.cache.display().to_string();
        let mut all = vec![format!("--git-dir={cache}")];
        // An address for pushes keeps `url.*.pushInsteadOf` out: entries would be written to another
        // repository than the one they are read from.
        let urls =
            ["url", "pushurl"].map(|key| format!("remote.{REMOTE}.{key}={}", self.address.url));
        let settings = SETTINGS.iter().map(|set| (*set).to_owned()).chain(urls);
        all.extend(settings.flat_map(|set| ["-c".to_owned(), set]));
        all.extend(arguments.iter().map(|argument| (*argument).to_owned()));
        let environment = [
            // A hook or an alias of another repository may have called us.
            ("GIT_DIR", None),
            ("GIT_WORK_TREE", None),
            ("GIT_COMMON_DIR", None),
            ("GIT_INDEX_FILE", None),
            ("GIT_OBJECT_DIRECTORY", None),
            ("GIT_ALTERNATE_OBJECT_DIRECTORIES", None),
            ("GIT_NAMESPACE", None),
            ("GIT_QUARANTINE_PATH", None),
            ("GIT_TEMPLATE_DIR", None),
            ("GIT_TRACE", None),
            // What the cache looks like is ours to say.
            ("GIT_DEFAULT_HASH", Some("sha1")),
            ("GIT_DEFAULT_REF_FORMAT", Some("files")),
            ("GIT_TERMINAL_PROMPT", Some("0")),
            ("SSH_ASKPASS", Some("")),
            // Messages are compared with git's own English.
            ("LC_ALL", Some("C")),
            // BatchMode: ssh asks at the terminal even if its input is closed.
            ("GIT_SSH_COMMAND", Some("ssh -o BatchMode=yes -o ConnectTimeout=20")),
        ];
        let kept = usize::from(self.has_ssh_command.get() == Some(&true));
        let piped = Piped {
            program: "git",
            arguments: &all,
            directory: Path::new("/"),
            environment: &environment[..environment.len() - kept],
            input,
            output_octets_max: OUTPUT_OCTETS_MAX,
        };
        let spoke = pipe(piped, CALL_TIME_MAX).await;
        spoke.map_err(|error| self.away(error.to_string()))
    }

    /// The same, if it has to succeed.
    async fn output(&self, arguments: &[&str], input: &[u8]) -> StoreResult<Vec<u8>> {
        let spoke = self.call(arguments, input).await?;
        match spoke.status.success() && spoke.is_whole {
            true => Ok(spoke.output),
            false => Err(self.away(format!("git {}: {}", arguments[0], spoke.errors))),
        }
    }

    /// Makes the cache if there is none, or if whoever made it was stopped before the end.
    async fn prepare(&self) -> StoreResult<()> {
        let made = self.cache.join(MADE);
        let is_made = || made.exists() && self.cache.join("HEAD").exists();
        if !is_made() {
            let io = |source| StoreError::Io { place: self.cache.display().to_string(), source };
            let mut private = fs::DirBuilder::new();
            private.recursive(true).mode(0o700).create(&self.cache).map_err(io)?;
            // Two processes that make it at the same time would be in each other's way.
            let lock = fs::File::create(self.cache.join(MAKING)).map_err(io)?;
            // The other may be a task of this process, which has to go on meanwhile.
            while let Err(fs::TryLockError::WouldBlock) = lock.try_lock() {
                #[expect(clippy::disallowed_methods, reason = "another process has the lock")]
                tokio::time::sleep(MAKING_POLL).await;
            }
            if !is_made() {
                self.output(&["init", "--quiet", "--bare", "--template="], b"").await?;
                fs::write(&made, "").map_err(io)?;
            }
        }
        if self.has_ssh_command.get().is_none() {
            let set = self.call(&["config", "--get", "core.sshCommand"], b"").await?;
            let _ = self.has_ssh_command.set(set.status.success());
        }
        Ok(())
    }

    /// Packs the cache if it has many loose objects. A store that cannot be packed can be used all
    /// the same, and another process may be packing it.
    pub(crate) async fn collect(&self) {
        let sampled = fs::read_dir(self.cache.join("objects/17")).map_or(0, Iterator::count);
        if sampled < SAMPLED_OBJECTS_MAX {
            return;
        }
        if let Ok(refs) = fs::read_dir(self.cache.join("refs/cutover")) {
            for left in refs.flatten() {
                let age = left.metadata().and_then(|meta| meta.modified()).map(|at| at.elapsed());
                if age.is_ok_and(|age| age.is_ok_and(|age| age > REF_AGE_MAX)) {
                    let _ = fs::remove_file(left.path());
                }
            }
        }
        let _ = self.call(&["gc", "--quiet"], b"").await;
    }

    /// The branch's present commit; `None` if there is no such branch.
    ///
    /// # Errors
    /// [`StoreError::Away`].
    pub(crate) async fn fetch(&self) -> StoreResult<Option<Commit>> {
        self.prepare().await?;
        let refs = format!("+refs/heads/{}:{}", self.address.branch, self.own);
        let flags = ["fetch", "--quiet", "--no-tags", "--no-write-fetch-head"];
        let spoke = self.call(&[&flags[..], &["--", REMOTE, &refs]].concat(), b"").await?;
        if spoke.status.success() {
            let name = self.output(&["rev-parse", "--verify", &self.own], b"").await?;
            return self.commit_named(&name).map(Some);
        }
        match spoke.errors.contains("couldn't find remote ref") {
            true => Ok(None),
            false => Err(self.away(spoke.errors)),
        }
    }

    fn commit_named(&self, name: &[u8]) -> StoreResult<Commit> {
        let name = String::from_utf8_lossy(name).trim().to_owned();
        match name.len() >= 40 && name.bytes().all(|octet| octet.is_ascii_hexdigit()) {
            true => Ok(Commit(name)),
            false => Err(self.away(format!("`{name}` is not the name of a commit"))),
        }
    }

    /// The paths of all files of a commit, in order.
    ///
    /// # Errors
    /// [`StoreError::Away`].
    pub(crate) async fn paths(&self, commit: &Commit) -> StoreResult<Vec<String>> {
        let listing = self.output(&["ls-tree", "-r", "-z", "--name-only", &commit.0], b"").await?;
        let paths = listing.split(|octet| *octet == 0).filter(|path| !path.is_empty());
        Ok(paths.map(|path| String::from_utf8_lossy(path).into_owned()).collect())
    }

    /// The contents of files of a commit, in the order of the paths; `None` where there is no such
    /// file.
    ///
    /// # Errors
    /// [`StoreError::Away`].
    pub(crate) async fn files(
        &self,
        commit: &Commit,
        paths: &[String],
    ) -> StoreResult<Vec<Option<Vec<u8>>>> {
        if paths.is_empty() {
            return Ok(Vec::new());
        }
        let wanted: String = paths.iter().map(|path| format!("{}:{path}\n", commit.0)).collect();
        let said = self.output(&["cat-file", "--batch"], wanted.as_bytes()).await?;
        let cut = || self.away("git cat-file: its output is incomplete");
        let mut rest = &said[..];
        let mut files = Vec::new();
        for _ in paths {
            let end = rest.iter().position(|octet| *octet == b'\n').ok_or_else(cut)?;
            let head = String::from_utf8_lossy(&rest[..end]).into_owned();
            rest = &rest[end + 1..];
            if head.ends_with(" missing") {
                files.push(None);
                continue;
            }
            let size = head.rsplit(' ').next().and_then(|size| size.parse::<usize>().ok());
            let size = size.filter(|size| *size < rest.len()).ok_or_else(cut)?;
            files.push(Some(rest[..size].to_vec()));
            rest = &rest[size + 1..];
        }
        Ok(files)
    }

    /// A commit that follows another one and writes these files. It is in the cache only.
    ///
    /// # Errors
    /// [`StoreError::Away`].
    pub(crate) async fn commit(
        &self,
        parent: Option<&Commit>,
        (author, host, at_secs): (&str, &str, u64),
        message: &str,
        files: &[Written],
    ) -> StoreResult<Commit> {
        self.prepare().await?;
        let plain = |text: &str| text.replace(['<', '>', '\n', '\0'], " ");
        let (author, host) = (plain(author), plain(host).replace(' ', "-"));
        let made = new_ref();
        let mut stream = format!("commit {made}\nmark :1\n").into_bytes();
        let committer = format!("committer {author} <cutover@{host}> {at_secs} +0000\n");
        stream.extend(committer.into_bytes());
        stream.extend(format!("data {}\n{message}\n", message.len()).into_bytes());
        if let Some(Commit(parent)) = parent {
            stream.extend(format!("from {parent}\n").into_bytes());
        }
        for Written { path, octets } in files {
            let head = format!("M 100644 inline {path}\ndata {}\n", octets.len());
            stream.extend(head.into_bytes());
            stream.extend_from_slice(octets);
            stream.push(b'\n');
        }
        stream.extend_from_slice(b"\nget-mark :1\ndone\n");
        let flags = ["fast-import", "--quiet", "--force", "--done", "--date-format=raw"];
        let name = self.output(&flags, &stream).await;
        // New objects are kept for a day, whether anything names them or not.
        let _ = fs::remove_file(self.cache.join(made));
        self.commit_named(&name?)
    }

    /// Lets this store's ref name a commit that is in the branch, so that it is not fetched again. The
    /// caller has to make sure that nothing is fetched meanwhile.
    pub(crate) fn keep(&self, Commit(name): &Commit) {
        // If it fails, the commit is fetched, which costs time and nothing else.
        let made = self.cache.join(new_ref().replace('/', "-"));
        let written = fs::write(&made, format!("{name}\n"));
        let _ = written.and_then(|()| fs::rename(&made, self.cache.join(&self.own)));
    }

    /// Makes a commit the branch's newest one, if the newest is still the expected one. Otherwise
    /// says what the other side says; after a cut connection it may have happened all the same.
    ///
    /// # Errors
    /// [`StoreError::Away`] if `git` cannot be run, or runs too long.
    pub(crate) async fn push(
        &self,
        expected: Option<&Commit>,
        commit: &Commit,
    ) -> StoreResult<Result<(), StoreError>> {
        let branch = format!("refs/heads/{}", self.address.branch);
        let old = expected.map_or("", |Commit(old)| old.as_str());
        let lease = format!("--force-with-lease={branch}:{old}");
        let refs = format!("{}:{branch}", commit.0);
        let flags = ["push", "--quiet", "--no-verify", &lease, "--", REMOTE, &refs];
        let spoke = self.call(&flags, b"").await?;
        Ok(match spoke.status.success() {
            true => Ok(()),
            false => Err(self.away(spoke.errors)),
        })
    }

    /// Removes this store's ref from the cache. Objects stay, for the next process.
    pub(crate) fn forget(&self) {
        // If it stays, it costs 41 octets.
        let _ = fs::remove_file(self.cache.join(&self.own));
    }
}
