//! What the machine answered, in words.

use broker::outcome::Outcome;
use broker::queue::{PeekedPlace, Picked};
use model::message::DeadLetter;
use model::operation::Response;
use model::queue::QueueDescription;
use model::receipt::Settlement;
use model::refusal::Refusal;
use model::subscription::SubscriptionDescription;

pub(crate) fn refusal(refusal: &Refusal) -> String {
    format!("refused: {refusal} [{}]", refusal.code().word())
}

pub(crate) fn outcome(outcome: &Result<Outcome, Refusal>) -> String {
    match outcome {
        Err(refused) => refusal(refused),
        Ok(Outcome::Done) => "done".to_owned(),
        Ok(Outcome::Epoch(epoch)) => format!("epoch {epoch}"),
        Ok(Outcome::Token(token)) => format!("token {}", token.label),
        Ok(Outcome::Leased(leased)) => format!("leased {leased:?}"),
        Ok(Outcome::Placed(placed)) => {
            let place = |placed: &broker::outcome::Placed| {
                let again = if placed.duplicate { " (duplicate)" } else { "" };
                format!("{}:{}{again}", placed.partition, placed.place)
            };
            placed.iter().map(place).collect::<Vec<_>>().join(" ")
        }
        Ok(Outcome::Routed(tallies)) => {
            let tally = |tally: &broker::outcome::Tally| {
                let duplicates =
                    if tally.duplicates > 0 { format!(", {} had it", tally.duplicates) } else { String::new() };
                let refused = if tally.refused > 0 { format!(", {} refused", tally.refused) } else { String::new() };
                format!("{} by {}{duplicates}{refused}", tally.fate.word(), tally.taken)
            };
            tallies.iter().map(tally).collect::<Vec<_>>().join("; ")
        }
        Ok(Outcome::Response(answer)) => response(answer).join(", "),
    }
}

pub(crate) fn response(response: &Response) -> Vec<String> {
    #[allow(clippy::wildcard_enum_match_arm, reason = "what no script looks into is done or not")]
    match response {
        Response::CreateQueue(made) => vec![made_or_found(made.created)],
        Response::CreateTopic(made) => vec![made_or_found(made.created)],
        Response::CreateSubscription(made) => vec![made_or_found(made.created)],
        Response::DeleteQueue(removed) | Response::PurgeQueue(removed) | Response::DeleteTopic(removed) => {
            vec![format!("removed {}", removed.messages)]
        }
        Response::Ack(settled) | Response::Nack(settled) | Response::Extend(settled) => {
            let word = |result: &Settlement| match result {
                Settlement::Settled => "settled",
                Settlement::LeaseLost => "lease lost",
            };
            vec![settled.results.iter().map(word).collect::<Vec<_>>().join(", ")]
        }
        Response::CancelMessages(cancelled) => vec![format!("cancelled {:?}", cancelled.cancelled)],
        Response::Redrive(redriven) => {
            vec![format!("moved {}{}", redriven.moved, if redriven.running { ", running" } else { "" })]
        }
        Response::DescribeQueue(queue) => vec![describe_queue(queue)],
        Response::DescribeTopic(topic) => topic
            .partitions
            .iter()
            .map(|part| format!("{}: {} to {}, {} kept", part.partition, part.earliest, part.end, part.messages))
            .collect(),
        Response::DescribeSubscription(subscription) => describe_subscription(subscription),
        Response::Commit(committed) | Response::Seek(committed) => {
            let place = |at: &model::subscription::PartitionOffset| format!("{}:{}", at.partition, at.offset);
            vec![committed.offsets.iter().map(place).collect::<Vec<_>>().join(" ")]
        }
        Response::ListQueues(page) => {
            let mut names: Vec<_> = page.items.iter().map(|queue| queue.queue.name.to_string()).collect();
            names.extend(page.next.iter().map(|next| format!("next: {next}")));
            names
        }
        Response::CreateExchange(made) => vec![made_or_found(made.created)],
        Response::Bind(done) => vec![if done.changed { "bound" } else { "bound already" }.to_owned()],
        Response::Unbind(done) => vec![if done.changed { "unbound" } else { "not bound" }.to_owned()],
        Response::ListExchanges(page) => page
            .items
            .iter()
            .map(|item| {
                let kind = item.settings.kind.word();
                format!("{} {kind}, {} bindings", item.exchange.name.word(), item.bindings)
            })
            .collect(),
        Response::ListBindings(page) => page
            .items
            .iter()
            .map(|item| format!("{} to {} by {}", item.source.name.word(), item.destination, item.routing_key))
            .collect(),
        _ => vec!["done".to_owned()],
    }
}

fn made_or_found(created: bool) -> String {
    if created { "created".to_owned() } else { "there already".to_owned() }
}

fn describe_queue(queue: &QueueDescription) -> String {
    let counts = queue.counts;
    let owner = queue.owner.as_ref().map_or("nobody", |name| name.as_str());
    let redrive = queue.redrive.map_or(String::new(), |redrive| format!(", redriving, {} moved", redrive.moved));
    format!("{} ready, {} delayed, {} leased, owner {owner}{redrive}", counts.ready, counts.delayed, counts.leased)
}

fn describe_subscription(subscription: &SubscriptionDescription) -> Vec<String> {
    let mut lines = vec![format!(
        "lag {} messages, {} ms, {} leased",
        subscription.lag,
        subscription.lag_time.get(),
        subscription.leased
    )];
    for part in &subscription.partitions {
        let member = part.member.as_ref().map_or(String::new(), |name| format!(", member {name}"));
        lines.push(format!("{}: at {} of {}{member}", part.partition, part.committed, part.end));
    }
    lines
}

pub(crate) fn delivery(body: &str, picked: &Picked) -> String {
    format!("{body}, attempt {}{}", picked.attempt, letter(picked.dead_letter.as_ref()))
}

pub(crate) fn peeked(body: &str, place: &PeekedPlace) -> String {
    let due = place.due_at.map_or(String::new(), |due| format!(", until {due} ms"));
    let at = format!("{}:{}", place.partition, place.sequence);
    format!("{at} {body}, {} attempts{due}{}", place.attempts, letter(place.dead_letter.as_ref()))
}

fn letter(letter: Option<&DeadLetter>) -> String {
    letter.map_or(String::new(), |letter| {
        let reason = letter.reason.word();
        let deaths: Vec<_> = letter
            .deaths
            .iter()
            .map(|death| format!("{} {}x{}", death.origin, death.reason.word(), death.count))
            .collect();
        let deaths = if deaths.len() > 1 || letter.routed.is_some() {
            format!(" [{}]", deaths.join(", "))
        } else {
            String::new()
        };
        let routed = letter
            .routed
            .as_ref()
            .map_or(String::new(), |way| format!(" by {:?} {:?}", way.exchange.word(), way.routing_key.as_str()));
        format!(
            ", dead letter: {reason} in {} after {} attempts, time {}{deaths}{routed}",
            letter.origin, letter.attempts, letter.count
        )
    })
}
