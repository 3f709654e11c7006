//! Dovecot: a host whose mailboxes are read and filled over IMAP.
//!
//! Each instance has its own directory, ports and certificate. Every user exists, with one password;
//! a mailbox is a Maildir below [`MailboxHost::maildir`]. Dovecot changes its user, so it needs the real
//! root.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::TcpStream;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::Duration;

use tempfile::TempDir;

use super::loopback::free_port;
use super::server::{now, output, sleep, tool};
use super::tls::certificate;

/// The password of every user.
pub(crate) const PASSWORD: &str = "pw-of-a-user";
/// The password of the user `master`, who may open every mailbox.
pub(crate) const MASTER_PASSWORD: &str = "pw-of-the-master";
/// The name in every certificate.
pub(crate) const HOST: &str = "localhost";
/// The user that owns mailboxes: nobody.
const STORES: u32 = 65_534;
/// How long an instance may take to listen. It takes a tenth of a second on an idle machine.
const READY_WITHIN: Duration = Duration::from_secs(20);

/// How a host differs from Dovecot's defaults.
#[derive(Clone, Default)]
pub(crate) struct Setup {
    /// What the names of folders begin with.
    pub(crate) prefix: &'static str,
    /// The separator of names: `/` or `.`.
    pub(crate) separator: &'static str,
    /// The capabilities that it announces after the sign-in, instead of its own.
    pub(crate) capabilities: Option<&'static str>,
    /// More settings, as they stand in the configuration.
    pub(crate) more: &'static str,
}

/// An instance of Dovecot. It is killed when this is dropped.
pub(crate) struct MailboxHost {
    child: Child,
    ports: [u16; 2],
    // Removed after the processes have ended.
    dir: TempDir,
}

impl MailboxHost {
    /// Starts a host and waits until it takes connections.
    pub(crate) fn start(setup: &Setup) -> Self {
        let dir = tempfile::Builder::new().prefix("cutover-lab-").tempdir().expect("a directory");
        let path = dir.path().to_owned();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("our own");
        fs::create_dir(path.join("mail")).expect("a directory");
        chown(path.join("mail"), Some(STORES), Some(STORES)).expect("the tests run as root");
        certificate(&path, HOST);
        let local = std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);
        let ports = [free_port(local, None), free_port(local, None)];
        let config = path.join("dovecot.conf");
        fs::write(&config, configuration(&path, ports, setup)).expect("a file");
        let mut command = tool("setpriv", "util-linux");
        command.args(["--pdeathsig", "KILL"]);
        let dovecot = tool("dovecot", "dovecot-imapd").get_program().to_owned();
        command.arg(dovecot).arg("-F").arg("-c").arg(&config);
        let log = fs::File::create(path.join("stderr.log")).expect("a log");
        command.stdin(Stdio::null()).stdout(log.try_clone().expect("a log")).stderr(log);
        let child = command.process_group(0).spawn().expect("it can be started");
        let host = Self { child, ports, dir };
        let begun = now();
        while !host.greets() {
            assert!(begun.elapsed() < READY_WITHIN, "Dovecot does not listen: {}", host.log());
            sleep(Duration::from_millis(20));
        }
        host
    }

    fn greets(&self) -> bool {
        let Ok(stream) = TcpStream::connect(("127.0.0.1", self.ports[0])) else { return false };
        let _ = stream.set_read_timeout(Some(READY_WITHIN));
        let mut line = String::new();
        BufReader::new(stream).read_line(&mut line).is_ok() && line.starts_with("* OK")
    }

    /// The port without TLS, which offers `STARTTLS`.
    pub(crate) fn port(&self) -> u16 {
        self.ports[0]
    }

    /// The port with TLS.
    pub(crate) fn tls_port(&self) -> u16 {
        self.ports[1]
    }

    /// The certificate of its authority.
    pub(crate) fn authority(&self) -> PathBuf {
        self.dir.path().join("ca.pem")
    }

    /// The Maildir of a user.
    pub(crate) fn maildir(&self, user: &str) -> PathBuf {
        self.dir.path().join("mail").join(user)
    }

    /// Puts a message into a folder of a user's Maildir, octet by octet as it is, with the time of
    /// its arrival in seconds since 1970. `folder` is empty for INBOX, and begins with a dot
    /// otherwise.
    pub(crate) fn deliver(&self, user: &str, folder: &str, name: &str, octets: &[u8], time: i64) {
        let dir = self.maildir(user).join(folder);
        for part in ["", "cur", "new", "tmp"] {
            fs::create_dir_all(dir.join(part)).expect("a directory");
        }
        let path = dir.join("cur").join(format!("{name}:2,"));
        fs::write(&path, octets).expect("a file");
        let file = fs::File::options().write(true).open(&path).expect("a file");
        let epoch = std::time::SystemTime::UNIX_EPOCH;
        let span = Duration::from_secs(time.unsigned_abs());
        let time = if time < 0 { epoch - span } else { epoch + span };
        file.set_times(fs::FileTimes::new().set_modified(time)).expect("our own");
        let mut owned = vec![self.maildir(user), dir.clone(), path];
        owned.extend(["cur", "new", "tmp"].map(|part| dir.join(part)));
        for path in owned {
            chown(path, Some(STORES), Some(STORES)).expect("the tests run as root");
        }
    }

    /// What `doveadm` says.
    pub(crate) fn doveadm(&self, arguments: &[&str]) -> String {
        let mut command = tool("doveadm", "dovecot-core");
        command.arg("-c").arg(self.dir.path().join("dovecot.conf")).args(arguments);
        output(command, "")
    }

    /// Everything that it has logged.
    pub(crate) fn log(&self) -> String {
        let read = |name| fs::read_to_string(self.dir.path().join(name)).unwrap_or_default();
        read("dovecot.log") + &read("stderr.log")
    }
}

impl Drop for MailboxHost {
    fn drop(&mut self) {
        // Its children end when it does.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn configuration(dir: &Path, ports: [u16; 2], setup: &Setup) -> String {
    let Setup { prefix, separator, capabilities, more } = setup;
    let separator = if separator.is_empty() { "/" } else { separator };
    let capabilities = capabilities.map_or_else(String::new, |words| {
        format!("protocol imap {{\n  imap_capability = {words}\n}}\n")
    });
    let [plain, tls] = ports;
    let dir = dir.display();
    format!(
        "base_dir = {dir}/run
state_dir = {dir}/state
log_path = {dir}/dovecot.log
instance_name = lab-{plain}
protocols = imap
listen = 127.0.0.1
ssl = yes
ssl_cert = <{dir}/host.pem
ssl_key = <{dir}/host.key
disable_plaintext_auth = no
auth_failure_delay = 0
auth_mechanisms = plain login
auth_master_user_separator = *
mail_location = maildir:~/
mail_fsync = never
mail_max_userip_connections = 200
first_valid_uid = 1
passdb {{
  driver = static
  master = yes
  args = user=master password={MASTER_PASSWORD}
}}
passdb {{
  driver = static
  args = password={PASSWORD}
}}
userdb {{
  driver = static
  args = uid={STORES} gid={STORES} home={dir}/mail/%u
}}
namespace inbox {{
  inbox = yes
  separator = {separator}
  prefix = {prefix}
}}
service imap-login {{
  process_min_avail = 1
  service_count = 0
  client_limit = 1000
  inet_listener imap {{
    port = {plain}
  }}
  inet_listener imaps {{
    port = {tls}
    ssl = yes
  }}
}}
{capabilities}{more}
"
    )
}
