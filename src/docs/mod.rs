//! Pages about the crate as a whole, for readers of this documentation only:
//! no code lives here.
