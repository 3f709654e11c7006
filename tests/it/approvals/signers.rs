//! People with keys, made by `ssh-keygen`, and a security key in software.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _,
};
use sha2::{Digest as _, Sha256, Sha512};
use tempfile::TempDir;

use crate::bind_fixture::said;

pub(super) const NAMESPACE: &str = "cutover-approval@v1";

/// The types of keys that `ssh-keygen` makes, each with a size of its own.
pub(super) const KINDS: &[&str] = &["ed25519", "ecdsa-256", "ecdsa-384", "ecdsa-521", "rsa-2048"];

/// A directory with keys, apart from the plans.
pub(crate) struct Signers {
    dir: TempDir,
}

impl Signers {
    /// A key for each of these people. A name may end with the type of the key after a dot.
    pub(crate) fn new(names: &[&str]) -> Self {
        let signers = Self { dir: tempfile::tempdir().expect("a temporary directory") };
        for name in names {
            let kind = name.split_once('.').map_or("ed25519", |(_, kind)| kind);
            signers.make(name, kind, "");
        }
        signers
    }

    /// Makes a key of this type for somebody.
    pub(super) fn make(&self, name: &str, kind: &str, passphrase: &str) {
        let (kind, bits) = kind.split_once('-').unwrap_or((kind, "256"));
        let path = self.key(name);
        let args = ["-q", "-t", kind, "-b", bits, "-N", passphrase, "-C", name, "-f"];
        keygen(Command::new("ssh-keygen").args(args).arg(path), b"");
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn key(&self, name: &str) -> PathBuf {
        self.path(name)
    }

    /// Type and key of somebody, as they stand in files.
    pub(super) fn public(&self, name: &str) -> String {
        let text = std::fs::read_to_string(self.path(&format!("{name}.pub"))).expect("a key");
        text.split_whitespace().take(2).collect::<Vec<_>>().join(" ")
    }

    /// Writes a file in which each of these people may approve, under `NAME@example.com`.
    pub(crate) fn allow(&self, names: &[&str]) -> PathBuf {
        let line = |name: &&str| format!("{name}@example.com {}\n", self.public(name));
        self.write("allowed", names.iter().map(line).collect::<String>())
    }

    pub(super) fn write(&self, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, text).expect("a file can be written");
        path
    }

    /// What `ssh-keygen -Y sign` makes of a text.
    pub(super) fn sign(&self, name: &str, namespace: &str, text: &str) -> String {
        let mut command = Command::new("ssh-keygen");
        command.args(["-Y", "sign", "-n", namespace, "-f"]).arg(self.key(name));
        keygen(&mut command, text.as_bytes())
    }

    /// What `ssh-keygen -Y verify` says about a signature by `NAME@example.com`.
    pub(super) fn verify(&self, name: &str, signature: &str, text: &str) -> (i32, String) {
        let file = self.write("to-verify.sig", signature);
        let mut command = Command::new("ssh-keygen");
        command.args(["-Y", "verify", "-n", NAMESPACE, "-I", &format!("{name}@example.com")]);
        command.arg("-f").arg(self.path("allowed")).arg("-s").arg(file);
        run(&mut command, text.as_bytes())
    }
}

fn run(command: &mut Command, input: &[u8]) -> (i32, String) {
    let streams = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = streams.spawn().expect("no ssh-keygen: apt install openssh-client");
    std::io::Write::write_all(&mut child.stdin.take().expect("it is piped"), input)
        .expect("it reads its input");
    said(&child.wait_with_output().expect("it ends"))
}

/// Runs `ssh-keygen`, which has to succeed. Returns its standard output.
fn keygen(command: &mut Command, input: &[u8]) -> String {
    let (code, text) = run(command, input);
    assert_eq!(code, 0, "{command:?}: {text}");
    let begin = text.find("-----BEGIN").unwrap_or_default();
    let end = text.find("-----END SSH SIGNATURE-----\n").map(|at| at + 28);
    text[begin..end.unwrap_or(text.len())].to_owned()
}

/// A security key in software: it signs as a device does (OpenSSH, PROTOCOL.u2f).
pub(super) enum SecurityKey {
    Ed25519(Ed25519KeyPair),
    Ecdsa(EcdsaKeyPair),
}

