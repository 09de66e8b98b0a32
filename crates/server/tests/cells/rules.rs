//! The rules of access, said a second time and on their own: who may do what, and what everybody else is told.
//! Invariant: nothing here asks the product; where the two differ, one of them is wrong.
//! Read by `matrix`, which compares each answer of the broker with `expected`.

use super::people::{Person, Rule, Standing};
use super::things::{Column, Subject, Thing};

/// What each role may do, everywhere.
const ROLES: &str = "
admin      create describe alter delete publish consume peek purge seek administer monitor audit
operator   create describe alter delete purge seek monitor
developer  create describe
publisher  describe publish
consumer   describe consume peek
monitor    monitor
auditor    audit
";

/// What an owner may do with what it owns; an owner may also give it away, as if it administered it.
const OWNER: &str = "describe alter delete publish consume peek purge seek";

/// Over what, which right, and the answer: for a thing that is there, and for one that is missing.
///
/// `anyone` is logged in. `self` is the user itself, or who administers the broker. An answer is `done` or the
/// code that comes after the right was found: the things of this test never are empty.
const OPERATIONS: &str = "
CreateQueue           queue         describe    done                 create      done
DescribeQueue         queue         describe    done                 describe    queue_not_found
AlterQueue            queue         alter       done                 alter       queue_not_found
DeleteQueue           queue         delete      queue_not_empty      delete      queue_not_found
ListQueues            broker        anyone      done                 -           -
PurgeQueue            queue         purge       done                 purge       queue_not_found
TransferQueue         queue         give        done                 give        queue_not_found
Publish               queue         publish     done                 publish     queue_not_found
Receive               queue         consume     done                 consume     queue_not_found
Receive               subscription  consume     done                 consume     subscription_not_found
Ack                   queue         consume     done                 consume     queue_not_found
Ack                   subscription  consume     done                 consume     subscription_not_found
Nack                  queue         consume     done                 consume     queue_not_found
Nack                  subscription  consume     done                 consume     subscription_not_found
Extend                queue         consume     done                 consume     queue_not_found
Extend                subscription  consume     done                 consume     subscription_not_found
Peek                  queue         peek        done                 peek        queue_not_found
CancelMessages        queue         purge       done                 purge       queue_not_found
Redrive               queue         purge       done                 purge       queue_not_found

CreateTopic           topic         describe    done                 create      done
DescribeTopic         topic         describe    done                 describe    topic_not_found
AlterTopic            topic         alter       done                 alter       topic_not_found
DeleteTopic           topic         delete      topic_not_empty      delete      topic_not_found
ListTopics            broker        anyone      done                 -           -
TransferTopic         topic         give        done                 give        topic_not_found
PublishTopic          topic         publish     done                 publish     topic_not_found
ReadPartition         topic         consume     done                 consume     topic_not_found

CreateSubscription    topic         consume     done                 consume     topic_not_found
DescribeSubscription  subscription  describe    done                 describe    subscription_not_found
DeleteSubscription    subscription  delete      done                 delete      subscription_not_found
ListSubscriptions     topic         describe    done                 describe    topic_not_found
Commit                subscription  consume     done                 consume     subscription_not_found
Seek                  subscription  seek        done                 seek        subscription_not_found
LeaveSubscription     subscription  consume     done                 consume     subscription_not_found

CreateExchange        exchange      describe    done                 create      done
DescribeExchange      exchange      describe    done                 describe    exchange_not_found
DeleteExchange        exchange      delete      exchange_in_use      delete      exchange_not_found
ListExchanges         broker        anyone      done                 -           -
PublishExchange       exchange      publish     done                 publish     exchange_not_found
Bind                  exchange      bind        done                 consume     exchange_not_found
Unbind                exchange      bind        done                 consume     exchange_not_found
ListBindings          broker        anyone      done                 -           -

CreateUser            user          administer  user_exists          administer  done
AlterUser             user          itself      done                 administer  user_not_found
DescribeUser          user          self        done                 administer  user_not_found
DeleteUser            user          administer  done                 administer  user_not_found
ListUsers             broker        administer  done                 -           -
AddGrant              user          administer  done                 administer  user_not_found
RemoveGrant           user          administer  grant_not_found      administer  user_not_found
ListGrants            user          self        done                 administer  user_not_found
ListGrants            broker        administer  done                 -           -
CreateToken           broker        anyone      done                 -           -
ListTokens            user          self        done                 administer  user_not_found
ListTokens            broker        anyone      done                 -           -
RevokeToken           token         self        done                 anyone      token_not_found
Login                 broker        anyone      done                 -           -
Logout                broker        anyone      done                 -           -
WhoAmI                broker        anyone      done                 -           -
CreateNamespace       namespace     administer  done                 administer  done
DeleteNamespace       namespace     administer  namespace_not_empty  administer  namespace_not_found
ListNamespaces        broker        anyone      done                 -           -
SetPolicy             namespace     administer  done                 administer  namespace_not_found
DeletePolicy          namespace     administer  done                 administer  namespace_not_found
ListPolicies          broker        anyone      done                 -           -
DescribeNode          broker        monitor     done                 -           -
";

