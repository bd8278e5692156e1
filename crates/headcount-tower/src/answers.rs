//! Read after `forms.rs`. What a client is told that was refused.

use std::fmt;
use std::hash::{BuildHasher, Hash, RandomState};
use std::sync::Arc;

use bytes::Bytes;
use headcount::Cause;
use http::StatusCode;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use http::request::Parts;
use http::response::Response;

use crate::asker::{self, Asker};
use crate::forms;
use crate::refusal::{Refusal, whole_secs};
use crate::retry_after::{self, RetryAfter};

/// What a client is answered that was refused: problem details by default.
///
/// Every answer has the status of its [`Refusal`], or that of a rule, a
/// `Content-Type`, where coming back is of use a `Retry-After` as
/// [`RetryAfter`] says, and is not to be cached. The bodies name no count, no
/// limit and no subject. A client that asks in gRPC is answered in it, whatever
/// the form, unless a function makes the answers.
///
/// ```
/// use headcount::Cause;
/// use headcount_tower::Answers;
/// use http::StatusCode;
///
/// // A proxy that takes servers out for a 503 is told 429 instead.
/// let answers = Answers::json_rpc().status(Cause::AtCapacity, StatusCode::TOO_MANY_REQUESTS);
/// ```
#[derive(Clone)]
#[must_use]
pub struct Answers(Arc<Settings>);

#[derive(Clone)]
struct Settings {
    form: Form,
    statuses: Vec<(Cause, StatusCode)>,
    retry_after: RetryAfter,
    /// Of subjects, whose shares nobody can foretell.
    shares: RandomState,
}

type Answer = dyn Fn(&Refusal) -> Response<Bytes> + Send + Sync;
type AnswerTo = dyn Fn(&Refusal, &Parts) -> Response<Bytes> + Send + Sync;

#[derive(Clone)]
enum Form {
    ProblemJson,
    JsonRpc,
    Grpc,
    With(Arc<Answer>),
    WithHead(Arc<AnswerTo>),
}

/// The content type of answers to who asked with another.
const GRPC: &str = "application/grpc";

impl Answers {
    fn of(form: Form) -> Self {
        let (retry_after, shares) = (RetryAfter::default(), RandomState::new());
        Self(Arc::new(Settings { form, statuses: Vec::new(), retry_after, shares }))
    }

    /// `application/problem+json`, the problem details of RFC 9457.
    pub fn problem_json() -> Self {
        Self::of(Form::ProblemJson)
    }

    /// An error response of JSON-RPC, as clients of the Model Context Protocol
    /// show it. Its `id` is null: it is made before the request is read.
    ///
    /// ```
    /// # use headcount_tower::{Answers, Refusal};
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let gate: headcount::Gate<String> =
    /// #     headcount::Gate::builder().limit(headcount::Limit::at_most(1)).build()?;
    /// let only = gate.admit_anonymous(())?;
    /// let refusal = Refusal::from(gate.admit_anonymous(()).unwrap_err());
    /// let answer = Answers::json_rpc().answer(&refusal);
    /// assert_eq!(answer.status(), 503);
    /// assert_eq!(
    ///     answer.body(),
    ///     r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32000,"message":"Maximum concurrent sessions exceeded. Please try again later or contact administrator."}}"#
    /// );
    /// # drop(only);
    /// # Ok(())
    /// # }
    /// ```
    pub fn json_rpc() -> Self {
        Self::of(Form::JsonRpc)
    }

    /// A status of gRPC, for who cannot be known by the content type of the
    /// request: a 200 without a body, `grpc-status` 8 where HTTP says 429, 3
    /// where it says 400, else 14, and `grpc-retry-pushback-ms`.
    pub fn grpc() -> Self {
        Self::of(Form::Grpc)
    }

    /// What this function answers. `Retry-After`, `Content-Type` (plain text)
    /// and `Cache-Control` are added where it set none itself.
    pub fn with(answer: impl Fn(&Refusal) -> Response<Bytes> + Send + Sync + 'static) -> Self {
        Self::of(Form::With(Arc::new(answer)))
    }

    /// [`with`](Self::with) for who must see the request: its method, URI,
    /// version and headers, not its extensions. Costs a copy of those for each
    /// request that may open a session, or that has a maximum lifetime.
    pub fn with_head(
        answer: impl Fn(&Refusal, &Parts) -> Response<Bytes> + Send + Sync + 'static,
    ) -> Self {
        Self::of(Form::WithHead(Arc::new(answer)))
    }

