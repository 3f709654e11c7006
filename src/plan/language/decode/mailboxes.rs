//! `hosts.*.mailboxes:` and `migrate.recipients:`.

use std::sync::Arc;

use super::{BAD_ADDRESS, Decoder, ONE_OF, text};
use crate::language::mailboxes::{MailboxesSpec, Security, SignInSpec};
use crate::language::yaml::Node;
use crate::language::{RecipientsSpec, template_in};
use cutover_base::diag::{Diagnostic, Spanned};

/// The port of IMAP with `STARTTLS` (RFC 9051 §2.1).
const IMAP_PORT: u16 = 143;
/// The only server that may be spoken to without TLS.
const THIS_MACHINE: &str = "localhost";

impl Decoder<'_> {
    pub(super) fn mailboxes(&mut self, node: &Node) -> Option<MailboxesSpec> {
        let sign_in = self.sign_in(node.get("sign_in"));
        let endpoint = self.endpoint(node.get("imap"))?;
        let name = endpoint.value.host.0;
        if let Some(placeholder) = template_in(&name) {
            let title = format!("`{placeholder}` is not filled in here");
            let help = "write the name of the server, such as `imap.example.com:993`";
            self.error(BAD_ADDRESS, endpoint.span, title, help);
            return None;
        }
        let port = endpoint.value.port;
        let word = node.get("security").and_then(text);
        let security = word.as_ref().and_then(|word| Security::of_word(word.value));
        let by_port = if port == IMAP_PORT { Security::StartTls } else { Security::Tls };
        let security = security.unwrap_or(by_port);
        if security == Security::None
            && name != THIS_MACHINE
            && let Some(word) = word
        {
            let title = format!("without TLS only `{THIS_MACHINE}` is spoken to");
            let help = "remove `security: none`, or reach the server by a tunnel";
            let found = Diagnostic::error(BAD_ADDRESS, word.span, title, help);
            self.report(found.why("passwords and mail would be readable on the way"));
            return None;
        }
        let authority = node.get("authority").and_then(text).map(|text| text.value.to_owned());
        let host = Spanned { value: name, span: endpoint.span };
        Some(MailboxesSpec { host, port, security, authority, sign_in: sign_in? })
    }

    fn sign_in(&mut self, node: Option<&Node>) -> Option<SignInSpec> {
        let Some(node) = node else { return Some(SignInSpec::Listed) };
        let given: Vec<&str> = ["password", "token", "master"]
            .into_iter()
            .filter(|key| node.get(key).is_some())
            .collect();
        if given.len() != 1 {
            let title = match given.as_slice() {
                [] => "nothing says who signs in".to_owned(),
                several => format!("{} ways to sign in", several.len()),
            };
            let help = "write one of `password:`, `token:` and `master:`, or remove `sign_in:`";
            self.error(ONE_OF, node.span, title, help);
            return None;
        }
        if let Some(node) = node.get("password") {
            return self.secret(node).map(SignInSpec::Password);
        }
        if let Some(node) = node.get("token") {
            return self.secret(node).map(SignInSpec::Token);
        }
        let master = node.get("master")?;
        let password = self.secret(master.get("password")?);
        let user = text(master.get("user")?)?.value.to_owned();
        Some(SignInSpec::Master { user, password: password? })
    }

    /// The recipients. [`crate::language::Reading`] has read their file.
    pub(super) fn recipients(node: &Node) -> Option<RecipientsSpec> {
        let path = text(node.get("file")?)?;
        let file = Spanned { value: path.value.to_owned(), span: path.span };
        Some(RecipientsSpec { file, all: Arc::default() })
    }
}
