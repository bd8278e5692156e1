//! Read after `layer.rs`. What a layer gives to handlers, as extractors of axum.

use axum::extract::FromRequestParts;
use axum::response::IntoResponse;
use headcount::Clock;
use http::StatusCode;
use http::request::Parts;

use crate::admission::Admission;
use crate::slot::Slot;

/// The handler asks for what no layer around it gives: the route has no
/// [`GateLayer`](crate::GateLayer), or one of another scope, or one that the
/// request does not concern. It is answered 500, since it would not be counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no layer of headcount-tower around this handler gives it {0}")]
pub struct NoGateLayer(&'static str);

impl IntoResponse for NoGateLayer {
    fn into_response(self) -> axum::response::Response {
        tracing::error!("answered 500: {self}");
        StatusCode::INTERNAL_SERVER_ERROR.into_response()
    }
}

/// A clone of the request's slot.
impl<S: Sync> FromRequestParts<S> for Slot {
    type Rejection = NoGateLayer;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, NoGateLayer> {
        parts.extensions.get().cloned().ok_or(NoGateLayer("a `Slot`"))
    }
}

/// The room for the session that the request opens.
impl<S, K, T, C> FromRequestParts<S> for Admission<K, T, C>
where
    S: Sync,
    K: Send + Sync + 'static,
    T: Send + Sync + 'static,
    C: Clock + 'static,
{
    type Rejection = NoGateLayer;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, NoGateLayer> {
        parts.extensions.get().cloned().ok_or(NoGateLayer("an `Admission`"))
    }
}

#[cfg(feature = "axum-ws")]
mod ws {
    use super::{FromRequestParts, IntoResponse, Parts, Slot};
    use axum::extract::ws::{WebSocket, WebSocketUpgrade};
    use axum::response::Response;

    /// axum's `WebSocketUpgrade`, whose socket keeps the request's [`Slot`] for as
    /// long as it is served.
    ///
    /// ```
    /// use axum::{Router, response::Response, routing::any};
    /// use headcount::Gate;
    /// use headcount_tower::{GateLayer, SlotUpgrade};
    ///
    /// async fn echo(upgrade: SlotUpgrade) -> Response {
    ///     upgrade.on_upgrade(async |mut socket| {
    ///         while let Some(Ok(message)) = socket.recv().await {
    ///             _ = socket.send(message).await;
    ///         }
    ///     })
    /// }
    ///
    /// fn app(gate: Gate<String>) -> Router {
    ///     Router::new().route("/echo", any(echo)).layer(GateLayer::requests(gate))
    /// }
    /// ```
    #[derive(Debug)]
    pub struct SlotUpgrade {
        slot: Slot,
        upgrade: WebSocketUpgrade,
    }

    impl SlotUpgrade {
        /// The upgrade with other settings, such as its protocols.
        #[must_use]
        pub fn map(self, f: impl FnOnce(WebSocketUpgrade) -> WebSocketUpgrade) -> Self {
            Self { upgrade: f(self.upgrade), ..self }
        }

        /// Upgrades the connection, and serves its socket so.
        pub fn on_upgrade<F>(self, serve: impl FnOnce(WebSocket) -> F + Send + 'static) -> Response
        where
            F: Future<Output = ()> + Send + 'static,
        {
            let Self { slot, upgrade } = self;
            upgrade.on_upgrade(async move |socket| {
                serve(socket).await;
                drop(slot);
            })
        }
    }

    impl<S: Send + Sync> FromRequestParts<S> for SlotUpgrade {
        type Rejection = Response;

        async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Response> {
            let slot = Slot::from_request_parts(parts, state).await;
            let slot = slot.map_err(IntoResponse::into_response)?;
            let upgrade = WebSocketUpgrade::from_request_parts(parts, state).await;
            Ok(Self { slot, upgrade: upgrade.map_err(IntoResponse::into_response)? })
        }
    }
}

#[cfg(feature = "axum-ws")]
pub use ws::SlotUpgrade;