    /// Answers this status where the gate refused for this cause, in every form;
    /// of gRPC's it decides the code.
    ///
    /// # Panics
    ///
    /// If the status is no error.
    pub fn status(mut self, cause: Cause, status: StatusCode) -> Self {
        let is_error = status.is_client_error() || status.is_server_error();
        assert!(is_error, "the status of a refusal is an error, and {status} is none");
        let statuses = &mut Arc::make_mut(&mut self.0).statuses;
        statuses.retain(|(of, _)| *of != cause);
        statuses.push((cause, status));
        self
    }

    /// How what the gate says of coming back is told.
    pub fn retry_after(mut self, told: RetryAfter) -> Self {
        Arc::make_mut(&mut self.0).retry_after = told;
        self
    }

    /// All that an answer to this request may depend on, for
    /// [`answer_to`](Self::answer_to).
    pub fn asker<K: Hash>(&self, parts: &Parts, subject: Option<&K>) -> Asker {
        Asker {
            grpc: asker::grpc(parts),
            share: subject.map(|subject| self.0.shares.hash_one(subject)),
            head: matches!(self.0.form, Form::WithHead(_)).then(|| asker::head_of(parts)),
        }
    }

    /// The answer to who was refused so, of whom nothing else is known.
    ///
    /// # Panics
    ///
    /// Whatever the function panics with that was given.
    pub fn answer(&self, refusal: &Refusal) -> Response<Bytes> {
        self.answer_to(refusal, &Asker::default())
    }

    /// The answer to who was refused so, and asked so.
    ///
    /// # Panics
    ///
    /// Whatever the function panics with that was given.
    pub fn answer_to(&self, refusal: &Refusal, asker: &Asker) -> Response<Bytes> {
        let rule = self.rule(refusal);
        let status = rule.unwrap_or_else(|| refusal.status());
        let share = asker.share.unwrap_or_else(retry_after::random);
        let after = self.0.retry_after.of(refusal, share);
        let grpc = asker.grpc.unwrap_or(GRPC);
        let mut response = match &self.0.form {
            Form::With(answer) => answer(refusal),
            Form::WithHead(answer) => match &asker.head {
                Some(head) => answer(refusal, head),
                None => answer(refusal, &http::Request::new(()).into_parts().0),
            },
            Form::Grpc => forms::grpc(refusal, status, after, grpc),
            _ if asker.grpc.is_some() => forms::grpc(refusal, status, after, grpc),
            Form::ProblemJson => forms::problem_json(refusal, status),
            Form::JsonRpc => forms::json_rpc(refusal, status),
        };
        let is_grpc = response.headers().contains_key(forms::GRPC_STATUS);
        if let (Some(status), false) = (rule, is_grpc) {
            *response.status_mut() = status;
        }
        let headers = response.headers_mut();
        if let (Some(after), false) = (after, is_grpc) {
            let secs = || HeaderValue::from(whole_secs(after));
            headers.entry(RETRY_AFTER).or_insert_with(secs);
        }
        let text = HeaderValue::from_static("text/plain; charset=utf-8");
        headers.entry(CONTENT_TYPE).or_insert(text);
        headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
        response
    }

    /// The answer in place of a response that would begin something uncounted.
    pub(crate) fn broken(&self, asker: &Asker) -> Response<Bytes> {
        let always = matches!(self.0.form, Form::Grpc).then_some(GRPC);
        forms::broken(asker.grpc.or(always))
    }

    fn rule(&self, refusal: &Refusal) -> Option<StatusCode> {
        let cause = refusal.cause()?;
        let mut statuses = self.0.statuses.iter();
        statuses.find(|(of, _)| *of == cause).map(|(_, status)| *status)
    }
}

impl Default for Answers {
    fn default() -> Self {
        Self::problem_json()
    }
}

impl fmt::Debug for Answers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0.form {
            Form::ProblemJson => "Answers::problem_json()",
            Form::JsonRpc => "Answers::json_rpc()",
            Form::Grpc => "Answers::grpc()",
            Form::With(_) => "Answers::with(..)",
            Form::WithHead(_) => "Answers::with_head(..)",
        })
    }
}
