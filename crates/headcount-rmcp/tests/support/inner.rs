//! Inner managers that a test can stop at each step, or that hear nothing.

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use futures::Stream;
use rmcp::RoleServer;
use rmcp::model::{ClientJsonRpcMessage, ServerJsonRpcMessage};
use rmcp::service::{RxJsonRpcMessage, TxJsonRpcMessage};
use rmcp::transport::streamable_http_server::session::local::{
    LocalSessionManager, LocalSessionManagerError, LocalSessionWorker,
};
use rmcp::transport::streamable_http_server::session::{
    RestoreOutcome, ServerSseMessage, SessionId, SessionManager,
};
use rmcp::transport::{Transport, WorkerTransport};
use tokio::task::yield_now;

/// rmcp's own, with awaits around what it does, which it can do badly.
#[derive(Default)]
pub struct Slow {
    pub inner: LocalSessionManager,
    pub before: u32,
    pub after: u32,
    pub fails: bool,
    pub panics: bool,
    pub created: AtomicU32,
}

type Inner = <LocalSessionManager as SessionManager>::Error;

impl SessionManager for Slow {
    type Error = Inner;
    type Transport = WorkerTransport<LocalSessionWorker>;

    async fn create_session(&self) -> Result<(SessionId, Self::Transport), Inner> {
        for _ in 0..self.before {
            yield_now().await;
        }
        assert!(!self.panics, "an inner manager that panics");
        if self.fails {
            return Err(LocalSessionManagerError::SessionNotFound("none".into()));
        }
        let (id, transport) = self.inner.create_session().await?;
        self.created.fetch_add(1, Relaxed);
        let undo = Undo(&self.inner, id.clone());
        for _ in 0..self.after {
            yield_now().await;
        }
        std::mem::forget(undo);
        Ok((id, transport))
    }

    async fn initialize_session(
        &self,
        id: &SessionId,
        message: ClientJsonRpcMessage,
    ) -> Result<ServerJsonRpcMessage, Inner> {
        self.inner.initialize_session(id, message).await
    }

    async fn has_session(&self, id: &SessionId) -> Result<bool, Inner> {
        self.inner.has_session(id).await
    }

    async fn close_session(&self, id: &SessionId) -> Result<(), Inner> {
        self.inner.close_session(id).await
    }

    async fn create_stream(
        &self,
        id: &SessionId,
        message: ClientJsonRpcMessage,
    ) -> Result<impl Stream<Item = ServerSseMessage> + Send + Sync + 'static, Inner> {
        self.inner.create_stream(id, message).await
    }

    async fn accept_message(
        &self,
        id: &SessionId,
        message: ClientJsonRpcMessage,
    ) -> Result<(), Inner> {
        self.inner.accept_message(id, message).await
    }

    async fn create_standalone_stream(
        &self,
        id: &SessionId,
    ) -> Result<impl Stream<Item = ServerSseMessage> + Send + Sync + 'static, Inner> {
        self.inner.create_standalone_stream(id).await
    }

    async fn resume(
        &self,
        id: &SessionId,
        last_event_id: String,
    ) -> Result<impl Stream<Item = ServerSseMessage> + Send + Sync + 'static, Inner> {
        self.inner.resume(id, last_event_id).await
    }

    async fn restore_session(
        &self,
        id: SessionId,
    ) -> Result<RestoreOutcome<Self::Transport>, Inner> {
        for _ in 0..self.before {
            yield_now().await;
        }
        self.inner.restore_session(id).await
    }
}

/// A manager that is cancelled takes its own entry out again.
struct Undo<'a>(&'a LocalSessionManager, SessionId);

impl Drop for Undo<'_> {
    fn drop(&mut self) {
        if let Ok(mut sessions) = self.0.sessions.try_write() {
            sessions.remove(&self.1);
        }
    }
}

/// Of a session whose client has stopped to read: it hears nothing any more.
#[derive(Default)]
pub struct Deaf {
    pub inner: LocalSessionManager,
}

pub struct DeafTransport(
    #[allow(dead_code, reason = "it is kept")] WorkerTransport<LocalSessionWorker>,
);

impl Transport<RoleServer> for DeafTransport {
    type Error = std::io::Error;

    fn send(
        &mut self,
        _: TxJsonRpcMessage<RoleServer>,
    ) -> impl Future<Output = Result<(), Self::Error>> + Send + 'static {
        std::future::pending()
    }

    async fn receive(&mut self) -> Option<RxJsonRpcMessage<RoleServer>> {
        std::future::pending().await
    }

    async fn close(&mut self) -> Result<(), Self::Error> {
        std::future::pending().await
    }
}

impl SessionManager for Deaf {
    type Error = Inner;
    type Transport = DeafTransport;

    async fn create_session(&self) -> Result<(SessionId, DeafTransport), Inner> {
        let (id, transport) = self.inner.create_session().await?;
        Ok((id, DeafTransport(transport)))
    }

    async fn initialize_session(
        &self,
        _: &SessionId,
        _: ClientJsonRpcMessage,
    ) -> Result<ServerJsonRpcMessage, Inner> {
        std::future::pending().await
    }

    async fn has_session(&self, id: &SessionId) -> Result<bool, Inner> {
        self.inner.has_session(id).await
    }

    async fn close_session(&self, _: &SessionId) -> Result<(), Inner> {
        std::future::pending().await
    }

    async fn create_stream(
        &self,
        id: &SessionId,
        message: ClientJsonRpcMessage,
    ) -> Result<impl Stream<Item = ServerSseMessage> + Send + Sync + 'static, Inner> {
        self.inner.create_stream(id, message).await
    }

    async fn accept_message(&self, _: &SessionId, _: ClientJsonRpcMessage) -> Result<(), Inner> {
        std::future::pending().await
    }

    async fn create_standalone_stream(
        &self,
        id: &SessionId,
    ) -> Result<impl Stream<Item = ServerSseMessage> + Send + Sync + 'static, Inner> {
        self.inner.create_standalone_stream(id).await
    }

    async fn resume(
        &self,
        id: &SessionId,
        last_event_id: String,
    ) -> Result<impl Stream<Item = ServerSseMessage> + Send + Sync + 'static, Inner> {
        self.inner.resume(id, last_event_id).await
    }
}