/// The application that the key belongs to.
const APPLICATION: &str = "ssh:";

/// Somebody touched the device.
pub(super) const TOUCHED: u8 = 0x01;

impl SecurityKey {
    /// One of each type, by names.
    pub(super) fn all() -> [(&'static str, Self); 2] {
        let random = SystemRandom::new();
        let ecdsa = &ECDSA_P256_SHA256_FIXED_SIGNING;
        let pair = EcdsaKeyPair::generate_pkcs8(ecdsa, &random).expect("a key");
        let ecdsa = EcdsaKeyPair::from_pkcs8(ecdsa, pair.as_ref(), &random).expect("a key");
        let pair = Ed25519KeyPair::from_seed_unchecked(&[7; 32]).expect("a seed");
        [("sk-ed25519", Self::Ed25519(pair)), ("sk-ecdsa", Self::Ecdsa(ecdsa))]
    }

    fn kind(&self) -> &'static str {
        match self {
            Self::Ed25519(_) => "sk-ssh-ed25519@openssh.com",
            Self::Ecdsa(_) => "sk-ecdsa-sha2-nistp256@openssh.com",
        }
    }

    /// The public key: type, key and application.
    fn public(&self) -> Vec<u8> {
        let key = match self {
            Self::Ed25519(pair) => string(pair.public_key().as_ref()),
            Self::Ecdsa(pair) => [b"nistp256", pair.public_key().as_ref()].map(string).concat(),
        };
        [string(self.kind().as_bytes()), key, string(APPLICATION.as_bytes())].concat()
    }

    /// Signs octets as the algorithm has it.
    fn raw(&self, octets: &[u8]) -> Vec<u8> {
        match self {
            Self::Ed25519(pair) => pair.sign(octets).as_ref().to_vec(),
            Self::Ecdsa(pair) => {
                let signed = pair.sign(&SystemRandom::new(), octets).expect("a signature");
                signed
                    .as_ref()
                    .chunks(32)
                    .map(|half| string(&positive(half)))
                    .collect::<Vec<_>>()
                    .concat()
            }
        }
    }

    /// Writes `NAME.pub`.
    pub(super) fn save(&self, path: &Path) {
        let line = format!("{} {} device\n", self.kind(), STANDARD.encode(self.public()));
        std::fs::write(path, line).expect("a file can be written");
    }

    /// Signs a text with these flags.
    pub(super) fn sign(&self, text: &str, flags: u8) -> String {
        let hash = Sha512::digest(text);
        let parts = [NAMESPACE.as_bytes(), b"", b"sha512"].map(string).concat();
        let message = [b"SSHSIG".as_slice(), &parts, &string(&hash)].concat();
        let trailer = [&[flags][..], &41_u32.to_be_bytes()].concat();
        let signed = [&Sha256::digest(APPLICATION)[..], &trailer, &Sha256::digest(&message)[..]];
        let raw = self.raw(&signed.concat());
        let blob = [string(self.kind().as_bytes()), string(&raw), trailer].concat();
        let whole = [
            b"SSHSIG".to_vec(),
            1_u32.to_be_bytes().to_vec(),
            string(&self.public()),
            parts,
            string(&blob),
        ];
        let body = STANDARD.encode(whole.concat());
        let lines: Vec<&str> = body
            .as_bytes()
            .chunks(70)
            .map(|line| std::str::from_utf8(line).expect("ASCII"))
            .collect();
        let lines = lines.join("\n");
        format!("-----BEGIN SSH SIGNATURE-----\n{lines}\n-----END SSH SIGNATURE-----\n")
    }
}

/// A positive number: no zeros in front, but one where it would be negative (RFC 4251 §5).
fn positive(octets: &[u8]) -> Vec<u8> {
    let zeros = octets.iter().take_while(|octet| **octet == 0).count();
    let octets = &octets[zeros..];
    match octets.first() {
        Some(first) if *first >= 0x80 => [&[0][..], octets].concat(),
        Some(_) | None => octets.to_vec(),
    }
}

/// A string of the SSH protocol: its length, and its octets (RFC 4251 §5).
fn string(octets: &[u8]) -> Vec<u8> {
    let length = u32::try_from(octets.len()).expect("it is short");
    [&length.to_be_bytes(), octets].concat()
}
