//! Telling people: JSON by POST, to an address that is a secret, or by mail.

use std::sync::Arc;
use std::time::Duration;

use cutover_contract::Secret;
use cutover_web::{Answer, Bounds, client, exchange};
use mail_send::SmtpClientBuilder;
use mail_send::mail_builder::MessageBuilder;
use mail_send::mail_builder::headers::HeaderType;
use mail_send::mail_builder::headers::text::Text;
use serde_json::json;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::gate::asks;
use crate::calendar::show_exact;
use crate::engine::tell::{Message, Untold};
use crate::graph::StepId;
use crate::spec::notify::{MailSpec, MailTls};

/// How long it may take: our choice. A run waits for it, and nobody who is told is worth more.
const WITHIN: Duration = Duration::from_secs(10);
/// How often it is tried. Our choice.
const TRIES: usize = 2;
/// Octets of an answer at the most; nobody reads them.
const OCTETS_MAX: usize = 64 * 1024;

/// How somebody is told, secrets looked up.
pub enum Reached {
    /// By POST, at this address.
    Webhook(Secret),
    /// By mail, with this password.
    Mail(MailSpec, Option<Secret>),
}

/// Tells somebody.
///
/// # Errors
/// Why it could not be done; no secret is in it.
pub(super) async fn tell(reached: &Reached, message: &Message) -> Result<(), String> {
    match reached {
        Reached::Webhook(address) => webhook(address, message).await,
        Reached::Mail(mail, password) => {
            let mut problem = String::new();
            for _ in 0..TRIES {
                let sent = timeout(WITHIN, sent(mail, password.as_ref(), message)).await;
                match sent.unwrap_or_else(|_| Err("it took too long".to_owned())) {
                    Ok(()) => return Ok(()),
                    Err(error) => problem = error,
                }
            }
            let secret = password.as_ref().map_or("", Secret::expose);
            Err(if secret.is_empty() { problem } else { problem.replace(secret, "[secret]") })
        }
    }
}

/// Sends a mail (RFC 5322) by SMTP (RFC 5321).
async fn sent(mail: &MailSpec, password: Option<&Secret>, message: &Message) -> Result<(), String> {
    let Message { text, plan, untold } = message;
    let at = untold.step.as_ref().map_or(String::new(), |step| format!(" at {step}"));
    let subject = format!("cutover {plan}: {}{at}", untold.occasion.word());
    let to: Vec<&str> = mail.to.iter().map(String::as_str).collect();
    let written = MessageBuilder::new()
        .from(mail.from.as_str())
        .to(to)
        .subject(subject)
        // No robot answers it (RFC 3834 §5).
        .header("Auto-Submitted", HeaderType::from(Text::new("auto-generated")))
        .text_body(text.as_str());
    let tls = cutover_web::tls(mail.tls != MailTls::None).map_err(|error| error.to_string())?;
    let connector = TlsConnector::from(Arc::new(tls));
    let (host, port) = (mail.server.as_str(), mail.port);
    let mut client = SmtpClientBuilder::new_with_tls_connector(host, port, connector)
        .implicit_tls(mail.tls == MailTls::Implicit)
        .timeout(WITHIN);
    if let (Some(login), Some(password)) = (&mail.login, password) {
        client = client.credentials((login.user.as_str(), password.expose()));
    }
    let said = |error: mail_send::Error| error.to_string();
    match mail.tls {
        MailTls::None => {
            let mut client = client.connect_plain().await.map_err(said)?;
            client.send(written).await.map(drop).map_err(said)
        }
        MailTls::Implicit | MailTls::Starttls => {
            let mut client = client.connect().await.map_err(said)?;
            client.send(written).await.map(drop).map_err(said)
        }
    }
}

async fn webhook(address: &Secret, message: &Message) -> Result<(), String> {
    let Message { text, plan, untold: Untold { seq, occasion, at, step, why, .. } } = message;
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
    let url = address.expose();
    let bounds = Bounds {
        connect_max: WITHIN,
        progress_max: WITHIN,
        whole_max: WITHIN,
        octets_max: OCTETS_MAX,
    };
    let client = client(asks(url), bounds).map_err(|error| error.to_string())?;
    let mut problem = String::new();
    for _ in 0..TRIES {
        let request = client.post(url).header("content-type", "application/json");
        match exchange(request.body(body.clone()), bounds).await {
            Ok(answer) if answer.is_success() => return Ok(()),
            Ok(Answer { status, .. }) => problem = format!("the answer has status {status}"),
            Err(error) => problem = error.to_string(),
        }
    }
    Err(problem.replace(url, "[secret]"))
}
