//! Read after `rules.rs`. What becomes of a response: it passes, or another is
//! answered in its place, where what it would begin is not counted.

use std::panic::Location;

use http::StatusCode;

use crate::admission::Outcome;
use crate::refusal::Refusal;
use crate::rules::{Answer, Pass, Passed, Rules};
use crate::slot::Share;

/// What becomes of a response.
pub(crate) enum Verdict {
    Passes,
    /// Its body keeps the slot until it ends.
    Keeps(Share),
    /// This instead; what the slot stands for goes before it.
    Replaced(Answer, Option<Share>),
}

impl<K: 'static, T, C> Rules<K, T, C> {
    /// Of a request that passed, and is answered with this status; `None` is an
    /// error of the inner service.
    pub(crate) fn judge(&self, passed: Passed<K, T, C>, status: Option<StatusCode>) -> Verdict {
        let Passed { pass, is_connect, asker } = passed;
        // The stream of a `CONNECT`, of HTTP/2 and 3 too, begins with a success.
        let upgrades = status.is_some_and(|status| {
            status == StatusCode::SWITCHING_PROTOCOLS || is_connect && status.is_success()
        });
        match pass {
            Pass::Untouched => Verdict::Passes,
            Pass::Request(_) if status.is_none() => Verdict::Passes,
            Pass::Request(share) if share.is_over() => {
                Verdict::Replaced(self.answer(&Refusal::Ended, &asker), Some(share))
            }
            Pass::Request(share) if upgrades && !share.is_taken() => {
                slot_was_lost(self.layer);
                Verdict::Replaced(self.answers.broken(&asker).into(), Some(share))
            }
            Pass::Request(share) => {
                share.is_answered();
                Verdict::Keeps(share)
            }
            Pass::Session(offer) => match offer.end() {
                Outcome::Refused(refusal) => Verdict::Replaced(self.answer(&refusal, &asker), None),
                Outcome::TakenApart(other) => {
                    room_was_taken_apart(self.layer, other);
                    Verdict::Replaced(self.answers.broken(&asker).into(), None)
                }
                Outcome::Left if upgrades => {
                    room_was_left(self.layer);
                    Verdict::Replaced(self.answers.broken(&asker).into(), None)
                }
                Outcome::Taken | Outcome::Left => Verdict::Passes,
            },
        }
    }
}

fn slot_was_lost(layer: &Location<'static>) {
    tracing::error!(
        %layer,
        "answered 500: the response upgrades its connection, and nobody has the slot of the \
         request, so the connection would go on uncounted; clone the `Slot` that is in the \
         request's extensions, and move the clone into what serves the connection (in axum, the \
         extractors `Slot` and `SlotUpgrade`)"
    );
}

fn room_was_left(layer: &Location<'static>) {
    tracing::error!(
        %layer,
        "answered 500: the response upgrades its connection, and nobody took the room for its \
         session, so the connection would go on uncounted; open the `Admission` that is in the \
         request's extensions, and move the session into what serves the connection"
    );
}

fn room_was_taken_apart(layer: &Location<'static>, other: &Location<'static>) {
    tracing::error!(
        %layer,
        %other,
        "answered 500: of two layers that count this session, one around the other, the room of \
         one was taken without the other's, whose limit would not hold; open the `Admission` of \
         the inner one, which is for the room of both"
    );
}
