//! The events of the adapter, of all tests. One subscriber for the whole program:
//! one for each test would make and drop them while others record.

use std::fmt::Debug;
use std::sync::{Mutex, Once};

use tracing::Subscriber;
use tracing::field::{Field, Visit};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};

static EVENTS: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// From now on.
pub fn record() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let subscriber = tracing_subscriber::registry().with(Recorder);
        tracing::subscriber::set_global_default(subscriber).expect("the first");
    });
}

/// The events with this message about this session.
pub fn of(message: &str, session: &str) -> Vec<String> {
    let events = EVENTS.lock().expect("nobody panics there");
    let meant = |event: &&String| event.starts_with(message) && event.contains(session);
    events.iter().filter(meant).cloned().collect()
}

struct Recorder;

impl<S: Subscriber> Layer<S> for Recorder {
    fn on_event(&self, event: &tracing::Event<'_>, _: Context<'_, S>) {
        let target = event.metadata().target();
        if target.starts_with("headcount_rmcp") || target == "mcp_session" {
            let mut text = Text::default();
            event.record(&mut text);
            EVENTS.lock().expect("nobody panics there").push(text.message + &text.fields);
        }
    }
}

#[derive(Default)]
struct Text {
    message: String,
    fields: String,
}

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        match field.name() {
            "message" => self.message = format!("{value:?}"),
            name => self.fields += &format!(" {name}={value:?}"),
        }
    }
}
