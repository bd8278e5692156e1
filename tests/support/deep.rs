//! How long to test: `HEADCOUNT_DEEP=1` is for the deep run of continuous
//! integration, which has the time.

/// `usual`, or `deep` where the environment asks for it.
pub fn usual_or_deep<T>(usual: T, deep: T) -> T {
    match std::env::var_os("HEADCOUNT_DEEP") {
        Some(value) if value == "1" => deep,
        _ => usual,
    }
}
