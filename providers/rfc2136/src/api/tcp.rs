//! Exchanges with a server over TCP: bounded in time, octets and number, and never retried.

use std::hash::{BuildHasher as _, Hasher as _};
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use cutover_zone::{Name, RrType};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::Request;
use super::answer::{Answer, MalformedMessage, Rcode};
use super::sequence::{Meaning, Sequence};
use super::tsig::{ExchangeProblem, Key, SignatureError, Verifier};
use crate::limits::{
    CONNECT_MAX, EXCHANGE_MAX, MESSAGE_OCTETS_MAX, PIPELINE_MAX, TRANSFER_OCTETS_MAX,
    TRANSFER_PROGRESS_MAX,
};

/// How many octets are read from the system at once. Our choice: a whole message of a transfer.
const READ_OCTETS: usize = 64 << 10;

/// A server, and our key for it.
#[derive(Clone)]
pub(crate) struct Server {
    /// The address where it listens.
    pub(crate) address: SocketAddr,
    /// The key, if one is configured.
    pub(crate) key: Option<Key>,
}

/// Why there is no trustworthy answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ExchangeError {
    /// The request is longer than a message can be, so nothing was sent.
    #[error("the message has {octets} octets, more than {MESSAGE_OCTETS_MAX}")]
    TooLarge {
        /// Its length in octets.
        octets: usize,
    },
    /// There was no connection, so nothing was sent.
    #[error("{0}")]
    Connect(io::Error),
    /// There was no connection in time, so nothing was sent.
    #[error("no connection within {} s", CONNECT_MAX.as_secs())]
    ConnectTimeout,
    /// The connection ended before the answer.
    #[error("the connection broke: {0}")]
    Broken(io::Error),
    /// There was no answer in time.
    #[error("no answer within {} s", .0.as_secs())]
    Silent(Duration),
    /// The answer is malformed or wrongly signed.
    #[error(transparent)]
    Problem(#[from] ExchangeProblem),
}

impl From<MalformedMessage> for ExchangeError {
    fn from(malformed: MalformedMessage) -> Self {
        Self::Problem(malformed.into())
    }
}

impl From<SignatureError> for ExchangeError {
    fn from(signature: SignatureError) -> Self {
        Self::Problem(signature.into())
    }
}

/// A request that can be sent, and the verifier for its answer.
struct Ready {
    id: u16,
    octets: Vec<u8>,
    verifier: Option<Verifier>,
}

impl Server {
    /// Sends several requests at a time on one connection; the answers are in the order of the
    /// requests.
    pub(crate) async fn ask(&self, requests: &[Request]) -> Result<Vec<Answer>, ExchangeError> {
        let first_id = random_id();
        let ids = (0..=u16::MAX).map(|index| first_id.wrapping_add(index));
        let mut ready = Vec::with_capacity(requests.len());
        for (id, request) in ids.zip(requests) {
            ready.push(self.ready(id, request)?);
        }
        assert_eq!(ready.len(), requests.len(), "there are fewer requests than identifiers");
        let mut connection = Connection::open(self.address).await?;
        let mut answers = Vec::with_capacity(requests.len());
        for (requests, ready) in requests.chunks(PIPELINE_MAX).zip(ready.chunks_mut(PIPELINE_MAX)) {
            let exchange = connection.exchange(requests, ready);
            answers.extend(within(EXCHANGE_MAX, exchange).await?);
        }
        Ok(answers)
    }

    /// Sends an update on its own connection.
    pub(crate) async fn update(&self, request: &Request) -> Result<Answer, ExchangeError> {
        let mut ready = [self.ready(random_id(), request)?];
        let mut connection = Connection::open(self.address).await?;
        // If the connection is dropped early, the system discards what it has not sent yet. So an
        // update that we gave up on is not sent later.
        connection.stream.get_ref().set_zero_linger().map_err(ExchangeError::Connect)?;
        let exchange = connection.exchange(std::slice::from_ref(request), &mut ready);
        let answers = within(EXCHANGE_MAX, exchange).await?;
        Ok(answers.into_iter().next().expect("one request has one answer"))
    }

    /// Begins a transfer of the zone, or with `since` of what has changed since it had the SOA with
    /// this rdata.
    pub(crate) async fn transfer(
        &self,
        zone: &Name,
        since: Option<&[u8]>,
    ) -> Result<Transfer, ExchangeError> {
        let request = match since {
            None => Request::Transfer(zone.clone()),
            Some(soa) => Request::Changes(zone.clone(), soa.to_vec()),
        };
        let ready = self.ready(random_id(), &request)?;
        let mut connection = Connection::open(self.address).await?;
        within(EXCHANGE_MAX, connection.send(&framed(&ready.octets))).await?;
        let sequence = Sequence::new(since);
        Ok(Transfer { connection, request, ready, sequence, octets: 0 })
    }

    /// The length of a request in octets, with its signature.
    pub(crate) fn octets_of(&self, request: &Request) -> usize {
        let mut octets = request.encode(0);
        if let Some(key) = &self.key {
            // Only its length matters here.
            drop(key.sign(&mut octets));
        }
        octets.len()
    }

    fn ready(&self, id: u16, request: &Request) -> Result<Ready, ExchangeError> {
        let mut octets = request.encode(id);
        let verifier = self.key.as_ref().map(|key| key.sign(&mut octets));
        match octets.len() <= MESSAGE_OCTETS_MAX {
            true => Ok(Ready { id, octets, verifier }),
            false => Err(ExchangeError::TooLarge { octets: octets.len() }),
        }
    }
}

