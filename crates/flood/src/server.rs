//! An HTTP/1.1 server on loopback.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use anyhow::Context;
use axum::Router;
use axum::serve::ListenerExt;
use tokio::net::TcpListener;
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// How long connections may take to end once the server was asked to stop.
const LONGEST_DRAIN: Duration = Duration::from_secs(10);

/// A server that runs until it is stopped.
pub struct Server {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    serving: JoinHandle<std::io::Result<()>>,
}

impl Server {
    /// Listens on a free port of the loopback interface.
    pub async fn start(runtime: &Handle, router: Router) -> anyhow::Result<Self> {
        let bound = runtime.spawn(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))).await?;
        let listener = bound.context("cannot listen on loopback")?;
        let address = listener.local_addr()?;
        let listener = listener.tap_io(|stream| _ = stream.set_nodelay(true));
        let (stop, stopped) = oneshot::channel();
        let serving = runtime.spawn(async move {
            let stopped = async { _ = stopped.await };
            axum::serve(listener, router).with_graceful_shutdown(stopped).await
        });
        Ok(Self { address, stop, serving })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Stops listening and waits until every connection is gone.
    pub async fn stop(self) -> anyhow::Result<()> {
        _ = self.stop.send(());
        let abort = self.serving.abort_handle();
        match timeout(LONGEST_DRAIN, self.serving).await {
            Ok(served) => Ok(served??),
            Err(_elapsed) => {
                abort.abort();
                anyhow::bail!("connections are still open {LONGEST_DRAIN:?} after the flood")
            }
        }
    }
}
