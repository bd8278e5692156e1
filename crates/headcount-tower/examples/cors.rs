//! A server for pages of other origins, in the right order: CORS outside of the
//! gate. So a preflight takes no slot, and a page may read why it was refused.
//!
//! `cargo run -p headcount-tower --example cors`, then open the address that it
//! prints in a browser; what the page was answered is printed too. `.ci/deep
//! browser` does that.

use std::net::Ipv4Addr;

use axum::response::Html;
use axum::{Router, routing};
use headcount::{Gate, Limit};
use headcount_tower::GateLayer;
use http::header::{CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderName, Method};
use tokio::net::TcpListener;
use tower_http_07::cors::{Any, CorsLayer};

/// Asks for what takes a slot for long, then for another, and tells its own server
/// what it was answered.
const PAGE: &str = r#"<!doctype html><title>refused</title><p id=seen></p><script>
const ask = () => fetch("ADDRESS", {method: "POST", headers: {"x-client": "page"}});
(async () => {
  const held = await ask();
  const refused = await ask();
  const after = refused.headers.get("retry-after");
  return `${held.status} then ${refused.status}, retry after ${after}: ${(await refused.json()).detail}`;
})().catch(error => `failed: ${error}`).then(seen => {
  document.getElementById("seen").textContent = seen;
  fetch("/seen", {method: "POST", body: seen});
});
</script>"#;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let gate: Gate<String> = Gate::builder().limit(Limit::at_most(1)).build()?;
    let cors = CorsLayer::new()
        .allow_origin(Any)
        .allow_methods([Method::POST])
        .allow_headers([HeaderName::from_static("x-client"), CONTENT_TYPE])
        // What is not exposed, a page does not see.
        .expose_headers([RETRY_AFTER]);

    // The last layer is the outermost.
    let endpoint = Router::new()
        .route("/", routing::post(async || axum::body::Body::new(Held)))
        .layer(GateLayer::requests(gate))
        .layer(cors);
    let endpoint_at = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let address = format!("http://{}/", endpoint_at.local_addr()?);

    // Another port is another origin.
    let page = PAGE.replace("ADDRESS", &address);
    let pages = Router::new()
        .route("/", routing::get(async || Html(page)))
        .route("/seen", routing::post(async |seen: String| println!("{seen}")));
    let pages_at = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    println!("http://{}/", pages_at.local_addr()?);

    tokio::select! {
        served = axum::serve(endpoint_at, endpoint) => served?,
        served = axum::serve(pages_at, pages) => served?,
    }
    Ok(())
}

/// A body that does not end, and keeps its slot.
struct Held;

impl http_body::Body for Held {
    type Data = bytes::Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<http_body::Frame<bytes::Bytes>, Self::Error>>> {
        std::task::Poll::Pending
    }
}
