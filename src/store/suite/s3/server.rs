//! A Ceph cluster of one machine with its S3 gateway: on loopback, below a temporary directory.
//!
//! Ceph is in Debian, and creates an object with `If-None-Match: *` for one of several writers. boto3
//! judges that each time the server is started.

use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use cutover_base::digest::Digest;

/// How long a daemon may take to be ready. Our choice: it takes a few seconds.
const READY_WITHIN: Duration = Duration::from_secs(60);
/// How often to look whether it is. Our choice.
const POLL: Duration = Duration::from_millis(100);

/// The access key of the only user.
pub(crate) const ID: &str = "lab-key";
/// Its secret.
pub(crate) const SECRET: &str = "lab-s3cret";
/// The bucket.
const BUCKET: &str = "state";

/// A cluster, which ends with the last test that uses it.
pub(crate) struct Server {
    dir: tempfile::TempDir,
    gateway: u16,
    daemons: Vec<Child>,
}

fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port is free");
    listener.local_addr().expect("an address").port()
}

impl Server {
    /// The cluster that all tests share at the same time.
    pub(crate) fn shared() -> Arc<Self> {
        static SHARED: Mutex<Weak<Server>> = Mutex::new(Weak::new());
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        shared.upgrade().unwrap_or_else(|| {
            let server = Arc::new(Self::start());
            *shared = Arc::downgrade(&server);
            server
        })
    }

