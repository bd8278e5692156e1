//! A client: a real HTTP/1.1 connection over a loopback socket, that storms
//! the server and checks every answer.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use axum::body::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{HOST, HeaderMap, HeaderValue, RETRY_AFTER};
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{Instant, timeout};

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

/// What a client is to do.
pub struct Plan {
    /// Who it says that it is.
    pub subject: HeaderValue,
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
    authority: String,
    plan: Plan,
}

impl Client {
    /// Connects to the server.
    pub async fn connect(address: SocketAddr, plan: Plan) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(address).await.context("cannot connect to loopback")?;
        stream.set_nodelay(true)?;
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        // Ends by itself once `sender` is gone.
        tokio::spawn(connection);
        Ok(Self { sender, authority: address.to_string(), plan })
    }

    /// Storms the server until the end of each burst, from the moment that it
    /// is announced. A refused client comes straight back, as the impatient
    /// do. Returns when no burst can follow, the budget is spent or an answer
    /// was wrong.
    pub async fn run(mut self, mut bursts: watch::Receiver<Instant>) -> Tally {
        let mut tally = Tally::default();
        while bursts.changed().await.is_ok() {
            bursts.mark_unchanged();
            while Instant::now() < *bursts.borrow() {
                if !self.draw_from_budget() {
                    return tally;
                }
                match self.visit().await {
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

    async fn visit(&mut self) -> anyhow::Result<Answer> {
        let stay = self.plan.rng.u64(1..=self.plan.longest_stay);
        match timeout(LONGEST_REQUEST, self.ask(stay)).await {
            Ok(answer) => answer,
            Err(_elapsed) => bail!("no answer within {LONGEST_REQUEST:?}"),
        }
    }

    async fn ask(&mut self, stay: u64) -> anyhow::Result<Answer> {
        let request = Request::post(format!("/session?{stay}"))
            .header(HOST, &self.authority)
            .header(HEADER, &self.plan.subject);
        self.sender.ready().await?;
        let response = self.sender.send_request(request.body(Empty::new())?).await?;
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
