//! Messages of all shapes.

use cutover_imap::{Appending, Octets, Outcome, Session};

use crate::bed::{account, run};
use crate::lab::MailboxHost;

/// 2020-09-13.
pub(crate) const TIME: i64 = 1_600_000_000;

/// A plain message.
pub(crate) fn plain(number: usize) -> Vec<u8> {
    let lines = "A line of text that is as long as lines of text are.\r\n".repeat(number % 40);
    format!(
        "From: a@acme.test\r\nTo: b@acme.test\r\nSubject: number {number}\r\n\
         Message-ID: <{number}@acme.test>\r\nDate: Sun, 13 Sep 2020 12:26:40 +0000\r\n\r\n{lines}"
    )
    .into_bytes()
}

/// Messages that trip programs, each with a name. They are as files of a Maildir have them.
pub(crate) fn odd() -> Vec<(&'static str, Vec<u8>)> {
    let nested = "Content-Type: multipart/mixed; boundary=a\r\n\r\n--a\r\nContent-Type: message/rfc822\r\n\
        \r\nSubject: within\r\nContent-Type: multipart/alternative; boundary=b\r\n\r\n--b\r\n\r\ntext\r\n\
        --b\r\nContent-Type: text/html\r\n\r\n<p>text\r\n--b--\r\n--a--\r\n";
    let long = [&b"Subject: a long line\r\n\r\n"[..], &vec![b'x'; 200_000], b"\r\n"].concat();
    vec![
        ("bare LF", b"Subject: bare\nMessage-ID: <lf@a>\n\none\ntwo\n".to_vec()),
        ("CRLF", b"Subject: whole\r\n\r\none\r\n".to_vec()),
        ("mixed line ends", b"Subject: mixed\r\n\r\none\ntwo\r\nthree\rfour\r".to_vec()),
        ("NUL", b"Subject: nul\r\n\r\na\x00b\r\n".to_vec()),
        ("8-bit header", b"Subject: Gr\xfc\xdfe\r\nFrom: \xff\xfe\r\n\r\n\x80\x81\r\n".to_vec()),
        ("no Message-ID", b"Subject: none\r\n\r\nx\r\n".to_vec()),
        ("two Message-IDs", b"Message-ID: <1@a>\r\nMessage-ID: <2@a>\r\n\r\nx\r\n".to_vec()),
        ("no final line end", b"Subject: cut\r\n\r\nthe end".to_vec()),
        ("only a header", b"Subject: header only\r\n".to_vec()),
        ("no header", b"\r\njust text\r\n".to_vec()),
        ("one octet", b"x".to_vec()),
        ("line like an announcement", b"Subject: {5}\r\n\r\n* 1 FETCH {3}\r\nA1 OK\r\n".to_vec()),
        ("nested", nested.as_bytes().to_vec()),
        ("long line", long),
        ("from an mbox", b"From a@b Mon Jan 1\r\nSubject: mbox\r\n\r\nx\r\n".to_vec()),
        ("blank lines", b"Subject: blanks\r\n\r\nx\r\n\r\n\r\n".to_vec()),
    ]
}

/// Stores a message at a host with flags and a date, by way of the client.
pub(crate) fn append(
    host: &MailboxHost,
    user: &str,
    folder: &str,
    mails: &[(&[u8], &[String], &str)],
) {
    run(async {
        let mut session = account(host, "x", user).session().await.expect("a session");
        store(&mut session, folder, mails).await;
        session.close().await;
    });
}

async fn store(session: &mut Session, folder: &str, mails: &[(&[u8], &[String], &str)]) {
    for (octets, flags, date) in mails {
        let body = Octets::Memory(octets.to_vec());
        let message = Appending { flags, date: Some(date), body: &body };
        let outcomes = session.append_each(folder.as_bytes(), &[message]).await.expect("an answer");
        assert!(matches!(outcomes[0], Outcome::Stored(_)), "{outcomes:?}");
    }
}

/// Runs commands at a host.
pub(crate) fn commands(host: &MailboxHost, user: &str, commands: &[&str]) {
    run(async {
        let mut session = account(host, "x", user).session().await.expect("a session");
        for command in commands {
            let ended = session.run(command.as_bytes()).await;
            ended.unwrap_or_else(|error| panic!("{command}: {error}"));
        }
        session.close().await;
    });
}

/// Gives INBOX another UIDVALIDITY.
pub(crate) fn give_new_uids(host: &MailboxHost, user: &str) {
    for entry in std::fs::read_dir(host.maildir(user)).expect("a directory").flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if name == "dovecot-uidlist" {
            let list = std::fs::read_to_string(entry.path()).expect("a list");
            let (version, rest) = list.split_once(" V").expect("a UIDVALIDITY");
            let (_, rest) = rest.split_once(' ').expect("more");
            std::fs::write(entry.path(), format!("{version} V77 {rest}")).expect("our own");
        } else if name.starts_with("dovecot.index") {
            std::fs::remove_file(entry.path()).expect("our own");
        }
    }
}