    pub(crate) fn start() -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let (monitor, gateway) = (free_port(), free_port());
        let mut server = Self { dir, gateway, daemons: Vec::new() };
        let at = |name: &str| server.dir.path().join(name).display().to_string();
        let cluster = "c0de0000-0000-4000-8000-000000000001";
        let disk = "c0de0000-0000-4000-8000-000000000002";
        for dir in ["mon", "osd", "rgw", "run"] {
            std::fs::create_dir(at(dir)).expect("a directory");
        }
        let settings = format!(
            "[global]\nfsid = {cluster}\nmon host = v1:127.0.0.1:{monitor}\n\
             mon initial members = a\nauth cluster required = none\nauth service required = none\n\
             auth client required = none\nosd pool default size = 1\nosd pool default min size = 1\n\
             osd pool default pg num = 1\nosd pool default pgp num = 1\n\
             mon allow pool size one = true\nmon data avail crit = 0\nmon data avail warn = 0\n\
             osd crush chooseleaf type = 0\nosd objectstore = memstore\n\
             memstore device bytes = 1073741824\npublic addr = 127.0.0.1\n\
             cluster addr = 127.0.0.1\nmon data = {mon}\nosd data = {osd}\nrgw data = {rgw}\n\
             run dir = {run}\nadmin socket = {run}/$name.$pid.asok\nlog file = {log}\n\
             rgw frontends = beast endpoint=127.0.0.1:{gateway}\n",
            mon = at("mon"),
            osd = at("osd"),
            rgw = at("rgw"),
            run = at("run"),
            log = at("log"),
        );
        std::fs::write(at("ceph.conf"), settings).expect("written");
        let monitors = format!("[v1:127.0.0.1:{monitor}]");
        let map = at("monmap");
        server.call(&["monmaptool", "--create", "--fsid", cluster, "--addv", "a", &monitors, &map]);
        server.call(&["ceph-mon", "--mkfs", "-i", "a", "--monmap", &map]);
        server.daemon(&["ceph-mon", "-i", "a"]);
        server.until(&["ceph", "--connect-timeout", "2", "osd", "stat"]);
        server.until(&["ceph", "--connect-timeout", "2", "osd", "create", disk]);
        server.call(&["ceph-osd", "--mkfs", "-i", "0", "--osd-uuid", disk]);
        server.disk();
        let key = ["--access-key", ID, "--secret-key", SECRET];
        let create = ["radosgw-admin", "user", "create", "--uid=lab", "--display-name=lab"];
        server.until(&[&create[..], &key].concat());
        server.daemon(&["radosgw", "-n", "client.rgw"]);
        server.wait(|| TcpStream::connect((Ipv4Addr::LOCALHOST, gateway)).is_ok());
        server.put("", "");
        // What the store relies on, asked by a client that others wrote, before anything relies on it.
        server.judge("conditions", "judged");
        server
    }

    /// Makes the object with this key, or the bucket, by other means than ours.
    pub(crate) fn put(&self, key: &str, text: &str) {
        let digest = Digest::of(text.as_bytes()).to_string();
        let digest = format!("x-amz-content-sha256: {}", digest.trim_start_matches("sha256:"));
        let url = format!("http://127.0.0.1:{}/{BUCKET}/{key}", self.gateway);
        let user = format!("{ID}:{SECRET}");
        let put = ["curl", "--silent", "--fail", "--request", "PUT", "--user", &user];
        let signed = ["--aws-sigv4", "aws:amz:us-east-1:s3", "--header", &digest];
        let body = ["--data-binary", text];
        let body = if text.is_empty() { &[][..] } else { &body };
        self.until(&[&put[..], &signed, body, &[url.trim_end_matches('/')]].concat());
    }

    /// What boto3 says of the server, or of the objects below this prefix. Panics if it does not hold.
    pub(crate) fn judge(&self, command: &str, prefix: &str) -> String {
        // Two packages have this file.
        let package = Path::new(env!("CARGO_MANIFEST_DIR"));
        let root = package.ancestors().find(|dir| dir.join("Cargo.lock").exists());
        let root = root.expect("a workspace");
        let (lib, script) = (root.join("target/boto3/lib"), root.join("tests/lab/boto3/judge.py"));
        assert!(lib.is_dir(), "{} is missing: `tests/run` installs it", lib.display());
        let endpoint = format!("http://127.0.0.1:{}", self.gateway);
        let mut judge = Command::new("python3");
        judge.arg(script).args([command, &endpoint, BUCKET, prefix]).stdin(Stdio::null());
        judge.env("PYTHONPATH", lib).env("PYTHONDONTWRITEBYTECODE", "1");
        judge.env("AWS_ACCESS_KEY_ID", ID).env("AWS_SECRET_ACCESS_KEY", SECRET);
        // Nothing of the machine's own keys or settings.
        judge.env("AWS_CONFIG_FILE", "/dev/null").env("AWS_SHARED_CREDENTIALS_FILE", "/dev/null");
        judge.env("AWS_EC2_METADATA_DISABLED", "true").env_remove("AWS_PROFILE");
        let said = judge.output().expect("python3 runs");
        assert!(said.status.success(), "{command}: {}", String::from_utf8_lossy(&said.stderr));
        String::from_utf8(said.stdout).expect("text")
    }

    /// Ends the gateway without a warning, and starts another one at its port.
    pub(crate) fn restart(&mut self) {
        let mut gateway = self.daemons.pop().expect("it was started last");
        let _ = gateway.kill();
        let _ = gateway.wait();
        self.daemon(&["radosgw", "-n", "client.rgw"]);
        self.wait(|| TcpStream::connect((Ipv4Addr::LOCALHOST, self.gateway)).is_ok());
    }

    fn command(&self, program: &[&str]) -> Command {
        let (program, arguments) = program.split_first().expect("a program");
        let mut command = Command::new(program);
        command.args(arguments).env("CEPH_CONF", self.conf()).current_dir(self.dir.path());
        command.stdin(Stdio::null()).stdout(Stdio::null());
        command
    }

    fn conf(&self) -> PathBuf {
        self.dir.path().join("ceph.conf")
    }

    fn call(&self, program: &[&str]) {
        let said = self.command(program).output();
        let said = said.unwrap_or_else(|error| panic!("{program:?}: {error}; see `tests/run`"));
        assert!(said.status.success(), "{program:?}: {said:?}");
    }

    fn daemon(&mut self, program: &[&str]) {
        let mut command = self.command(program);
        let child = command.arg("--foreground").stderr(Stdio::null()).spawn();
        self.daemons.push(child.expect("it starts"));
    }

    /// Starts the disk's daemon. It ends if the monitor does not know the disk yet, so it is started
    /// again until it is up.
    #[expect(clippy::disallowed_methods, reason = "a server is waited for")]
    fn disk(&mut self) {
        let begun = Instant::now();
        self.daemon(&["ceph-osd", "-i", "0"]);
        loop {
            let stat = self.command(&["ceph", "--connect-timeout", "2", "osd", "stat"]);
            let said = { stat }.stdout(Stdio::piped()).output().expect("it runs");
            if String::from_utf8_lossy(&said.stdout).contains("1 up") {
                return;
            }
            assert!(begun.elapsed() < READY_WITHIN, "the disk is not up: {said:?}");
            std::thread::sleep(POLL);
            let last = self.daemons.last_mut().expect("it was started");
            if last.try_wait().expect("a child").is_some() {
                self.daemons.pop();
                self.daemon(&["ceph-osd", "-i", "0"]);
            }
        }
    }

    /// Calls a program until it succeeds.
    fn until(&self, program: &[&str]) {
        self.wait(|| {
            let status = self.command(program).stderr(Stdio::null()).status();
            status.expect("it runs").success()
        });
    }

    #[expect(clippy::disallowed_methods, reason = "a server is waited for")]
    fn wait(&self, holds: impl Fn() -> bool) {
        let begun = Instant::now();
        while !holds() {
            let log = || std::fs::read_to_string(self.dir.path().join("log")).unwrap_or_default();
            assert!(begun.elapsed() < READY_WITHIN, "{}", log());
            std::thread::sleep(POLL);
        }
    }

    pub(crate) fn port(&self) -> u16 {
        self.gateway
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        for daemon in self.daemons.iter_mut().rev() {
            let _ = daemon.kill();
            let _ = daemon.wait();
        }
    }
}

/// The URL of a store of its own, through the server at this port.
pub(crate) fn url(port: u16, name: &str, options: &str) -> String {
    format!("s3://{BUCKET}/{name}?region=us-east-1&endpoint=http://127.0.0.1:{port}{options}")
}
