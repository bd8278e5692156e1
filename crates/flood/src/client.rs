//! A client: a real HTTP/1.1 connection over a loopback socket, that storms
//! the server and checks every answer.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use axum::body::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{HOST, HeaderMap, HeaderValue, RETRY_AFTER};
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use crate::subject::HEADER;
use crate::ways::Cause;

/// No answer takes this long unless something hangs.
const LONGEST_REQUEST: Duration = Duration::from_secs(10);

/// What the clients saw.
#[derive(Debug, Default, Clone)]
pub struct Tally {
    /// Sessions that were opened with 200 and streamed to their end.
    pub admitted: u64,
    /// Refusals with 429 and a `Retry-After`.
    pub at_subject_limit: u64,
    /// Refusals with 503 and a `Retry-After`.
    pub at_capacity: u64,
    /// Everything else.
    pub errors: u64,
    /// What the first of the errors was.
    pub first_error: Option<String>,
}

impl Tally {
    /// All requests.
    pub fn requests(&self) -> u64 {
        self.admitted + self.at_subject_limit + self.at_capacity + self.errors
    }

    /// Adds what another client saw.
    pub fn merge(&mut self, other: Self) {
        self.admitted += other.admitted;
        self.at_subject_limit += other.at_subject_limit;
        self.at_capacity += other.at_capacity;
        self.errors += other.errors;
        self.first_error = self.first_error.take().or(other.first_error);
    }
}

/// How a client behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    /// Comes straight back, until the burst ends.
    Impatient,
    /// Waits as long as it would stay before it comes back.
    Patient,
    /// Comes straight back and does not stop in the pauses.
    Hostile,
    /// Opens a session, does nothing in it, and leaves when the burst ends.
    Quiet,
}

/// What a client is to do.
pub struct Plan {
    /// Who it says that it is.
    pub subject: HeaderValue,
    /// How it behaves.
    pub manner: Manner,
    /// The longest stay that it asks for, in milliseconds; the least is 1.
    pub longest_stay: u64,
    /// The requests left to all clients together.
    pub budget: Arc<AtomicU64>,
    /// Draws the stays.
    pub rng: fastrand::Rng,
}

/// A connected client.
pub struct Client {
    sender: SendRequest<Empty<Bytes>>,
    address: SocketAddr,
    authority: String,
    plan: Plan,
}

impl Client {
    /// Connects to the server.
    pub async fn connect(address: SocketAddr, plan: Plan) -> anyhow::Result<Self> {
        let sender = connect(address).await?;
        Ok(Self { sender, address, authority: address.to_string(), plan })
    }

    /// Storms the server until the end of each burst, from the moment that it
    /// is announced, in its own manner. Returns when no burst can follow, the
    /// budget is spent or an answer was wrong.
    pub async fn run(mut self, mut bursts: watch::Receiver<Instant>) -> Tally {
        let mut tally = Tally::default();
        while bursts.changed().await.is_ok() {
            bursts.mark_unchanged();
            while self.goes_on(&bursts) {
                if !self.draw_from_budget() {
                    return tally;
                }
                match self.visit(&mut bursts).await {
                    Ok(Answer::Admitted) => tally.admitted += 1,
                    Ok(Answer::Refused(Cause::SubjectAtLimit)) => tally.at_subject_limit += 1,
                    Ok(Answer::Refused(Cause::AtCapacity)) => tally.at_capacity += 1,
                    Err(error) => {
                        tally.errors += 1;
                        tally.first_error = Some(format!("{error:#}"));
                        return tally;
                    }
                }
            }
        }
        tally
    }

    fn draw_from_budget(&self) -> bool {
        self.plan.budget.fetch_update(Relaxed, Relaxed, |left| left.checked_sub(1)).is_ok()
    }

    fn goes_on(&self, bursts: &watch::Receiver<Instant>) -> bool {
        match self.plan.manner {
            Manner::Hostile => bursts.has_changed().is_ok(),
            _ => Instant::now() < *bursts.borrow(),
        }
    }

    async fn visit(&mut self, bursts: &mut watch::Receiver<Instant>) -> anyhow::Result<Answer> {
        let stay = self.plan.rng.u64(1..=self.plan.longest_stay);
        let asked = timeout(LONGEST_REQUEST, async {
            match self.plan.manner {
                Manner::Quiet => self.ask_quietly(bursts).await,
                _ => self.ask(stay).await,
            }
        });
        let answer =
            asked.await.with_context(|| format!("no answer within {LONGEST_REQUEST:?}"))?;
        if self.plan.manner == Manner::Patient {
            sleep(Duration::from_millis(stay)).await;
        }
        answer
    }

    async fn send(&mut self, query: &str) -> anyhow::Result<Response<Incoming>> {
        let request = Request::post(format!("/session?{query}"))
            .header(HOST, &self.authority)
            .header(HEADER, &self.plan.subject);
        self.sender.ready().await?;
        Ok(self.sender.send_request(request.body(Empty::new())?).await?)
    }

    /// Opens a session and waits in it until the server ends it, or leaves it
    /// by hanging up when the burst ends.
    async fn ask_quietly(
        &mut self,
        bursts: &mut watch::Receiver<Instant>,
    ) -> anyhow::Result<Answer> {
        let response = self.send("quiet").await?;
        if response.status() != StatusCode::OK {
            return judge(response).await;
        }
        tokio::select! {
            answer = judge(response) => return answer,
            () = end_of_burst(bursts) => {}
        }
        self.sender = connect(self.address).await?;
        Ok(Answer::Admitted)
    }

    async fn ask(&mut self, stay: u64) -> anyhow::Result<Answer> {
        let response = self.send(&stay.to_string()).await?;
        judge(response).await
    }
}

async fn connect(address: SocketAddr) -> anyhow::Result<SendRequest<Empty<Bytes>>> {
    let stream = TcpStream::connect(address).await.context("cannot connect to loopback")?;
    stream.set_nodelay(true)?;
    let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    // Ends by itself once `sender` is gone.
    tokio::spawn(connection);
    Ok(sender)
}

/// Completes when the burst is over that was announced last.
async fn end_of_burst(bursts: &mut watch::Receiver<Instant>) {
    loop {
        let end = *bursts.borrow_and_update();
        tokio::select! {
            () = sleep_until(end) => return,
            announced = bursts.changed() => if announced.is_err() { return },
        }
    }
}

/// What an answer says, once its body has come to its end.
async fn judge(response: Response<Incoming>) -> anyhow::Result<Answer> {
    let (head, body) = response.into_parts();
    let body = body.collect().await?.to_bytes();
    let cause = match head.status {
        StatusCode::OK => {
            ensure!(&body[..] == b"open\n", "a session that said {body:?}");
            return Ok(Answer::Admitted);
        }
        StatusCode::TOO_MANY_REQUESTS => Cause::SubjectAtLimit,
        StatusCode::SERVICE_UNAVAILABLE => Cause::AtCapacity,
        status => bail!("answered {status}"),
    };
    says_when_to_come_back(head.status, &head.headers)?;
    Ok(Answer::Refused(cause))
}

enum Answer {
    Admitted,
    Refused(Cause),
}

fn says_when_to_come_back(status: StatusCode, headers: &HeaderMap) -> anyhow::Result<()> {
    let status = status.as_u16();
    let value =
        headers.get(RETRY_AFTER).with_context(|| format!("{status} without Retry-After"))?;
    let seconds = value.to_str().ok().and_then(|text| text.parse::<u64>().ok());
    ensure!(seconds.is_some_and(|s| s >= 1), "{status} with Retry-After {value:?}");
    Ok(())
}
