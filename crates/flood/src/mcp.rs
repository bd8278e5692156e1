//! The same MCP server for two versions of rmcp: one tool, which sleeps for as
//! many milliseconds as its argument `ms` says and then answers.

use std::time::Duration;

/// The server as a module, for the rmcp of this name; `$answer` is what its
/// handlers answer a call with.
macro_rules! mcp_server {
    ($module:ident, $rmcp:ident, $answer:ident) => {
        pub mod $module {
            use std::sync::Arc;

            use ::$rmcp::model::{self, CallToolRequestParams, ErrorData};
            use ::$rmcp::service::{NotificationContext, RequestContext};
            use ::$rmcp::transport::streamable_http_server::session::SessionManager;
            use ::$rmcp::transport::{StreamableHttpServerConfig, StreamableHttpService};
            use ::$rmcp::{RoleServer, ServerHandler};

            use crate::alive::{Alive, Life};

            /// One for each session.
            pub struct Handler(Life);

            impl ServerHandler for Handler {
                async fn on_initialized(&self, _context: NotificationContext<RoleServer>) {
                    self.0.begin();
                }

                async fn call_tool(
                    &self,
                    request: CallToolRequestParams,
                    _context: RequestContext<RoleServer>,
                ) -> Result<model::$answer, ErrorData> {
                    let millis = request.arguments.and_then(|given| given.get("ms")?.as_u64());
                    super::take(millis).await;
                    Ok(model::$answer::from(model::CallToolResult::success(Vec::new())))
                }
            }

            /// The server, and what ends its sessions.
            pub fn service<M: SessionManager>(
                manager: M,
                alive: &Alive,
            ) -> (StreamableHttpService<Handler, M>, impl FnOnce() + Send + 'static) {
                let config = StreamableHttpServerConfig::default();
                let sessions = config.cancellation_token.clone();
                let alive = alive.clone();
                let handler = move || Ok(Handler(alive.life()));
                let service = StreamableHttpService::new(handler, Arc::new(manager), config);
                (service, move || sessions.cancel())
            }
        }
    };
}

mcp_server!(v1, rmcp1, CallToolResult);
mcp_server!(v3, rmcp, CallToolResponse);

async fn take(millis: Option<u64>) {
    if let Some(millis) = millis.filter(|&millis| millis > 0) {
        tokio::time::sleep(Duration::from_millis(millis)).await;
    }
}
