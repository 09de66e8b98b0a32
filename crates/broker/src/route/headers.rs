//! Exchanges of kind headers: a message goes by the bindings whose arguments fit its headers.

use std::collections::BTreeMap;

use bytes::Bytes;
use model::binding::{HeaderMatch, fits};
use model::header::{Headers as Arguments, header};

use super::Target;
use super::exchange::Rule;
use super::subject::Subject;

/// What one binding asks for.
#[derive(Clone, Debug, PartialEq)]
struct Wanted {
    how: HeaderMatch,
    arguments: Arguments,
}

/// Each binding with what it asks for.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Headers(BTreeMap<(Target, model::binding::RoutingKey, Bytes), Wanted>);

impl Headers {
    pub(super) fn add(&mut self, rule: &Rule, how: HeaderMatch, target: &Target) {
        let wanted = Wanted { how, arguments: rule.arguments().clone() };
        self.0.insert((target.clone(), rule.key().clone(), rule.encoded().clone()), wanted);
    }

    pub(super) fn remove(&mut self, rule: &Rule, target: &Target) {
        self.0.remove(&(target.clone(), rule.key().clone(), rule.encoded().clone()));
    }

    pub(super) fn matching(&self, subject: &Subject<'_>, found: &mut dyn FnMut(&Target)) {
        if self.0.is_empty() {
            return;
        }
        let headers = subject.headers();
        for ((target, _, _), wanted) in &self.0 {
            if wanted.fits(headers) {
                found(target);
            }
        }
    }
}

impl Wanted {
    fn fits(&self, headers: &Arguments) -> bool {
        let mut compared = self.arguments.iter().filter(|(name, _)| self.how.compares(name));
        let one = |(name, wanted): &(String, _)| header(headers, name).is_some_and(|value| fits(wanted, value));
        match self.how {
            HeaderMatch::All | HeaderMatch::AllWithX => compared.all(one),
            HeaderMatch::Any | HeaderMatch::AnyWithX => compared.any(one),
        }
    }
}
