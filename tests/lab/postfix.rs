//! Postfix: hosts that store mail, and a host that sends it.
//!
//! Each instance has its own directory, address and queue, and listens on port 25 of its address. A
//! host that sends looks names up at a resolver of the lab: it gets a `/etc/resolv.conf` of its own,
//! in a mount namespace. Postfix changes its user, so all of this needs the real root.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;

use super::server::{now, sleep, tool};

/// Where Debian keeps its daemons.
const DAEMONS: &str = "/usr/lib/postfix/sbin";
/// The user that owns mailboxes: nobody.
const STORES: u32 = 65_534;
/// How long an instance may take to listen. It takes a tenth of a second on an idle machine.
const READY_WITHIN: Duration = Duration::from_secs(20);
/// How long an answer may take.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);

/// The services that these instances run (`master.cf`) besides the one that takes mail.
const SERVICES: &str = "\
pickup    unix n - n 60 1 pickup
cleanup   unix n - n - 0 cleanup
qmgr      unix n - n 300 1 qmgr
rewrite   unix - - n - - trivial-rewrite
bounce    unix - - n - 0 bounce
defer     unix - - n - 0 bounce
trace     unix - - n - 0 bounce
proxymap  unix - - n - - proxymap
smtp      unix - - n - - smtp
relay     unix - - n - - smtp
error     unix - - n - - error
retry     unix - - n - - error
virtual   unix - n n - - virtual
anvil     unix - - n - 1 anvil
scache    unix - - n - 1 scache
tlsmgr    unix - - n 1000? 1 tlsmgr
postlog   unix-dgram n - n - 1 postlogd
";

/// An instance of Postfix. It is killed when this is dropped.
pub(crate) struct Postfix {
    child: Child,
    address: Ipv4Addr,
    // Removed after the processes have ended.
    dir: TempDir,
}

impl Postfix {
    /// A host that stores what comes for `user@DOMAIN` of these domains, and refuses the rest.
    pub(crate) fn storing(address: Ipv4Addr, domains: &[&str]) -> Self {
        let dir = directory();
        let boxes = dir.path().join("mail");
        fs::create_dir(&boxes).expect("a directory");
        let mut map = String::new();
        for domain in domains {
            for part in ["", "/new", "/cur", "/tmp"] {
                let path = boxes.join(format!("{domain}{part}"));
                fs::create_dir(&path).expect("a mailbox");
                chown(&path, Some(STORES), Some(STORES)).expect("root");
            }
            map += &format!("user@{domain} {domain}/\n");
        }
        fs::write(dir.path().join("users"), map).expect("a map");
        let more = format!(
            "virtual_mailbox_domains = {}
virtual_mailbox_maps = texthash:{}/users
virtual_mailbox_base = {}
virtual_mailbox_limit = 0
virtual_uid_maps = static:{STORES}
virtual_gid_maps = static:{STORES}
smtpd_relay_restrictions = reject_unauth_destination
",
            domains.join(" "),
            dir.path().display(),
            boxes.display()
        );
        Self::start(dir, address, &more, None)
    }

    /// A host that takes mail for anybody and sends it on, and that asks this resolver, on port 53.
    /// It tries again after a second or two, where real ones take minutes, and uses a connection for
    /// a second, where real ones take up to five minutes.
    pub(crate) fn sending(address: Ipv4Addr, resolver: IpAddr) -> Self {
        let more = "mynetworks = 127.0.0.0/8
smtpd_relay_restrictions = permit_mynetworks, reject
minimal_backoff_time = 1s
maximal_backoff_time = 2s
queue_run_delay = 1s
transport_retry_time = 1s
default_destination_concurrency_failed_cohort_limit = 0
smtp_connection_reuse_time_limit = 1s
smtp_connect_timeout = 3s
notify_classes =
";
        let dir = directory();
        let conf = dir.path().join("resolv.conf");
        fs::write(&conf, format!("nameserver {resolver}\n")).expect("a file");
        Self::start(dir, address, more, Some(&conf))
    }

