//! Read after `live.rs`. A request between rmcp and its session.

use headcount::Clock;
use rmcp::model::{ClientJsonRpcMessage, ClientRequest, JsonRpcMessage, RequestId};

use crate::sessions::live::LiveSession;

/// A request of a client that has the handshake behind it.
pub(crate) fn asks_for_work(message: &ClientJsonRpcMessage) -> bool {
    match message {
        JsonRpcMessage::Request(request) => !matches!(
            request.request,
            ClientRequest::InitializeRequest(_) | ClientRequest::PingRequest(_)
        ),
        _ => false,
    }
}

/// A request on its way to the session: in flight from here on, unless it does
/// not get there.
pub(crate) struct Handover<'a, C: Clock> {
    live: &'a LiveSession<C>,
    id: Option<RequestId>,
}

impl<'a, C: Clock> Handover<'a, C> {
    pub(crate) fn of(live: &'a LiveSession<C>, message: &ClientJsonRpcMessage) -> Self {
        let id = match message {
            JsonRpcMessage::Request(request) => Some(request.id.clone()),
            _ => None,
        };
        Self { live, id: id.filter(|id| live.handover(id)) }
    }

    pub(crate) fn done(mut self) {
        self.id = None;
    }
}

impl<C: Clock> Drop for Handover<'_, C> {
    fn drop(&mut self) {
        if let Some(id) = &self.id {
            self.live.not_handed_over(id);
        }
    }
}
