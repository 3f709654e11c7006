//! Notifications: JSON by POST to a secret URL, or mail.

use std::sync::Arc;
use std::time::Duration;

use cutover_contract::Secret;
use cutover_web::{Answer, Bounds, ClientError, ExchangeError, client, exchange};
use mail_send::SmtpClientBuilder;
use mail_send::mail_builder::MessageBuilder;
use mail_send::mail_builder::headers::HeaderType;
use mail_send::mail_builder::headers::text::Text;
use serde_json::json;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::gate::client_kind;
use crate::calendar::show_exact;
use crate::engine::notification::{Message, NotSent, Notification};
use crate::graph::StepId;
use crate::notify::{MailSpec, MailTls};

/// Time limit of one try. Our choice: the run waits for it, and no notification is worth more.
const WITHIN: Duration = Duration::from_secs(10);
/// How often sending is tried. Our choice.
const TRIES: usize = 2;
/// Maximum octets of an answer, which is not used.
const OCTETS_MAX: usize = 64 * 1024;

/// The recipient of a notice, with its secrets looked up.
pub enum Recipient {
    /// POST to this URL.
    Webhook(Secret),
    /// Mail, with this password for the server.
    Mail(MailSpec, Option<Secret>),
}

/// Sends a notification.
///
/// # Errors
/// Why it could not be sent. The text contains no secret.
pub(super) async fn notify(recipient: &Recipient, message: &Message) -> Result<(), NotSent> {
    let (sent, secret) = match recipient {
        Recipient::Webhook(url) => (post(url, message).await, url.expose()),
        Recipient::Mail(mail, password) => {
            let mut sent = Err(SendError::TimedOut);
            for _ in 0..TRIES {
                let send = timeout(WITHIN, send_mail(mail, password.as_ref(), message));
                sent = send.await.unwrap_or(Err(SendError::TimedOut));
                if sent.is_ok() {
                    break;
                }
            }
            (sent, password.as_ref().map_or("", Secret::expose))
        }
    };
    sent.map_err(|error| {
        let problem = error.to_string();
        NotSent(if secret.is_empty() { problem } else { problem.replace(secret, "[secret]") })
    })
}

/// Why a try failed. The text may contain secrets.
#[derive(Debug, thiserror::Error)]
enum SendError {
    #[error("it took too long")]
    TimedOut,
    #[error("the answer has status {0}")]
    Status(u16),
    #[error(transparent)]
    Tls(#[from] tokio_rustls::rustls::Error),
    #[error(transparent)]
    Client(#[from] ClientError),
    #[error(transparent)]
    Exchange(#[from] ExchangeError),
    #[error(transparent)]
    Smtp(#[from] mail_send::Error),
}

/// Sends a mail (RFC 5322) by SMTP (RFC 5321).
async fn send_mail(
    mail: &MailSpec,
    password: Option<&Secret>,
    message: &Message,
) -> Result<(), SendError> {
    let Message { text, plan, notification } = message;
    let at = notification.step.as_ref().map_or(String::new(), |step| format!(" at {step}"));
    let subject = format!("cutover {plan}: {}{at}", notification.occasion.word());
    let to: Vec<&str> = mail.to.iter().map(String::as_str).collect();
    let written = MessageBuilder::new()
        .from(mail.from.as_str())
        .to(to)
        .subject(subject)
        // Keeps automatic responders from answering (RFC 3834 §5).
        .header("Auto-Submitted", HeaderType::from(Text::new("auto-generated")))
        .text_body(text.as_str());
    let tls = cutover_web::tls(mail.tls != MailTls::None)?;
    let connector = TlsConnector::from(Arc::new(tls));
    let (host, port) = (mail.server.as_str(), mail.port);
    let mut client = SmtpClientBuilder::new_with_tls_connector(host, port, connector)
        .implicit_tls(mail.tls == MailTls::Implicit)
        .timeout(WITHIN);
    if let (Some(login), Some(password)) = (&mail.login, password) {
        client = client.credentials((login.user.as_str(), password.expose()));
    }
    match mail.tls {
        MailTls::None => client.connect_plain().await?.send(written).await?,
        MailTls::Implicit | MailTls::Starttls => client.connect().await?.send(written).await?,
    };
    Ok(())
}

async fn post(url: &Secret, message: &Message) -> Result<(), SendError> {
    let Message { text, plan, notification: Notification { seq, occasion, at, step, why, .. } } =
        message;
    let step = step.as_ref().map(StepId::as_str);
    let body = json!({
        "text": text,
        "plan": plan,
        "occasion": occasion,
        "entry": seq,
        "at": show_exact(*at),
        "step": step,
        "why": why,
    })
    .to_string();
    let url = url.expose();
    let bounds = Bounds {
        connect_max: WITHIN,
        progress_max: WITHIN,
        whole_max: WITHIN,
        octets_max: OCTETS_MAX,
    };
    let client = client(client_kind(url), bounds)?;
    let mut problem = SendError::TimedOut;
    for _ in 0..TRIES {
        let request = client.post(url).header("content-type", "application/json");
        match exchange(request.body(body.clone()), bounds).await {
            Ok(answer) if answer.is_success() => return Ok(()),
            Ok(Answer { status, .. }) => problem = SendError::Status(status),
            Err(error) => problem = error.into(),
        }
    }
    Err(problem)
}
