//! `recado cluster`: asks the nodes of a cluster, with the key in the folder of the one on this machine.
//! Invariant: whoever may read that folder may do this; nobody else.
//! Called by `main`. Tests: `tests/cluster.rs`.

use std::time::Duration;

use peer::{Client, Cluster, Links, Refused};
use serde::Serialize;

use crate::args::cluster::{ClusterArguments, ClusterCommand};
use crate::cluster::{Folder, unreachable};
use crate::exit::{Complaint, Exit};
use crate::output::{self, Output};

/// How often the leader is asked before a command is given up.
const LOOKS: u32 = 20;
/// Pause between two of them.
const LOOK_PAUSE: Duration = Duration::from_millis(500);

#[derive(Serialize)]
struct Node {
    node: u64,
    address: String,
    role: &'static str,
    votes: bool,
    durable: Option<u64>,
}

#[derive(Serialize)]
struct Status {
    asked: u64,
    leader: Option<u64>,
    term: u64,
    applied: u64,
    nodes: Vec<Node>,
}

fn status(cluster: Cluster) -> Status {
    let leader = cluster.leader;
    let role = |node: u64, votes: bool| match votes {
        true if leader == Some(node) => "leader",
        true => "follower",
        false => "learner",
    };
    let nodes = cluster.members.into_iter().map(|member| Node {
        role: role(member.node, member.votes),
        node: member.node,
        address: member.address,
        votes: member.votes,
        durable: member.durable,
    });
    let nodes = nodes.collect();
    Status { asked: cluster.own, leader, term: cluster.term, applied: cluster.applied, nodes }
}

fn complaint(refused: Refused) -> Complaint {
    match refused {
        Refused::Unavailable(why) => unreachable(why),
        Refused::Never(why) | Refused::Unknown(why) => {
            Complaint::here(Exit::Invalid, "cluster_refused", why, "look with recado cluster status")
        }
    }
}

/// Does one command.
pub(crate) async fn run(arguments: &ClusterArguments) -> Result<(), Complaint> {
    let folder = Folder::new(&arguments.data);
    if !folder.is_there() {
        let what = format!("{} holds no node of a cluster", arguments.data.display());
        return Err(Complaint::usage(what, "give --data FOLDER of a node that runs with --peer-address"));
    }
    let authority = folder.authority()?;
    let identity = authority.identity(None).map_err(unreachable)?;
    let links = Links::new(authority, identity);
    let address = folder.address()?;
    let here = links.to(None, &address).map_err(complaint)?;
    match &arguments.command {
        ClusterCommand::Status => {
            let cluster = here.describe().await.map_err(complaint)?;
            // The leader knows how far the others are.
            let told = match leader(&links, &cluster) {
                Ok(leader) => leader.describe().await.unwrap_or(cluster),
                Err(_) => cluster,
            };
            show(status(told), arguments)
        }
        ClusterCommand::JoinToken { valid } => {
            let token = here.token(Duration::from_millis(valid.get())).await.map_err(complaint)?;
            output::line(&token)
        }
        ClusterCommand::Remove { node } => {
            of_leader(&links, &here, async |leader| leader.remove(*node).await).await?;
            output::note(&format!("node {node} is out"));
            Ok(())
        }
        ClusterCommand::Transfer { node } => {
            of_leader(&links, &here, async |leader| leader.transfer(*node).await).await?;
            output::note("another node leads");
            Ok(())
        }
    }
}

fn leader(links: &Links, cluster: &Cluster) -> Result<Client, Refused> {
    let leads = cluster.members.iter().find(|member| Some(member.node) == cluster.leader);
    let leads = leads.ok_or_else(|| Refused::Unavailable("no node leads: a majority has to run".to_owned()))?;
    links.to(Some(leads.node), &leads.address)
}

/// Asks the leader, and its successor when it has handed over meanwhile.
async fn of_leader(
    links: &Links,
    here: &Client,
    ask: impl AsyncFn(Client) -> Result<(), Refused>,
) -> Result<(), Complaint> {
    let mut last = String::new();
    for _ in 0..LOOKS {
        let asked = async { ask(leader(links, &here.describe().await?)?).await };
        match asked.await {
            Ok(()) => return Ok(()),
            Err(Refused::Unavailable(why)) => last = why,
            Err(refused) => return Err(complaint(refused)),
        }
        tokio::time::sleep(LOOK_PAUSE).await;
    }
    Err(unreachable(last))
}

fn show(status: Status, arguments: &ClusterArguments) -> Result<(), Complaint> {
    let heads = ["node", "address", "role", "durable"];
    Output { format: arguments.output }.data(&status, &heads, |status| {
        let row = |node: &Node| {
            vec![node.node.to_string(), node.address.clone(), node.role.to_owned(), output::or_dash(node.durable)]
        };
        status.nodes.iter().map(row).collect()
    })
}
