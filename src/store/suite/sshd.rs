//! A real `sshd` for git.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;

/// How often to look whether it listens. Our choice: ten seconds, while it takes less than one.
const POLLS_MAX: u32 = 500;
/// How long to pause between. Our choice.
const POLL: Duration = Duration::from_millis(20);

/// A server for the user who runs the tests, with keys of its own.
pub(crate) struct Sshd {
    dir: TempDir,
    child: Child,
    address: SocketAddr,
}

impl Sshd {
    /// Starts it. `None` where it cannot run: in a user namespace in which no process may give up
    /// groups (user_namespaces(7)), as it does before somebody has logged in.
    #[must_use]
    pub(crate) fn start() -> Option<Self> {
        let groups = fs::read_to_string("/proc/self/setgroups").unwrap_or_default();
        if groups.trim() == "deny" {
            return None;
        }
        let dir = tempfile::tempdir().expect("a temporary directory");
        for key in ["host", "user"] {
            let file = dir.path().join(key);
            let mut make = Command::new("ssh-keygen");
            make.args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(file);
            assert!(make.status().expect("ssh-keygen is installed").success());
        }
        let host = fs::read_to_string(dir.path().join("host.pub")).expect("a key");
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let address = listener.local_addr().expect("an address");
        drop(listener);
        let at = |name: &str| dir.path().join(name).display().to_string();
        // A relay has the same key, whatever its port.
        fs::write(at("known"), format!("* {host}")).expect("written");
        // Debian's script makes it when the machine starts; a container has not started.
        let _ = fs::create_dir("/run/sshd");
        let settings = format!(
            "Port {}\nListenAddress 127.0.0.1\nHostKey {}\nAuthorizedKeysFile {}\nPidFile none\n\
             StrictModes no\nUsePAM no\nPasswordAuthentication no\nPermitRootLogin yes\n\
             MaxStartups 100\nLogLevel VERBOSE\n",
            address.port(),
            at("host"),
            at("user.pub"),
        );
        fs::write(at("settings"), settings).expect("written");
        let log = fs::File::create(at("log")).expect("a file");
        let child = Command::new("/usr/sbin/sshd")
            .args(["-D", "-e", "-f", &at("settings")])
            .stdin(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("openssh-server is installed");
        let server = Self { dir, child, address };
        let mut polls = 0;
        while TcpStream::connect(address).is_err() {
            polls += 1;
            assert!(polls < POLLS_MAX, "{}", server.log());
            pause();
        }
        Some(server)
    }

    /// What it has to say.
    #[must_use]
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.dir.path().join("log")).unwrap_or_default()
    }

    /// Where it listens.
    #[must_use]
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// The `ssh` command that knows its key and has one of its own: for `GIT_SSH_COMMAND`, or for
    /// git's setting `core.sshCommand`.
    #[must_use]
    pub(crate) fn command(&self) -> String {
        let at = |name: &str| self.dir.path().join(name).display().to_string();
        format!(
            "ssh -F none -o BatchMode=yes -o IdentitiesOnly=yes -o UserKnownHostsFile={} -i {}",
            at("known"),
            at("user")
        )
    }

    /// The address of a repository, seen through this address.
    #[must_use]
    pub(crate) fn url(&self, through: SocketAddr, repository: &Path) -> String {
        let user = Command::new("id").arg("-un").output().expect("a user").stdout;
        let user = String::from_utf8(user).expect("text");
        format!("git+ssh://{}@{through}{}", user.trim(), repository.display())
    }
}

impl Drop for Sshd {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[expect(clippy::disallowed_methods, reason = "a server is polled until it is ready")]
fn pause() {
    std::thread::sleep(POLL);
}
