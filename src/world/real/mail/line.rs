//! A connection that is read line by line, with bounds, and that TLS can take over.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;

use super::certificate::Recorder;
use crate::ask::{Broken, Certified, Channel};

/// The most octets of a line. Twice what a reply of SMTP may have with its largest extension (RFC
/// 5321 §4.5.3.1.5: 512; RFC 9051 recommends 8,192 for commands).
const LINE_OCTETS_MAX: usize = 8_192;

/// Octets that are read at once. Our choice.
const READ_OCTETS: usize = 4_096;

trait Both: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> Both for S {}

/// A connection.
pub(super) struct Line {
    stream: Box<dyn Both>,
    /// What has come and was not taken yet.
    ahead: Vec<u8>,
}

fn closed(error: &io::Error) -> Broken {
    Broken::Closed(error.to_string())
}

impl Line {
    /// Connects.
    pub(super) async fn open(server: SocketAddr) -> Result<Self, Broken> {
        let stream = TcpStream::connect(server).await;
        let stream = stream.map_err(|error| Broken::NoConnection(error.to_string()))?;
        // Commands are short and wait for replies, so nothing is gained by collecting octets. If
        // this fails, the session is slower.
        let _ = stream.set_nodelay(true);
        Ok(Self { stream: Box::new(stream), ahead: Vec::new() })
    }

    /// Sends text as it is.
    pub(super) async fn send(&mut self, text: &str) -> Result<(), Broken> {
        let sent = async {
            self.stream.write_all(text.as_bytes()).await?;
            self.stream.flush().await
        };
        sent.await.map_err(|error| closed(&error))
    }

    /// What has come and was not taken yet; reads on if that is nothing.
    pub(super) async fn more(&mut self) -> Result<&mut Vec<u8>, Broken> {
        if self.ahead.is_empty() {
            self.read().await?;
        }
        Ok(&mut self.ahead)
    }

    async fn read(&mut self) -> Result<(), Broken> {
        let mut octets = [0; READ_OCTETS];
        let length = self.stream.read(&mut octets).await.map_err(|error| closed(&error))?;
        if length == 0 {
            return Err(Broken::Closed("the server closed the connection".to_owned()));
        }
        self.ahead.extend_from_slice(&octets[..length]);
        Ok(())
    }

    /// The next line without its end.
    pub(super) async fn line(&mut self) -> Result<String, Broken> {
        loop {
            if let Some(end) = self.ahead.iter().position(|octet| *octet == b'\n') {
                let line: Vec<u8> = self.ahead.drain(..=end).collect();
                return Ok(String::from_utf8_lossy(&line).trim_end().to_owned());
            }
            if self.ahead.len() > LINE_OCTETS_MAX {
                let what = format!("a line has more than {LINE_OCTETS_MAX} octets");
                return Err(Broken::Garbage(what));
            }
            self.read().await?;
        }
    }

    /// Begins TLS. Whatever the certificate is like, the session goes on and says so.
    ///
    /// What came in before the handshake is dropped: an attacker may have put it there (RFC 3207
    /// §6).
    pub(super) async fn secure(&mut self, name: &str, recorder: Recorder) -> Channel {
        self.ahead.clear();
        let name_of_server = match ServerName::try_from(name.to_owned()) {
            Ok(name) => name,
            Err(error) => return Channel::Failed(error.to_string()),
        };
        let recorder = Arc::new(recorder);
        let config = match recorder.config() {
            Ok(config) => config,
            Err(error) => return Channel::Failed(error.to_string()),
        };
        let plain = std::mem::replace(&mut self.stream, Box::new(tokio::io::empty()));
        let connector = TlsConnector::from(Arc::new(config));
        match connector.connect(name_of_server, plain).await {
            Ok(stream) => {
                let version = match stream.get_ref().1.protocol_version() {
                    Some(version) => format!("{version:?}").replace('_', ".").replace("v1", " 1"),
                    None => "TLS".to_owned(),
                };
                let (trust, left, dane) = recorder.seen();
                self.stream = Box::new(stream);
                Channel::Tls(Certified { version, trust, left, dane })
            }
            Err(error) => Channel::Failed(error.to_string()),
        }
    }
}
