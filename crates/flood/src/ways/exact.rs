//! `headcount`: the slot is reserved in one atomic step that also decides.

use std::sync::Arc;

use axum::response::Response;
use headcount::{AdmissionCounter, Limit, OwnedPermit};

use super::Way;

/// The exact counter. Whatever ends the caller, the permit gives back: a
/// client that hangs up during `setup` needs no code here.
pub struct Exact(Arc<AdmissionCounter>);

impl Way for Exact {
    const NAME: &'static str = "headcount (exact)";

    type Permit = OwnedPermit;

    fn with_limit(limit: u32) -> Self {
        Self(Arc::new(AdmissionCounter::new(Limit::at_most(limit))))
    }

    async fn open<S, R>(&self, setup: S, refuse: R) -> Result<OwnedPermit, Response>
    where
        S: Future<Output = ()> + Send,
        R: FnOnce() -> Response + Send,
    {
        let permit = self.0.try_acquire_owned().map_err(|_at_capacity| refuse())?;
        setup.await;
        Ok(permit)
    }

    fn in_use(&self) -> usize {
        self.0.in_use() as usize
    }
}
