//! `recado demo`: a broker on a folder that goes afterwards, 27,004 real flights through a topic, the late ones as jobs
//! through a queue, a worker that crashes, and the results beside those computed straight from the file.
//! Invariant: it ends with 0 only when both results are equal.
//! Called by `main`. Reading order: `flights`, `publish`, `follow`, `work`.

mod flights;
mod follow;
mod publish;
mod show;
mod work;

use std::sync::Arc;
use std::time::Instant;

use model::caller::Secret;
use model::name::{
    MemberName, NamespaceName, QueueName, QueueRef, SubscriptionName, SubscriptionRef, TopicName, TopicRef,
};
use model::queue::{CreateQueue, QueueSettings};
use model::subscription::{CreateSubscription, SubscriptionKind, SubscriptionSettings};
use model::topic::{CreateTopic, StartAt, TopicSettings};
use tokio::task::JoinSet;

use crate::args::serve::DemoArguments;
use crate::exit::{Complaint, Exit};
use crate::local::{ADMINISTRATOR, Client, Local, joined};
use crate::output;
use crate::scratch::Scratch;
use crate::wire::Signals;

use flights::{Flight, Sums};
use follow::Ledger;
use show::Stage;
use work::{Board, Done, Fate};

/// Partitions of the topic.
const PARTITIONS: u32 = 4;
/// Jobs after which a worker crashes.
const CRASH_AFTER: u64 = 200;

/// The names of the demonstration.
struct Names {
    topic: TopicRef,
    subscription: SubscriptionRef,
    queue: QueueRef,
}

impl Names {
    fn new() -> Result<Self, Complaint> {
        let topic = TopicRef { namespace: NamespaceName::default(), name: TopicName::parse("flights")? };
        let subscription = SubscriptionRef { topic: topic.clone(), name: SubscriptionName::parse("totals")? };
        let queue = QueueRef { namespace: NamespaceName::default(), name: QueueName::parse("late-departures")? };
        Ok(Self { topic, subscription, queue })
    }
}

/// Runs it.
pub(crate) async fn run(arguments: &DemoArguments) -> Result<(), Complaint> {
    let begun = Instant::now();
    let flights = Arc::new(flights::read()?);
    let scratch = Scratch::new(&std::env::temp_dir())?;
    let local = Local::start(scratch.path()).await?;
    let stage = Stage::new();
    stage.say(&format!("a broker serves gRPC at {} with its data in {}", local.endpoint(), scratch.path().display()));
    let shown = show_everything(&local, &flights, &stage, begun).await;
    if shown.is_ok() && arguments.stay {
        stay(&local).await?;
    }
    let stopped = local.stop().await;
    drop(scratch);
    shown.and(stopped)
}

async fn show_everything(
    local: &Local,
    flights: &Arc<Vec<Flight>>,
    stage: &Stage,
    begun: Instant,
) -> Result<(), Complaint> {
    let names = Names::new()?;
    let client = Client::connect(&local.endpoint(), ADMINISTRATOR, &local.password).await?;
    create(&client, &names).await?;
    let expected = flights::sums(flights);
    let late = expected.values().map(|sum| sum.late).sum();
    let ledger = Ledger::new(u64::try_from(flights.len()).unwrap_or(u64::MAX));
    let board = Board::new(late);
    work_together(local, &client, &names, flights, stage, (&ledger, &board)).await?;
    let done = board.done();
    let found = together(ledger.sums(), &done);
    report(&found, &expected, &done)?;
    output::note(&format!("in {:.1} s", begun.elapsed().as_secs_f64()));
    if found == expected && done.twice == 0 {
        return output::line("equal");
    }
    Err(Complaint::here(Exit::Found, "demo_differs", "the results differ from the file", "please report this"))
}

async fn create(client: &Client, names: &Names) -> Result<(), Complaint> {
    let settings = TopicSettings { partitions: PARTITIONS, ..TopicSettings::default() };
    client.call(CreateTopic { topic: names.topic.clone(), settings }).await?;
    let settings = SubscriptionSettings { kind: SubscriptionKind::stream(), start: StartAt::Earliest };
    client.call(CreateSubscription { subscription: names.subscription.clone(), settings }).await?;
    client.call(CreateQueue { queue: names.queue.clone(), settings: QueueSettings::default() }).await?;
    Ok(())
}

