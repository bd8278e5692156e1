//! Interleavings of evictions: a session that is in the way, a newcomer, and
//! whatever else happens to the session at that moment.

/// A gate that makes room, on a clock that a model sets between races.
mod bench;
/// Where the candidates of an eviction stand: they come, are moved and leave.
mod candidates;
/// Who goes meanwhile: owners, the last activity, the last handle of the gate.
mod ends;
/// The victim of an eviction, against everything else that may happen to it.
mod victim;
