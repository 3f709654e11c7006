//! Dovecot: servers of mailboxes, which also check passwords for Postfix.

use std::fs;
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;

use super::server::{now, sleep, tool};

/// How long it may take to listen. It takes a tenth of a second on an idle machine.
const READY_WITHIN: Duration = Duration::from_secs(20);

/// An instance of Dovecot. It is killed when this is dropped.
pub(crate) struct Dovecot {
    child: Child,
    // Removed after the processes have ended.
    dir: TempDir,
}

impl Dovecot {
    /// A server for these users (name and password), with this certificate, at `address`: port 143
    /// with STARTTLS and port 993. `more` is the rest of its configuration.
    pub(crate) fn serving(address: &str, pem: &Path, users: &[(&str, &str)], more: &str) -> Self {
        let dir = tempfile::Builder::new().prefix("cutover-lab-").tempdir().expect("a directory");
        let path = dir.path();
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).expect("our own");
        let listed = users.iter().map(|(user, password)| {
            format!("{user}:{{PLAIN}}{password}:65534:65534::{}/mail/{user}\n", path.display())
        });
        fs::write(path.join("users"), listed.collect::<String>()).expect("a file");
        fs::create_dir(path.join("mail")).expect("a directory");
        fs::set_permissions(path.join("mail"), fs::Permissions::from_mode(0o777)).expect("our own");
        let shown = path.display();
        let text = format!(
            "base_dir = {shown}/run
log_path = {shown}/log
protocols = imap
listen = {address}
first_valid_uid = 65534
mail_location = maildir:~/Maildir
auth_failure_delay = 0
service anvil {{
  unix_listener anvil-auth-penalty {{
    mode = 0
  }}
}}
ssl = required
ssl_cert = <{pem}
ssl_key = <{pem}
passdb {{
  driver = passwd-file
  args = {shown}/users
}}
userdb {{
  driver = passwd-file
  args = {shown}/users
}}
service auth {{
  unix_listener {shown}/auth {{
    mode = 0666
  }}
}}
{more}
",
            pem = pem.display()
        );
        let file = path.join("dovecot.conf");
        fs::write(&file, text).expect("a file");
        let log = fs::File::create(path.join("stderr.log")).expect("a log");
        let dovecot = "/usr/sbin/dovecot";
        assert!(Path::new(dovecot).exists(), "{dovecot} is missing: apt install dovecot-imapd");
        let mut command = tool("setpriv", "util-linux");
        command.args(["--pdeathsig", "KILL", dovecot, "-F", "-c"]).arg(&file);
        command.stdin(Stdio::null()).stdout(log.try_clone().expect("a log")).stderr(log);
        let child = command.process_group(0).spawn().expect("it can be started");
        let server = Self { child, dir };
        let begun = now();
        while TcpStream::connect((address, 143)).is_err() {
            assert!(begun.elapsed() < READY_WITHIN, "Dovecot does not listen: {}", server.log());
            sleep(Duration::from_millis(20));
        }
        server
    }

    /// The socket at which Postfix asks for passwords.
    pub(crate) fn auth(&self) -> PathBuf {
        self.dir.path().join("auth")
    }

    /// Everything that it has logged.
    pub(crate) fn log(&self) -> String {
        let read = |name| fs::read_to_string(self.dir.path().join(name)).unwrap_or_default();
        read("log") + &read("stderr.log")
    }
}

impl Drop for Dovecot {
    fn drop(&mut self) {
        let group = format!("-{}", self.child.id());
        let _ = Command::new("kill").args(["-KILL", "--", &group]).stderr(Stdio::null()).status();
        let _ = self.child.wait();
    }
}
