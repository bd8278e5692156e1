//! What the layer adds to the latency of a request, over loopback HTTP:
//! `cargo bench -p headcount-tower --bench latency`.
//!
//! Three servers in one process: one alone, the same once more, to show how far
//! two figures of one thing lie apart here, and one behind a layer of the scope
//! *request*, with a subject. Each round measures each once, in a rotating
//! order; a ratio is that of two medians of one round, and the table shows the
//! median of the rounds and their middle half.

use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::thread;
use std::time::{Duration, Instant};

use bytes::Bytes;
use headcount::{Gate, Limit};
use headcount_tower::{GateLayer, Subjects};
use http::{HeaderName, HeaderValue, Request, Response};
use http_body::Body;
use http_body_util::{BodyExt, Empty, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::SendRequest;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use lexopt::prelude::*;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinSet;
use tower::{Layer, Service, service_fn};

const X_CLIENT: HeaderName = HeaderName::from_static("x-client");
const CONNECTIONS: [usize; 2] = [1, 64];
const SERVERS: [&str; 3] = ["alone", "alone, once more", "behind the layer"];
/// The most that the layer may add: 2 %.
const GOAL: f64 = 1.02;
/// Requests that warm each connection up.
const WARM_UP: usize = 100;

const USAGE: &str = "\
usage: cargo bench -p headcount-tower --bench latency -- [OPTION]...

  --rounds N     rounds to take the median of, 1 to 1000 (default 21)
  --window-ms N  time per measurement, 1 to 10000 (default 200)";

struct Options {
    rounds: u64,
    window: Duration,
}

/// `None` where the usage was asked for.
fn options() -> Result<Option<Options>, lexopt::Error> {
    let mut options = Options { rounds: 21, window: Duration::from_millis(200) };
    let within = |name: &str, value: u64, most: u64| match value {
        value if (1..=most).contains(&value) => Ok(value),
        _ => Err(format!("--{name} must be from 1 to {most}")),
    };
    let mut parser = lexopt::Parser::from_env();
    while let Some(argument) = parser.next()? {
        match argument {
            // Cargo adds this to every bench target's arguments.
            Long("bench") => {}
            Long("help") => return Ok(None),
            Long("rounds") => options.rounds = within("rounds", parser.value()?.parse()?, 1000)?,
            Long("window-ms") => {
                let millis = within("window-ms", parser.value()?.parse()?, 10_000)?;
                options.window = Duration::from_millis(millis);
            }
            _ => return Err(argument.unexpected()),
        }
    }
    Ok(Some(options))
}

/// Serves on a thread of its own until the process ends.
fn serve<S, B>(service: S) -> SocketAddr
where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible>,
    S: Clone + Send + 'static,
    S::Future: Send,
    B: Body<Data = Bytes, Error = Infallible> + Send + 'static,
{
    let runtime = current_thread();
    let listener = runtime.block_on(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))).unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        runtime.block_on(async {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                stream.set_nodelay(true).unwrap();
                let service = TowerToHyperService::new(service.clone());
                let connection = hyper::server::conn::http1::Builder::new();
                tokio::spawn(connection.serve_connection(TokioIo::new(stream), service));
            }
        })
    });
    address
}

fn current_thread() -> Runtime {
    Builder::new_current_thread().enable_io().build().unwrap()
}

async fn handler(_: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    Ok(Response::new(Full::from("hello")))
}

/// A connection, whose client says who it is.
struct Client {
    sender: SendRequest<Empty<Bytes>>,
    name: HeaderValue,
}

impl Client {
    async fn connect(address: SocketAddr, number: usize) -> Self {
        let stream = TcpStream::connect(address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        let io = TokioIo::new(stream);
        let (sender, connection) = hyper::client::conn::http1::handshake(io).await.unwrap();
        tokio::spawn(connection);
        let name = HeaderValue::try_from(format!("client-{number}")).unwrap();
        let mut client = Self { sender, name };
        for _ in 0..WARM_UP {
            client.ask().await;
        }
        client
    }

    async fn ask(&mut self) {
        let request = Request::get("/").header("host", "loopback").header(X_CLIENT, &self.name);
        let request = request.body(Empty::new()).unwrap();
        self.sender.ready().await.unwrap();
        let response = self.sender.send_request(request).await.unwrap();
        assert_eq!(response.status(), 200, "nobody is refused here");
        response.into_body().collect().await.unwrap();
    }
}

/// The median latency in microseconds of what these clients ask meanwhile, one
/// request after another each.
async fn measure(clients: &mut Vec<Client>, window: Duration) -> f64 {
    let until = Instant::now() + window;
    let mut asking = JoinSet::new();
    for mut client in clients.drain(..) {
        asking.spawn(async move {
            let mut took = Vec::new();
            while took.is_empty() || Instant::now() < until {
                let started = Instant::now();
                client.ask().await;
                took.push(started.elapsed().as_secs_f64() * 1e6);
            }
            (client, took)
        });
    }
    let mut all = Vec::new();
    for (client, took) in asking.join_all().await {
        clients.push(client);
        all.extend(took);
    }
    quartiles(all)[1]
}

fn quartiles(mut values: Vec<f64>) -> [f64; 3] {
    values.sort_by(f64::total_cmp);
    [1, 2, 3].map(|quarter| values[(values.len() - 1) * quarter / 4])
}

async fn compare(addresses: [SocketAddr; 3], connections: usize, options: &Options) {
    let mut clients: [Vec<Client>; 3] = [const { Vec::new() }; 3];
    for (clients, address) in clients.iter_mut().zip(addresses) {
        for number in 0..connections {
            clients.push(Client::connect(address, number).await);
        }
    }
    let mut medians: [Vec<f64>; 3] = [const { Vec::new() }; 3];
    for round in 0..options.rounds as usize {
        for turn in 0..SERVERS.len() {
            let server = (turn + round) % SERVERS.len();
            medians[server].push(measure(&mut clients[server], options.window).await);
        }
    }
    for (server, name) in SERVERS.iter().enumerate() {
        let micros = quartiles(medians[server].clone())[1];
        let ratios = medians[server].iter().zip(&medians[0]).map(|(this, alone)| this / alone);
        let [low, median, high] = quartiles(ratios.collect());
        let verdict = match server {
            2 if median <= GOAL => format!("goal <= {GOAL}: met"),
            2 => format!("goal <= {GOAL}: NOT met"),
            _ => String::new(),
        };
        println!(
            "{connections:>11}  {name:<16}  {micros:>9.1}  {median:.3}  {low:.3} - {high:.3}  {verdict}"
        );
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let Some(options) = options()? else {
        println!("{USAGE}");
        return Ok(());
    };
    let gate: Gate<String> =
        Gate::builder().limit(Limit::at_most(1_000)).subject_limit(Limit::at_most(10)).build()?;
    let layer = GateLayer::requests(gate.clone()).subjects(Subjects::header(X_CLIENT));
    let plain = service_fn(handler);
    let addresses = [serve(plain), serve(plain), serve(layer.layer(plain))];

    println!("connections  server            median us  ratio  middle half");
    for connections in CONNECTIONS {
        current_thread().block_on(compare(addresses, connections, &options));
    }
    assert!(gate.stats().admitted > 0, "the layer was asked");
    Ok(())
}
