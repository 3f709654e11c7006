//! `notify:`.

use cutover_zone::Name;

use super::{BAD_ADDRESS, Decoder, ONE_OF, items, text};
use crate::language::yaml::Node;
use cutover_base::diag::{Code, Spanned, listed, quoted};
use cutover_steps::notify::{
    Login, MailSpec, MailTls, Notice, Occasion, PLACEHOLDERS, Way, is_mailbox, unknown_placeholder,
};

/// A text with an unknown placeholder.
const BAD_TEXT: Code = Code::semantic("bad-text");
/// A password that would be sent unencrypted.
const IN_THE_CLEAR: Code = Code::semantic("in-the-clear");

/// The port with TLS from the start (RFC 8314 §7.3).
const IMPLICIT_PORT: u16 = 465;

impl Decoder<'_> {
    pub(super) fn notice(&mut self, node: &Node) -> Option<Notice> {
        let written = node.get("text").and_then(text);
        if let Some(written) = written
            && let Some(word) = unknown_placeholder(written.value)
        {
            let title = format!("unknown placeholder {}", quoted(&format!("{{{word}}}")));
            let help = format!("write one of {} in braces", listed(PLACEHOLDERS.iter().copied()));
            self.error(BAD_TEXT, written.span, title, &help);
        }
        let words = items(node.get("at")).filter_map(text);
        let at = words.filter_map(|word| Occasion::of_word(word.value)).collect();
        let way = match (node.get("webhook"), node.get("mail")) {
            (Some(webhook), None) => Way::Webhook(self.secret(webhook)?),
            (None, Some(mail)) => Way::Mail(self.mail(mail)?),
            (None, None) => {
                let title = "this notice has no recipient".to_owned();
                self.error(ONE_OF, node.span, title, "add `webhook:` or `mail:`");
                return None;
            }
            (Some(_), Some(mail)) => {
                let title = "a notice has either `webhook` or `mail`".to_owned();
                self.error(
                    ONE_OF,
                    mail.span,
                    title,
                    "keep one, and make the other a separate notice",
                );
                return None;
            }
        };
        Some(Notice { at, way, text: written.map(|text| text.value.to_owned()) })
    }

    fn mail(&mut self, node: &Node) -> Option<MailSpec> {
        let server = text(node.get("server")?)?;
        let parts = server.value.rsplit_once(':');
        let parts = parts.and_then(|(host, port)| Some((host, port.parse::<u16>().ok()?)));
        let parts = parts.filter(|(host, port)| *port > 0 && Name::from_user(host).is_ok());
        if parts.is_none() {
            let title = format!("{} is not HOST:PORT", quoted(server.value));
            self.error(
                BAD_ADDRESS,
                server.span,
                title,
                "write the name and the port: `smtp.example.com:587`",
            );
        }
        let from = node.get("from").and_then(text).and_then(|text| self.mailbox(text));
        let to = items(node.get("to")).filter_map(text);
        let to: Vec<String> = to.filter_map(|text| self.mailbox(text)).collect();
        let password = node.get("password").and_then(|node| self.secret(node));
        let user = node.get("user").and_then(text);
        let login = match (user, password) {
            (Some(user), Some(password)) => Some(Login { user: user.value.to_owned(), password }),
            (Some(Spanned { span, .. }), None) if node.get("password").is_none() => {
                let title = "a user without a password".to_owned();
                self.error(ONE_OF, span, title, "add `password: { env: NAME }`, or remove `user`");
                None
            }
            (None, Some(_)) => {
                let span = node.get("password")?.span;
                let title = "a password without a user".to_owned();
                self.error(ONE_OF, span, title, "add `user:`, or remove `password`");
                None
            }
            (Some(_) | None, None) => None,
        };
        let (host, port) = parts?;
        let tls = match node.get("tls").and_then(text).map(|text| text.value) {
            Some("implicit") => MailTls::Implicit,
            Some("none") => MailTls::None,
            Some(_) => MailTls::Starttls,
            None if port == IMPLICIT_PORT => MailTls::Implicit,
            None => MailTls::Starttls,
        };
        if tls == MailTls::None && login.is_some() {
            let title = "the password would be sent unencrypted".to_owned();
            let help = "use a port with TLS, or a relay that asks for none";
            self.error(IN_THE_CLEAR, server.span, title, help);
        }
        Some(MailSpec { server: host.to_owned(), port, tls, from: from?, to, login })
    }

    fn mailbox(&mut self, text: Spanned<&str>) -> Option<String> {
        if is_mailbox(text.value) {
            return Some(text.value.to_owned());
        }
        let title = format!("{} is not a mail address", quoted(text.value));
        self.error(BAD_ADDRESS, text.span, title, "write it as `somebody@example.com`");
        None
    }
}