/// Publishers, members and workers at the same time, each over connections of its own.
async fn work_together(
    local: &Local,
    client: &Client,
    names: &Names,
    flights: &Arc<Vec<Flight>>,
    stage: &Stage,
    (ledger, board): (&Arc<Ledger>, &Arc<Board>),
) -> Result<(), Complaint> {
    let endpoint = local.endpoint();
    let total = u64::try_from(flights.len()).unwrap_or(u64::MAX);
    let late = u64::try_from(flights.iter().filter(|flight| flight.is_late()).count()).unwrap_or(u64::MAX);
    let published = stage.begin("flights published", total);
    let queued = stage.begin("late ones queued", late);
    let read = Arc::new(stage.begin("flights read", total));
    let worked = Arc::new(stage.begin("late ones worked on", late));
    let mut tasks: JoinSet<Result<u64, Complaint>> = JoinSet::new();
    for name in ["even", "odd"] {
        let member = follow::member(
            client.another(&endpoint)?,
            names.subscription.clone(),
            MemberName::parse(name)?,
            Arc::clone(ledger),
            Arc::clone(&read),
        );
        tasks.spawn(async move { member.await.map(|()| 0) });
    }
    for fate in [Fate::Steady, Fate::Crashes(CRASH_AFTER), Fate::Steady] {
        let (board, worked) = (Arc::clone(board), Arc::clone(&worked));
        tasks.spawn(work::worker(client.another(&endpoint)?, names.queue.clone(), fate, board, worked));
    }
    let (publisher, topic, all) = (client.another(&endpoint)?, names.topic.clone(), Arc::clone(flights));
    tasks.spawn(async move { publish::flights(&publisher, topic, &all, &published).await.map(|()| 0) });
    let (publisher, queue, all) = (client.another(&endpoint)?, names.queue.clone(), Arc::clone(flights));
    tasks.spawn(async move { publish::late(&publisher, queue, &all, &queued).await.map(|()| 0) });
    while let Some(ended) = tasks.join_next().await {
        let held = joined(ended)?;
        if held > 0 {
            stage.say(&format!("a worker crashed with {held} jobs in its hands; the broker gives them to the others"));
        }
    }
    read.end();
    worked.end();
    Ok(())
}

/// What the members and the workers found, as one result.
fn together(mut sums: Sums, done: &Done) -> Sums {
    for (carrier, late) in &done.by_carrier {
        sums.entry(carrier.clone()).or_default().late = *late;
    }
    sums
}

fn report(found: &Sums, expected: &Sums, done: &Done) -> Result<(), Complaint> {
    let carriers: std::collections::BTreeSet<&String> = found.keys().chain(expected.keys()).collect();
    let rows = carriers.into_iter().map(|carrier| {
        let (here, file) =
            (found.get(carrier).copied().unwrap_or_default(), expected.get(carrier).copied().unwrap_or_default());
        vec![
            carrier.clone(),
            here.departures.to_string(),
            here.mean(),
            here.late.to_string(),
            file.departures.to_string(),
            file.mean(),
            file.late.to_string(),
            if here == file { "equal" } else { "DIFFERS" }.to_owned(),
        ]
    });
    let heads = ["carrier", "departures", "mean delay", "late jobs", "in the file", "mean delay", "late", ""];
    output::line(&output::table(&heads, rows.collect()))?;
    output::note(&format!("{} jobs were delivered a second time; {} were done twice", done.redelivered, done.twice));
    Ok(())
}

async fn stay(local: &Local) -> Result<(), Complaint> {
    let mut signals = Signals::new()?;
    output::line(&format!("console             {}/", local.http()))?;
    output::line(&format!("REST and API pages  {}/ui/", local.http()))?;
    output::line(&format!("gRPC                {}", local.endpoint()))?;
    output::line(&format!("log in as           {ADMINISTRATOR}"))?;
    output::line(&format!("password            {}", Secret::reveal(&local.password)))?;
    output::note("Ctrl-C ends it and removes its data");
    signals.next().await;
    Ok(())
}
