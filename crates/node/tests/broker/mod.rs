//! A node on a temporary folder, for tests. The only part of them that knows how a node is opened.

use std::sync::Arc;

use model::Backend;
use model::backend::call;
use model::caller::{Caller, Credentials, Origin, Protocol, Secret};
use model::failure::Failure;
use model::message::Delivery;
use model::name::{NamespaceName, QueueName, QueueRef, TopicName, TopicRef};
use model::operation::Call;
use node::{Node, Settings};
use storage::disk::RealDisk;
use tempfile::TempDir;

pub(crate) const PASSWORD: &str = "correct horse battery";

#[derive(Clone)]
pub(crate) struct Broker {
    node: Node,
    folder: Arc<TempDir>,
}

impl Broker {
    pub(crate) async fn start() -> Self {
        let folder = Arc::new(tempfile::tempdir().unwrap());
        let node = open(&folder).await;
        node.create_first_administrator("admin", Secret::new(PASSWORD)).await.unwrap();
        Self { node, folder }
    }

    pub(crate) async fn restart(self) -> Self {
        self.node.close().await.unwrap();
        let folder = self.folder;
        drop(self.node);
        let node = open(&folder).await;
        Self { node, folder }
    }

    pub(crate) async fn stop(self) {
        self.node.close().await.unwrap();
    }

    pub(crate) fn node(&self) -> &Node {
        &self.node
    }

    pub(crate) async fn log_in(&self, user: &str, password: &str) -> Result<Caller, Failure> {
        let credentials = Credentials::Password { user: user.to_owned(), password: Secret::new(password) };
        let origin = Origin { protocol: Protocol::Internal, address: None };
        self.node.authenticate(credentials, origin).await
    }

    pub(crate) async fn admin(&self) -> Caller {
        self.log_in("admin", PASSWORD).await.unwrap()
    }

    pub(crate) async fn call<C: Call>(&self, caller: &Caller, request: C) -> Result<C::Reply, Failure> {
        call(&self.node, caller, request).await
    }
}

async fn open(folder: &TempDir) -> Node {
    Node::open(Arc::new(RealDisk), Settings::new(folder.path().to_owned())).await.unwrap()
}

pub(crate) fn queue(name: &str) -> QueueRef {
    QueueRef { namespace: NamespaceName::default(), name: QueueName::parse(name).unwrap() }
}

pub(crate) fn topic(name: &str) -> TopicRef {
    TopicRef { namespace: NamespaceName::default(), name: TopicName::parse(name).unwrap() }
}

pub(crate) fn body(delivery: &Delivery) -> String {
    String::from_utf8(delivery.message.body.to_vec()).unwrap()
}
