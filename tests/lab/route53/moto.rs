//! moto, a mock of Amazon that others made for their tests, in place of the fake: an independent
//! reading of the same documents. It is never stale and serves no DNS, so the batches that it
//! accepts are also passed to [`PublishedDns`].

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use super::super::lab::fault_proxy::{Answer, Request, Service};
use super::super::lab::published_dns::PublishedDns;
use super::super::lab::{free_port, sleep};
use super::rrset::{Rrset, decimal};
use super::xml::{self, Element};

/// How often to check, every 100 ms, whether it listens. Our choice: it takes about two seconds.
const READY_POLLS: usize = 600;

/// A moto with zones, and the server of these zones.
pub(crate) struct Moto {
    process: Child,
    addr: SocketAddr,
    published: PublishedDns,
    /// The names of the zones, by their identifiers.
    zones: BTreeMap<String, String>,
    authorization: String,
}

impl Moto {
    /// Starts moto with this Python, and makes the zones with these records, given as lines of
    /// master files without SOA and NS of the apex.
    pub(crate) fn start(
        python: &Path,
        access_key: &str,
        zones: &[(&str, Vec<String>)],
        published: PublishedDns,
    ) -> Arc<Self> {
        let addr =
            SocketAddr::from((Ipv4Addr::LOCALHOST, free_port(Ipv4Addr::LOCALHOST.into(), None)));
        let mut command = Command::new(python);
        command.args(["-m", "moto.server", "-H", "127.0.0.1", "-p", &addr.port().to_string()]);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let process = command.spawn().expect("moto: run tests/run, which installs it");
        let authorization = format!(
            "AWS4-HMAC-SHA256 Credential={access_key}/20261127/us-east-1/route53/aws4_request"
        );
        let mut moto = Self { process, addr, published, zones: BTreeMap::new(), authorization };
        let is_there = |_: &usize| {
            let is_there = TcpStream::connect(addr).is_ok();
            if !is_there {
                sleep(Duration::from_millis(100));
            }
            is_there
        };
        assert!((0..READY_POLLS).any(|n| is_there(&n)), "moto does not listen");
        for (name, lines) in zones {
            moto.make(name, lines);
        }
        Arc::new(moto)
    }

    /// The server of its zones.
    pub(crate) fn published(&self) -> &PublishedDns {
        &self.published
    }

    fn make(&mut self, name: &str, lines: &[String]) {
        let zone = Element::with(
            "CreateHostedZoneRequest",
            vec![
                Element::text("Name", &format!("{name}.")),
                Element::text("CallerReference", name),
            ],
        );
        let answer = self.post("/2013-04-01/hostedzone", &zone);
        let id = answer.child("HostedZone").and_then(|zone| zone.value("Id"));
        let id = id.expect("an identifier").trim_start_matches("/hostedzone/").to_owned();
        let mut rrsets: Vec<Rrset> = Vec::new();
        for line in lines {
            let new = Rrset::of_line(line);
            let same = |rrset: &&mut Rrset| rrset.name == new.name && rrset.rtype == new.rtype;
            match rrsets.iter_mut().find(same) {
                Some(rrset) => rrset.values.extend(new.values),
                None => rrsets.push(new),
            }
        }
        let change = |rrset: &Rrset| {
            Element::with("Change", vec![Element::text("Action", "CREATE"), rrset.shown()])
        };
        let changes = Element::with("Changes", rrsets.iter().map(change).collect());
        let batch = Element::with(
            "ChangeResourceRecordSetsRequest",
            vec![Element::with("ChangeBatch", vec![changes])],
        );
        self.post(&format!("/2013-04-01/hostedzone/{id}/rrset"), &batch);
        self.zones.insert(id, name.to_owned());
    }

    fn post(&self, path: &str, body: &Element) -> Element {
        let headers = vec![
            ("authorization".to_owned(), self.authorization.clone()),
            ("content-type".to_owned(), "application/xml".to_owned()),
        ];
        let request = Request {
            method: "POST".to_owned(),
            path: path.to_owned(),
            query: Vec::new(),
            target: path.to_owned(),
            headers,
            body: body.document().into_bytes(),
        };
        let answer = self.forwarded(&request).expect("moto answers");
        let text = String::from_utf8(answer.body).expect("UTF-8");
        assert!((200..300).contains(&answer.status), "{path}: {text}");
        xml::read(&text).expect("XML")
    }

    fn forwarded(&self, request: &Request) -> std::io::Result<Answer> {
        let mut head =
            format!("{} {} HTTP/1.1\r\nconnection: close\r\n", request.method, request.target);
        for (name, value) in &request.headers {
            if name != "connection" && name != "content-length" {
                head += &format!("{name}: {value}\r\n");
            }
        }
        head += &format!("content-length: {}\r\n\r\n", request.body.len());
        let mut stream = TcpStream::connect(self.addr)?;
        stream.write_all(&[head.as_bytes(), &request.body].concat())?;
        let mut octets = Vec::new();
        stream.read_to_end(&mut octets)?;
        let end = octets.windows(4).position(|window| window == b"\r\n\r\n").unwrap_or(0) + 4;
        let head = String::from_utf8_lossy(&octets[..end]).into_owned();
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(502);
        Ok(Answer::new(status, "text/xml", octets.split_off(end)))
    }

    /// Publishes a batch that was made.
    fn publish(&self, request: &Request) {
        let parts = request.parts();
        let zone = parts.get(2).and_then(|id| self.zones.get(*id));
        let document = std::str::from_utf8(&request.body).ok().and_then(xml::read);
        let changes =
            document.as_ref().and_then(|document| document.child("ChangeBatch")?.child("Changes"));
        let (Some(zone), Some(changes)) = (zone, changes) else { return };
        let mut rrsets: BTreeMap<(String, String), Vec<String>> = BTreeMap::new();
        for change in &changes.children {
            let rrset = change.child("ResourceRecordSet").map(Rrset::read);
            let Some(Ok(rrset)) = rrset else { continue };
            let key = (decimal(&rrset.name), rrset.rtype.clone());
            let there = rrsets.entry(key).or_default();
            if change.value("Action") != Some("DELETE") {
                there.extend(rrset.lines());
            }
        }
        self.published.publish(zone, &rrsets);
    }
}

impl Service for Moto {
    fn answer(&self, request: &Request) -> Answer {
        match self.forwarded(request) {
            Ok(answer) => {
                if request.method == "POST" && answer.status == 200 {
                    self.publish(request);
                }
                answer
            }
            Err(error) => Answer::new(502, "text/plain", error.to_string()),
        }
    }
}

impl Drop for Moto {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