/// The audit log: whoever has one of these rights over the broker; `describe` and `alter` come from a role too.
const AUDIT_LOG: &str = "
CreateTopic         audit describe  topic_exists
DescribeTopic       audit describe  done
AlterTopic          administer      done
DeleteTopic         nobody          -
TransferTopic       nobody          -
PublishTopic        nobody          -
ReadPartition       audit           done
CreateSubscription  audit           done
ListSubscriptions   audit describe  done
";

/// Which operations have a row, over what.
pub(crate) fn rows() -> impl Iterator<Item = (&'static str, &'static str)> {
    table(OPERATIONS).map(|row| (row[0], row[1]))
}

fn table(text: &'static str) -> impl Iterator<Item = Vec<&'static str>> {
    text.lines().filter(|line| !line.is_empty()).map(|line| line.split_whitespace().collect())
}

/// What the broker must answer to a person that asks for an operation on a thing: `done` or a code.
pub(crate) fn expected(operation: &str, person: &Person, thing: &Thing) -> &'static str {
    if person.standing != Standing::LoggedIn {
        return "unauthenticated";
    }
    if thing.column == Column::AuditLog {
        return on_the_audit_log(operation, person);
    }
    let over = thing.subject.word();
    let row = table(OPERATIONS).find(|row| row[0] == operation && row[1] == over).expect("a row for each case");
    let (right, answer) = if thing.there { (row[2], row[3]) } else { (row[4], row[5]) };
    let permitted = match right {
        "anyone" => true,
        "self" => thing.mine || may_to_broker(person, "administer"),
        // A token that narrows anything does not change the password of its user.
        "itself" => thing.mine && person.scope.is_none() || may_to_broker(person, "administer"),
        "administer" | "monitor" => may_to_broker(person, right),
        "give" => may_give(person, thing),
        // From the exchange to itself: taken from its source, given to its destination.
        "bind" => may(person, "consume", thing) && may(person, "publish", thing),
        right => may(person, right, thing),
    };
    match (permitted, &thing.subject) {
        (true, Subject::Queue(_) | Subject::Topic(_) | Subject::Exchange(_))
            if thing.column == Column::Nowhere && operation.starts_with("Create") && answer == "done" =>
        {
            "namespace_not_found"
        }
        (true, _) => answer,
        // Tokens of others do not exist, for whoever does not administer.
        (false, Subject::Token(_)) => "token_not_found",
        // Who may see things of this name is told that there is none; everybody else learns nothing.
        (false, Subject::Queue(_) | Subject::Topic(_) | Subject::Subscription(..) | Subject::Exchange(_))
            if answer.ends_with("_not_found") && may(person, "describe", thing) =>
        {
            answer
        }
        (false, _) => "forbidden",
    }
}

fn on_the_audit_log(operation: &str, person: &Person) -> &'static str {
    let row = table(AUDIT_LOG).find(|row| row[0] == operation).expect("a row for each case on the audit log");
    let answer = *row.last().expect("an answer");
    let permitted = row[1..row.len() - 1].iter().any(|right| match *right {
        "nobody" => false,
        "describe" => has(person, "describe", ("topic", "$system", "$audit"), false),
        right => may_to_broker(person, right),
    });
    if permitted { answer } else { "forbidden" }
}

/// Whether a person holds a right over a queue, a topic, or a subscription by its topic.
pub(crate) fn may(person: &Person, right: &str, thing: &Thing) -> bool {
    let (place, owner) = match &thing.subject {
        Subject::Queue(place) => (("queue", place.namespace, place.name.as_str()), thing.mine),
        Subject::Topic(place) => (("topic", place.namespace, place.name.as_str()), thing.mine),
        Subject::Exchange(place) => (("exchange", place.namespace, place.name.as_str()), thing.mine),
        // Who made a subscription may see, move and delete it; to consume takes the right over the topic.
        Subject::Subscription(place, _) => {
            let owner = thing.mine || thing.column == Column::MineOfForeign && right != "consume";
            (("topic", place.namespace, place.name.as_str()), owner)
        }
        Subject::User(_) | Subject::Token(_) | Subject::Namespace(_) | Subject::Broker => {
            return may_to_broker(person, right);
        }
    };
    has(person, right, place, owner && OWNER.split(' ').any(|known| known == right))
}

fn may_give(person: &Person, thing: &Thing) -> bool {
    let (Subject::Queue(place) | Subject::Topic(place)) = &thing.subject else { return false };
    has(person, "administer", (thing.subject.word(), place.namespace, &place.name), thing.mine)
}

fn may_to_broker(person: &Person, right: &str) -> bool {
    has(person, right, ("broker", "default", ""), false)
}

/// Deny beats owning, roles and grants, of which one is enough; a token's scope narrows all of them.
fn has(person: &Person, right: &str, thing: (&str, &str, &str), as_owner: bool) -> bool {
    let fits = |rule: &Rule| rule.rights.contains(&right) && rule.patterns.iter().any(|pattern| pattern.fits(thing));
    let in_scope = person.scope.as_ref().is_none_or(|scope| {
        scope.rights.contains(&right) && scope.patterns.first().is_none_or(|pattern| pattern.fits(thing))
    });
    let by_role = table(ROLES).any(|row| person.roles.contains(&row[0]) && row[1..].contains(&right));
    let allowed = as_owner || by_role || person.allow.as_ref().is_some_and(fits);
    in_scope && allowed && !person.deny.as_ref().is_some_and(fits)
}