    /// A host that stores mail for these addresses and refuses all others, and that listens at more
    /// places, each with settings of its own: `("127.0.0.2:25", "-o smtpd_tls_security_level=none")`.
    /// `more` is for all of them.
    pub(crate) fn with_listeners(
        address: Ipv4Addr,
        users: &[String],
        more: &str,
        listeners: &[(String, String)],
    ) -> Self {
        let dir = directory();
        let domains: std::collections::BTreeSet<&str> =
            users.iter().filter_map(|user| Some(user.rsplit_once('@')?.1)).collect();
        let map: String = users.iter().map(|user| format!("{user} x/\n")).collect();
        fs::write(dir.path().join("users"), map).expect("a map");
        let more = format!(
            "virtual_mailbox_domains = {}
virtual_mailbox_maps = texthash:{}/users
virtual_mailbox_base = {}
mynetworks = 192.0.2.0/24
smtpd_relay_restrictions = permit_mynetworks, permit_sasl_authenticated, reject_unauth_destination
{more}",
            domains.into_iter().collect::<Vec<_>>().join(" "),
            dir.path().display(),
            dir.path().display()
        );
        let listen =
            |(at, options): &(String, String)| format!("{at} inet n - n - - smtpd {options}\n");
        let services: String = listeners.iter().map(listen).collect();
        Self::start_with(dir, address, &more, None, &services)
    }

    fn start(dir: TempDir, address: Ipv4Addr, more: &str, resolver: Option<&Path>) -> Self {
        Self::start_with(dir, address, more, resolver, "")
    }

    fn start_with(
        dir: TempDir,
        address: Ipv4Addr,
        more: &str,
        resolver: Option<&Path>,
        listeners: &str,
    ) -> Self {
        let path = dir.path();
        let shown = path.display();
        let (etc, spool, data) = (path.join("etc"), path.join("spool"), path.join("data"));
        for made in [&etc, &spool, &data] {
            fs::create_dir(made).expect("a directory");
        }
        let main = format!(
            "compatibility_level = 3.6
queue_directory = {shown}/spool
data_directory = {shown}/data
mail_owner = postfix
setgid_group = postdrop
command_directory = /usr/sbin
daemon_directory = {DAEMONS}
inet_interfaces = loopback-only
inet_protocols = ipv4
smtp_bind_address = {address}
myhostname = host-{}.test
mydestination =
alias_maps =
local_recipient_maps =
maillog_file = {shown}/mail.log
maillog_file_prefixes = {shown}
smtpd_peername_lookup = no
in_flow_delay = 0
biff = no
{more}",
            address.octets()[3]
        );
        fs::write(etc.join("main.cf"), main).expect("a file");
        // An address in this file may be any of the loopback network; one in `main.cf` has to be an
        // interface's.
        let services = format!("{address}:25 inet n - n - - smtpd\n{listeners}{SERVICES}");
        fs::write(etc.join("master.cf"), services).expect("a file");
        let (owner, drops) = (id_in("/etc/passwd", "postfix"), id_in("/etc/group", "postdrop"));
        chown(&data, Some(owner), None).unwrap_or_else(|error| {
            panic!("{error}: Postfix changes its user: run tests/run as root")
        });
        for (name, mode) in [
            ("active", 0o700),
            ("bounce", 0o700),
            ("corrupt", 0o700),
            ("defer", 0o700),
            ("deferred", 0o700),
            ("flush", 0o700),
            ("hold", 0o700),
            ("incoming", 0o700),
            ("private", 0o700),
            ("saved", 0o700),
            ("trace", 0o700),
            ("public", 0o710),
            ("maildrop", 0o730),
            ("pid", 0o755),
        ] {
            let made = spool.join(name);
            fs::create_dir(&made).expect("a directory");
            let group = matches!(name, "public" | "maildrop").then_some(drops);
            let owner = (name != "pid").then_some(owner);
            chown(&made, owner, group).expect("root");
            fs::set_permissions(&made, fs::Permissions::from_mode(mode)).expect("its owner");
        }
        let master = format!("{DAEMONS}/master");
        assert!(Path::new(&master).exists(), "{master} is missing: apt install postfix");
        let run = ["env", &format!("MAIL_CONFIG={}", etc.display()), "POSTLOG_SERVICE=postlog"]
            .map(str::to_owned);
        let host = format!("POSTLOG_HOSTNAME=host-{}", address.octets()[3]);
        let start = [host, master, "-d".to_owned(), "-c".to_owned(), etc.display().to_string()];
        let mut command = tool("setpriv", "util-linux");
        command.args(["--pdeathsig", "KILL"]);
        if let Some(conf) = resolver {
            let mount = format!("mount --bind {} /etc/resolv.conf && exec \"$@\"", conf.display());
            command.args(["unshare", "-m", "sh", "-c", &mount, "sh"]);
        }
        command.args(run).args(start);
        let log = fs::File::create(path.join("stderr.log")).expect("a log");
        command.stdin(Stdio::null()).stdout(log.try_clone().expect("a log")).stderr(log);
        let child = command.process_group(0).spawn().expect("it can be started");
        let host = Self { child, address, dir };
        let begun = now();
        while Session::open(host.addr()).is_none() {
            assert!(begun.elapsed() < READY_WITHIN, "Postfix does not listen: {}", host.log());
            sleep(Duration::from_millis(20));
        }
        host
    }

