//! A thousand clients at once, of both protocols, on one server: rmcp's own, a
//! hundred places for each kind.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use crate::support::{LONG, Server, Sessions, Time, at_most, eventually, x_client};
use futures::future::join_all;
use headcount::{Gate, Limit};
use headcount_rmcp::{CallGate, McpGuard};
use http::{HeaderName, HeaderValue};
use rmcp::ServiceExt;
use rmcp::model::{CallToolRequestParams, ProtocolVersion};
use rmcp::service::{ClientLifecycleMode, ClientServiceExt, RunningService};
use rmcp::transport::StreamableHttpClientTransport;
use rmcp::transport::streamable_http_client::StreamableHttpClientTransportConfig;
use rmcp::transport::streamable_http_server::StreamableHttpServerConfig;
use rmcp::{RoleClient, service::ServiceError};

const CAP: u32 = 100;
const CLIENTS: usize = 1000;

type Client = RunningService<RoleClient, ()>;
type Transport = StreamableHttpClientTransport<reqwest::Client>;

/// How a client's only call ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum End {
    Served,
    /// Told that there is no room, when it connected or when it called.
    Refused,
}

fn transport(url: &str, http: &reqwest::Client, who: usize) -> Transport {
    let subject = HeaderValue::from_str(&format!("client-{who}")).expect("it is text");
    let header = (HeaderName::from_static("x-client"), subject);
    let config =
        StreamableHttpClientTransportConfig::with_uri(url).custom_headers(HashMap::from([header]));
    StreamableHttpClientTransport::with_client(http.clone(), config)
}

async fn call(client: Client) -> End {
    let answer = client.call_tool(CallToolRequestParams::new("wait")).await;
    let end = match answer {
        Ok(answer) => {
            assert_eq!(answer.is_error, Some(false));
            End::Served
        }
        Err(ServiceError::McpError(error)) => {
            assert!(error.message.contains("try again later"), "{error}");
            End::Refused
        }
        Err(error) => panic!("not what a user can read: {error}"),
    };
    client.cancel().await.expect("it leaves");
    end
}

/// Connects by the handshake, or without a session, and calls once.
async fn visits(url: String, http: reqwest::Client, who: usize) -> End {
    let transport = transport(&url, &http, who);
    let connected = if who.is_multiple_of(2) {
        ().serve(transport).await
    } else {
        let preferred_versions = vec![ProtocolVersion::V_2026_07_28];
        ().serve_with_lifecycle(transport, ClientLifecycleMode::Discover { preferred_versions })
            .await
    };
    match connected {
        Ok(client) => call(client).await,
        Err(error) => {
            let text = format!("{error} {error:?}");
            assert!(text.contains("try again later"), "not what a user can read: {text}");
            End::Refused
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_a_thousand_clients_of_both_protocols_never_more_are_served_than_there_is_room_for() {
    let (_, gate) = at_most(CAP);
    let calls = Gate::<String>::builder().limit(Limit::at_most(CAP)).clock(Time::default());
    let calls: CallGate<Time> = calls.build().expect("it is right");
    let (sessions, counts) = (Arc::new(Sessions::local(gate)), calls.clone());
    let config = StreamableHttpServerConfig::default();
    let server = Server::mount(sessions, config, |sessions, handler, config| {
        let guard = McpGuard::new(sessions).subjects(x_client()).calls(counts);
        axum::Router::new().nest_service("/mcp", guard.service(handler, config))
    })
    .await;
    let at_once = Arc::new(AtomicU32::new(0));
    let watches = {
        let (sessions, calls, at_once) = (server.sessions.clone(), calls.clone(), at_once.clone());
        tokio::spawn(async move {
            loop {
                at_once.fetch_max(sessions.gate().in_use().max(calls.in_use()), Relaxed);
                tokio::task::yield_now().await;
            }
        })
    };
    let http = reqwest::Client::builder().no_proxy().build().expect("a client");
    let refused = Arc::new(AtomicUsize::new(0));
    let visits = (0..CLIENTS).map(|who| {
        let (visits, refused) = (visits(server.url(), http.clone(), who), refused.clone());
        tokio::spawn(async move {
            let end = visits.await;
            refused.fetch_add((end == End::Refused).into(), Relaxed);
            (who, end)
        })
    });
    let visits: Vec<_> = visits.collect();
    // Each is being served, or was refused; then those may end.
    let begun = || server.calls.begun.available_permits();
    let decided = async {
        while begun() + refused.load(Relaxed) < CLIENTS {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(3 * LONG, decided).await.expect("all are decided on");
    assert!(
        server.in_use() == CAP && calls.in_use() <= CAP,
        "{} {}",
        server.in_use(),
        calls.in_use()
    );
    server.calls.may_end.add_permits(begun());
    let ends = join_all(visits).await;
    watches.abort();
    let served = |old: bool| {
        let is_meant =
            |(who, end): &(usize, End)| who.is_multiple_of(2) == old && *end == End::Served;
        ends.iter().flatten().filter(|end| is_meant(end)).count()
    };
    assert_eq!(ends.iter().flatten().count(), CLIENTS, "none panics");
    // A session is held from the handshake on; a client without one asks twice.
    assert_eq!(served(true), CAP as usize);
    assert!((1..=CAP as usize).contains(&served(false)), "{}", served(false));
    assert_eq!(at_once.load(Relaxed), CAP);
    eventually("nothing is left", || server.in_use() == 0 && calls.in_use() == 0).await;
    assert_eq!((calls.stats().draining, calls.subjects(), calls.candidates()), (0, 0, 0));
    server.shut_down().await;
}
