//! Read first. What is in flight in a session, by the id of its request.
//!
//! Mostly that is one or two, which are found sooner by a look at each than by a
//! keyed hash. Of many, whose ids the client chooses, no look passes more than
//! `FEW`.

use std::collections::HashMap;

use rmcp::model::RequestId;

/// How many are looked at one after the other.
const FEW: usize = 8;

pub(crate) struct InFlight<R> {
    /// Never more than `FEW`.
    few: Vec<(RequestId, R)>,
    /// None of these is among the few.
    many: HashMap<RequestId, R>,
}

impl<R> InFlight<R> {
    pub(crate) fn find(&mut self, id: &RequestId) -> Option<&mut R> {
        match self.few.iter().position(|(other, _)| other == id) {
            Some(place) => Some(&mut self.few[place].1),
            None if self.many.is_empty() => None,
            None => self.many.get_mut(id),
        }
    }

    /// Of an id that is not there.
    pub(crate) fn insert(&mut self, id: RequestId, request: R) {
        if self.few.len() < FEW {
            self.few.push((id, request));
        } else {
            self.many.insert(id, request);
        }
    }

    pub(crate) fn remove(&mut self, id: &RequestId) -> Option<R> {
        match self.few.iter().position(|(other, _)| other == id) {
            Some(place) => Some(self.few.swap_remove(place).1),
            None if self.many.is_empty() => None,
            None => self.many.remove(id),
        }
    }

    pub(crate) fn all(&self, mut is: impl FnMut(&R) -> bool) -> bool {
        self.few.iter().all(|(_, request)| is(request)) && self.many.values().all(is)
    }
}

impl<R> Default for InFlight<R> {
    fn default() -> Self {
        Self { few: Vec::new(), many: HashMap::new() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_of_few_and_of_many_is_found_and_removed_once() {
        let ids = |from: i64| (from..from + 3 * FEW as i64).map(RequestId::Number);
        let mut in_flight = InFlight::default();
        for (number, id) in ids(0).enumerate() {
            assert!(in_flight.find(&id).is_none());
            in_flight.insert(id, number);
        }
        assert!(in_flight.all(|number| *number < 3 * FEW));
        assert!(!in_flight.all(|number| *number < 3 * FEW - 1));
        for (number, id) in ids(0).enumerate() {
            assert_eq!(in_flight.find(&id), Some(&mut { number }));
            assert_eq!(in_flight.remove(&id), Some(number));
            assert!(in_flight.find(&id).is_none());
            assert!(in_flight.remove(&id).is_none());
            // What comes meanwhile takes a place among the few.
            let later = RequestId::String(number.to_string().into());
            in_flight.insert(later.clone(), number);
            assert_eq!(in_flight.remove(&later), Some(number));
        }
        assert!(in_flight.few.is_empty() && in_flight.many.is_empty());
    }
}