struct Connection {
    stream: BufReader<TcpStream>,
}

impl Connection {
    async fn open(address: SocketAddr) -> Result<Self, ExchangeError> {
        let connecting = timeout(CONNECT_MAX, TcpStream::connect(address)).await;
        let stream = connecting.map_err(|_| ExchangeError::ConnectTimeout)?;
        let stream = stream.map_err(ExchangeError::Connect)?;
        stream.set_nodelay(true).map_err(ExchangeError::Connect)?;
        Ok(Self { stream: BufReader::with_capacity(READ_OCTETS, stream) })
    }

    async fn exchange(
        &mut self,
        requests: &[Request],
        ready: &mut [Ready],
    ) -> Result<Vec<Answer>, ExchangeError> {
        let mut octets = Vec::new();
        for message in &*ready {
            octets.extend(framed(&message.octets));
        }
        self.send(&octets).await?;
        // A server may answer later requests first (RFC 7766 §6.2.1.1).
        let mut answers: Vec<Option<Answer>> = requests.iter().map(|_| None).collect();
        for _ in requests {
            let answer = self.receive().await?;
            let index = ready.iter().position(|message| message.id == answer.id());
            let index = index.filter(|index| answers[*index].is_none());
            let index = index.ok_or(MalformedMessage("an answer has the wrong identifier"))?;
            check(&answer, &requests[index], ready[index].verifier.as_mut())?;
            answers[index] = Some(answer);
        }
        Ok(answers.into_iter().flatten().collect())
    }

    async fn send(&mut self, octets: &[u8]) -> Result<(), ExchangeError> {
        self.stream.get_mut().write_all(octets).await.map_err(ExchangeError::Broken)
    }

    async fn receive(&mut self) -> Result<Answer, ExchangeError> {
        let length = self.stream.read_u16().await.map_err(ExchangeError::Broken)?;
        let mut octets = vec![0; usize::from(length)];
        self.stream.read_exact(&mut octets).await.map_err(ExchangeError::Broken)?;
        Ok(Answer::parse(octets)?)
    }
}

/// A transfer in progress, of a zone or of its changes (RFC 5936, RFC 1995).
pub(crate) struct Transfer {
    connection: Connection,
    request: Request,
    ready: Ready,
    sequence: Sequence,
    octets: usize,
}

impl Transfer {
    /// The next message, and the meaning of its records. `None` means that everything has arrived
    /// and is verified; until then nothing that arrived may be used.
    ///
    /// A message with another code than NOERROR ends the transfer; the caller decides what it
    /// means.
    pub(crate) async fn next(&mut self) -> Result<Option<(Answer, Vec<Meaning>)>, ExchangeError> {
        if self.sequence.has_ended() {
            return Ok(None);
        }
        let answer = within(TRANSFER_PROGRESS_MAX, self.connection.receive()).await?;
        self.octets += answer.octets().len();
        if self.octets > TRANSFER_OCTETS_MAX {
            return Err(MalformedMessage("the zone is too large to transfer").into());
        }
        if answer.id() != self.ready.id {
            return Err(MalformedMessage("an answer has the wrong identifier").into());
        }
        check(&answer, &self.request, self.ready.verifier.as_mut())?;
        if answer.rcode() != Rcode::NO_ERROR {
            self.sequence.end();
            return Ok(Some((answer, Vec::new())));
        }
        let meanings = self.meanings(&answer)?;
        if self.sequence.has_ended()
            && let Some(verifier) = &self.ready.verifier
        {
            verifier.finish()?;
        }
        Ok(Some((answer, meanings)))
    }

    fn meanings(&mut self, answer: &Answer) -> Result<Vec<Meaning>, MalformedMessage> {
        let mut rdata = Vec::new();
        let mut meanings = Vec::with_capacity(answer.records().len());
        for record in answer.records() {
            let is_soa = record.rtype() == RrType::SOA;
            if is_soa {
                if answer.owner(record)? != *self.request.question().0 {
                    return Err(MalformedMessage("the transfer has an SOA of another zone"));
                }
                answer.rdata(record, &mut rdata)?;
            }
            meanings.push(self.sequence.next(is_soa.then_some(&rdata))?);
        }
        match meanings.is_empty() {
            true => Err(MalformedMessage("a message of the transfer is empty")),
            false => Ok(meanings),
        }
    }
}

fn check(
    answer: &Answer,
    request: &Request,
    verifier: Option<&mut Verifier>,
) -> Result<(), ExchangeProblem> {
    if let Some(verifier) = verifier {
        verifier.check(answer)?;
    }
    Ok(answer.check_answers(request)?)
}

/// The message with its length in front (RFC 1035 §4.2.2).
fn framed(message: &[u8]) -> Vec<u8> {
    let length = u16::try_from(message.len()).expect("a message that is too long is not ready");
    [&length.to_be_bytes(), message].concat()
}

async fn within<T>(
    span: Duration,
    exchange: impl Future<Output = Result<T, ExchangeError>>,
) -> Result<T, ExchangeError> {
    timeout(span, exchange).await.unwrap_or(Err(ExchangeError::Silent(span)))
}

/// The first identifier of a connection. The standard library seeds its hashers at random.
fn random_id() -> u16 {
    let random = std::hash::RandomState::new().build_hasher().finish();
    u16::from_be_bytes([random.to_be_bytes()[0], random.to_be_bytes()[1]])
}
