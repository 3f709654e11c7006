//! Exchanges with one server over TCP: bounded in time, octets and number, retried never.

use std::hash::{BuildHasher as _, Hasher as _};
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use cutover_contract::{Name, RrType};
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

/// Octets that are read from the system at once. Our choice: a whole message of a transfer.
const READ_OCTETS: usize = 64 << 10;

/// A server, and the key that it knows us by.
#[derive(Clone)]
pub(crate) struct Server {
    /// Where it listens.
    pub(crate) address: SocketAddr,
    /// The key, if one is configured.
    pub(crate) key: Option<Key>,
}

/// Why there is no answer that can be believed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ExchangeError {
    /// The request is longer than a message can be; nothing was sent.
    #[error("the message has {octets} octets, more than {MESSAGE_OCTETS_MAX}")]
    TooLarge {
        /// Its octets.
        octets: usize,
    },
    /// No connection; nothing was sent.
    #[error("{0}")]
    Connect(io::Error),
    /// No connection in time; nothing was sent.
    #[error("no connection within {} s", CONNECT_MAX.as_secs())]
    ConnectTimeout,
    /// The connection ended while the answer was awaited.
    #[error("the connection broke: {0}")]
    Broken(io::Error),
    /// No answer in time.
    #[error("no answer within {} s", .0.as_secs())]
    Silent(Duration),
    /// An answer that is no answer.
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

/// A request that can be sent, and what its answer is checked with.
struct Ready {
    id: u16,
    octets: Vec<u8>,
    verifier: Option<Verifier>,
}

impl Server {
    /// Asks on one connection, several requests at a time; the answers come in the requests' order.
    pub(crate) async fn ask(&self, requests: &[Request]) -> Result<Vec<Answer>, ExchangeError> {
        let first_id = random_id();
        let ids = (0..=u16::MAX).map(|index| first_id.wrapping_add(index));
        let mut ready = Vec::with_capacity(requests.len());
        for (id, request) in ids.zip(requests) {
            ready.push(self.ready(id, request)?);
        }
        assert_eq!(ready.len(), requests.len(), "callers ask less than there are identifiers");
        let mut connection = Connection::open(self.address).await?;
        let mut answers = Vec::with_capacity(requests.len());
        for (requests, ready) in requests.chunks(PIPELINE_MAX).zip(ready.chunks_mut(PIPELINE_MAX)) {
            let exchange = connection.exchange(requests, ready);
            answers.extend(within(EXCHANGE_MAX, exchange).await?);
        }
        Ok(answers)
    }

    /// Sends one update, on a connection of its own.
    pub(crate) async fn update(&self, request: &Request) -> Result<Answer, ExchangeError> {
        let mut ready = [self.ready(random_id(), request)?];
        let mut connection = Connection::open(self.address).await?;
        // When this is dropped early the system forgets what it has not sent yet, so that an update
        // on which we have given up is not sent later.
        connection.stream.get_ref().set_zero_linger().map_err(ExchangeError::Connect)?;
        let exchange = connection.exchange(std::slice::from_ref(request), &mut ready);
        let answers = within(EXCHANGE_MAX, exchange).await?;
        Ok(answers.into_iter().next().expect("one request has one answer"))
    }

    /// Begins to transfer a zone, or with `since` what has changed since it had the SOA with this rdata.
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

    /// Octets of a request, its signature included.
    pub(crate) fn octets_of(&self, request: &Request) -> usize {
        let mut octets = request.encode(0);
        if let Some(key) = &self.key {
            // Only its length matters.
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
        // A server may answer the later ones first (RFC 7766 §6.2.1.1).
        let mut answers: Vec<Option<Answer>> = requests.iter().map(|_| None).collect();
        for _ in requests {
            let answer = self.receive().await?;
            let index = ready.iter().position(|message| message.id == answer.id());
            let index = index.filter(|index| answers[*index].is_none());
            let index = index.ok_or(MalformedMessage("an answer has a wrong identifier"))?;
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

/// A zone, or what has changed in it, on its way (RFC 5936, RFC 1995).
pub(crate) struct Transfer {
    connection: Connection,
    request: Request,
    ready: Ready,
    sequence: Sequence,
    octets: usize,
}

impl Transfer {
    /// The next message, and what its records mean; `None` when everything has come, and is proven
    /// to have. Until then nothing that came can be used.
    ///
    /// A message with another code than NOERROR ends the transfer; what it means is up to the
    /// caller.
    pub(crate) async fn next(&mut self) -> Result<Option<(Answer, Vec<Meaning>)>, ExchangeError> {
        if self.sequence.has_ended() {
            return Ok(None);
        }
        let answer = within(TRANSFER_PROGRESS_MAX, self.connection.receive()).await?;
        self.octets += answer.octets().len();
        if self.octets > TRANSFER_OCTETS_MAX {
            return Err(MalformedMessage("the zone is too large to be transferred").into());
        }
        if answer.id() != self.ready.id {
            return Err(MalformedMessage("an answer has a wrong identifier").into());
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

/// The message after its length (RFC 1035 §4.2.2).
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

/// Where the identifiers of a connection begin. The standard library keys its hashers at random.
fn random_id() -> u16 {
    let random = std::hash::RandomState::new().build_hasher().finish();
    u16::from_be_bytes([random.to_be_bytes()[0], random.to_be_bytes()[1]])
}
