//! Read after `rules.rs`. A request on its way through rmcp: who asks, what it turns
//! out to be, and its place if it has no session. Knows nothing of sessions.
//!
//! *What may never happen in here*: two places for one request, or none for one that
//! is served by itself where there is a gate for it; a place that is kept by
//! anything but its request.
//!
//! | file | what it knows |
//! |---|---|
//! | `heads` | what a request's head says of it |
//! | `anonymous` | whether anybody has a name |
//! | `gates` | the gates of calls and streams |
//! | `request` | one request, from the layer to the response |

pub(crate) mod anonymous;
pub(crate) mod gates;
pub(crate) mod heads;
pub(crate) mod request;