    /// Where it takes mail.
    pub(crate) fn addr(&self) -> SocketAddr {
        SocketAddr::new(self.address.into(), 25)
    }

    /// The directory of the messages that it stores for a domain.
    pub(crate) fn mailbox(&self, domain: &str) -> PathBuf {
        self.dir.path().join(format!("mail/{domain}/new"))
    }

    /// Everything that it has logged.
    pub(crate) fn log(&self) -> String {
        let read = |name| fs::read_to_string(self.dir.path().join(name)).unwrap_or_default();
        read("mail.log") + &read("stderr.log")
    }

    /// The number of messages in its queue.
    pub(crate) fn queued(&self) -> usize {
        let queues = ["maildrop", "incoming", "active", "deferred"];
        queues.iter().map(|queue| files_below(&self.dir.path().join("spool").join(queue))).sum()
    }

    /// Kills it with all its processes. What it has stored stays.
    pub(crate) fn kill(&mut self) {
        let group = format!("-{}", self.child.id());
        let _ = Command::new("kill").args(["-KILL", "--", &group]).stderr(Stdio::null()).status();
        let _ = self.child.wait();
    }
}

impl Drop for Postfix {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A directory that other users can look into.
fn directory() -> TempDir {
    let dir = tempfile::Builder::new().prefix("cutover-lab-").tempdir().expect("a directory");
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).expect("our own");
    dir
}

/// The number of a user or a group.
fn id_in(file: &str, name: &str) -> u32 {
    let text = fs::read_to_string(file).unwrap_or_default();
    let id = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(":x:"));
    let id = id.and_then(|rest| rest.split(':').next()?.parse().ok());
    id.unwrap_or_else(|| panic!("{file} has no {name}: apt install postfix"))
}

fn files_below(dir: &Path) -> usize {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    entries.map(|entry| if entry.path().is_dir() { files_below(&entry.path()) } else { 1 }).sum()
}

/// A session of a mail client.
pub(crate) struct Session(BufReader<TcpStream>);

impl Session {
    /// Connects; `None` if nobody answers.
    pub(crate) fn open(addr: SocketAddr) -> Option<Self> {
        let stream = TcpStream::connect_timeout(&addr, ANSWER_WITHIN).ok()?;
        stream.set_read_timeout(Some(ANSWER_WITHIN)).ok()?;
        let mut session = Self(BufReader::new(stream));
        session.expects("220")?;
        session.says("EHLO client.test", "250")?;
        Some(session)
    }

    /// Sends a message with this subject. `None` if it was not taken.
    pub(crate) fn send(&mut self, from: &str, to: &str, subject: &str) -> Option<()> {
        self.says(&format!("MAIL FROM:<{from}>"), "250")?;
        self.says(&format!("RCPT TO:<{to}>"), "250")?;
        self.says("DATA", "354")?;
        self.says(&format!("Subject: {subject}\r\n\r\nA message.\r\n."), "250")
    }

    fn says(&mut self, line: &str, wanted: &str) -> Option<()> {
        self.0.get_mut().write_all(format!("{line}\r\n").as_bytes()).ok()?;
        self.expects(wanted)
    }

    fn expects(&mut self, wanted: &str) -> Option<()> {
        loop {
            let mut line = String::new();
            self.0.read_line(&mut line).ok().filter(|octets| *octets > 0)?;
            // The last line of an answer has a space after its code (RFC 5321 §4.2.1).
            if line.as_bytes().get(3) != Some(&b'-') {
                return line.starts_with(wanted).then_some(());
            }
        }
    }
}
