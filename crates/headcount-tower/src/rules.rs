//! Read after `admission.rs` and `body.rs`. All that a layer was told, and its
//! one decision.

use std::fmt;
use std::hash::Hash;
use std::panic::Location;
use std::sync::Arc;

use bytes::Bytes;
use headcount::{Cause, Clock, Gate};
use http::request::Parts;
use http::{Method, Response};

use crate::admission::{Offer, PendingAdmission};
use crate::anonymity::{Anonymity, IdleSetting};
use crate::answers::Answers;
use crate::asker::Asker;
use crate::first_time::FirstTime;
use crate::lifetimes::Lifetimes;
use crate::refusal::Refusal;
use crate::slot::{InFlight, Share, Shared, Slot};
use crate::subjects::Subjects;

/// All that a layer was told.
pub(crate) struct Rules<K: 'static, T, C> {
    pub(crate) gate: Gate<K, T, C>,
    pub(crate) scope: Scope,
    pub(crate) subjects: Subjects<K>,
    pub(crate) tag: Tag<T>,
    pub(crate) answers: Answers,
    /// Where it was made, by which the log names it.
    pub(crate) layer: &'static Location<'static>,
    pub(crate) lifetimes: Arc<Lifetimes<Shared>>,
    pub(crate) anonymity: Arc<Anonymity>,
    pub(crate) too_long: Arc<FirstTime>,
}

/// What a client is told that was refused.
pub(crate) type Answer = Box<Response<Bytes>>;
pub(crate) type Tag<T> = Arc<dyn Fn(&Parts) -> T + Send + Sync>;
pub(crate) type Concerns = Arc<dyn Fn(&Parts) -> bool + Send + Sync>;

#[derive(Clone)]
pub(crate) enum Scope {
    Requests(Concerns),
    Sessions(Concerns),
    Deferred(Concerns),
}

/// What the layer holds for a request that it lets pass, until the response is
/// made.
pub(crate) enum Pass<K: 'static, T, C> {
    Untouched,
    /// To be kept until the body of the response ends.
    Request(Share),
    Session(Offer<K, T, C>),
}

/// A request that passes, as far as its response depends on it.
pub(crate) struct Passed<K: 'static, T, C> {
    pub(crate) pass: Pass<K, T, C>,
    pub(crate) is_connect: bool,
    pub(crate) asker: Asker,
}

impl<K, T, C> Rules<K, T, C>
where
    K: Hash + Eq + Clone + Send + Sync + 'static,
    T: Send + Sync + 'static,
    C: Clock + 'static,
{
    /// The one decision; the answer to who is refused.
    pub(crate) fn decide(&self, parts: &mut Parts) -> Result<Passed<K, T, C>, Answer> {
        let is_connect = parts.method == Method::CONNECT;
        let concerns = match &self.scope {
            Scope::Requests(concerns) | Scope::Sessions(concerns) | Scope::Deferred(concerns) => {
                concerns
            }
        };
        if !concerns(parts) {
            return Ok(Passed { pass: Pass::Untouched, is_connect, asker: Asker::default() });
        }
        let subject = match self.subjects.of(parts) {
            Ok(subject) => subject,
            Err(bad) => {
                let asker = self.answers.asker(parts, None::<&K>);
                return Err(self.answer(&bad.into(), &asker));
            }
        };
        self.anonymity.saw(subject.as_ref(), self.layer, || self.idle());
        if let Scope::Requests(_) = self.scope {
            return match self.admit(subject.as_ref(), parts) {
                Ok((share, asker)) => Ok(Passed { pass: Pass::Request(share), is_connect, asker }),
                Err(refusal) => {
                    let asker = self.answers.asker(parts, subject.as_ref());
                    Err(self.answer(&refusal, &asker))
                }
            };
        }
        let asker = self.answers.asker(parts, subject.as_ref());
        let question =
            PendingAdmission { gate: self.gate.clone(), subject, tag: (self.tag)(parts) };
        let offer = match self.scope {
            Scope::Sessions(_) => match question.decide() {
                Ok(room) => Offer::reserved(room, self.layer, &mut parts.extensions),
                Err(refusal) => return Err(self.answer(&refusal, &asker)),
            },
            _ => Offer::undecided(question, self.layer, &mut parts.extensions),
        };
        Ok(Passed { pass: Pass::Session(offer), is_connect, asker })
    }

    fn admit(&self, subject: Option<&K>, parts: &mut Parts) -> Result<(Share, Asker), Refusal> {
        let held = InFlight::of(self.gate.admit_active(subject, (self.tag)(parts))?);
        if self.gate.max_lifetime().is_none() {
            let share = Slot::offer(held, None, &mut parts.extensions);
            return Ok((share, Asker::default()));
        }
        // Its response may come too late, and is answered then.
        let asker = self.answers.asker(parts, subject);
        let registration = self.lifetimes.register(self.layer);
        Ok((Slot::offer(held, Some(registration), &mut parts.extensions), asker))
    }

    /// What never applies if all requests are anonymous.
    fn idle(&self) -> Option<IdleSetting> {
        match self.gate.has_subject_limit() {
            _ if !self.subjects.is_anonymous() => Some(IdleSetting::Subjects),
            has_limit => has_limit.then_some(IdleSetting::SubjectLimit),
        }
    }
}

impl<K: 'static, T, C> Rules<K, T, C> {
    /// The answer to who was refused; the operator is told what a client cannot
    /// mend.
    pub(crate) fn answer(&self, refusal: &Refusal, asker: &Asker) -> Answer {
        if refusal.cause() == Some(Cause::SubjectTooLong) {
            self.too_long.warn_or_debug(format_args!(
                "a request is answered 400, since the subject that {:?} finds in it is longer than \
                 the gate's `max_subject_len`",
                self.subjects
            ));
        }
        self.answers.answer_to(refusal, asker).into()
    }
}

impl<K, T, C> Clone for Rules<K, T, C> {
    fn clone(&self) -> Self {
        Self {
            gate: self.gate.clone(),
            scope: self.scope.clone(),
            subjects: self.subjects.clone(),
            tag: Arc::clone(&self.tag),
            answers: self.answers.clone(),
            layer: self.layer,
            lifetimes: Arc::clone(&self.lifetimes),
            anonymity: Arc::clone(&self.anonymity),
            too_long: Arc::clone(&self.too_long),
        }
    }
}

impl<K, T, C> fmt::Debug for Rules<K, T, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scope = match self.scope {
            Scope::Requests(_) => "requests",
            Scope::Sessions(_) => "sessions",
            Scope::Deferred(_) => "deferred",
        };
        f.debug_struct("Rules")
            .field("scope", &scope)
            .field("gate", &self.gate)
            .field("subjects", &self.subjects)
            .field("answers", &self.answers)
            .finish_non_exhaustive()
    }
}
