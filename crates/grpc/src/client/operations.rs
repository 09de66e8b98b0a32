//! The table of operations of the client: each request and its path in the contract.
//! Invariant: exhaustive; a new operation breaks the build here.

use std::time::Duration;

use model::backend::Reply;
use model::caller::Credentials;
use model::operation::{Request, Response};

use super::RemoteBackend;

/// How long a request itself waits.
fn wait(request: &Request) -> Duration {
    #[allow(clippy::wildcard_enum_match_arm, reason = "every other operation answers at once")]
    match request {
        Request::Receive(receive) => Duration::from_millis(receive.wait.get()),
        Request::ReadPartition(read) => Duration::from_millis(read.wait.get()),
        _ => Duration::ZERO,
    }
}

macro_rules! table {
    ($( $service:literal { $( $operation:ident )* } )*) => {
        /// Sends a request and brings its response.
        pub(super) fn submit(backend: &RemoteBackend, credentials: &Credentials, request: Request) -> Reply<Response> {
            let kind = request.kind();
            let wait = wait(&request);
            match request { $( $(
                Request::$operation(call) => {
                    let path = concat!("/recado.v1.", $service, "/", stringify!($operation));
                    let reply = backend.operation(kind, path, credentials, wait, call);
                    Box::pin(async move { reply.await.map(Response::$operation) })
                }
            )* )* }
        }

        #[cfg(test)]
        const PATHS: &[&str] = &[ $( $( concat!($service, "/", stringify!($operation)), )* )* ];
    };
}

table! {
    "Queues" {
        CreateQueue DescribeQueue AlterQueue DeleteQueue ListQueues PurgeQueue TransferQueue Publish Receive Ack Nack
        Extend Peek CancelMessages Redrive
    }
    "Topics" {
        CreateTopic DescribeTopic AlterTopic DeleteTopic ListTopics TransferTopic PublishTopic ReadPartition
    }
    "Subscriptions" {
        CreateSubscription DescribeSubscription DeleteSubscription ListSubscriptions Commit Seek LeaveSubscription
    }
    "Exchanges" {
        CreateExchange DescribeExchange DeleteExchange ListExchanges PublishExchange Bind Unbind ListBindings
    }
    "Policies" { SetPolicy DeletePolicy ListPolicies }
    "Access" {
        CreateUser AlterUser DescribeUser DeleteUser ListUsers AddGrant RemoveGrant ListGrants CreateToken ListTokens
        RevokeToken Login Logout WhoAmI CreateNamespace DeleteNamespace ListNamespaces
    }
    "Node" { DescribeNode }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use prost::Message;

    use super::PATHS;
    use crate::proto::DESCRIPTORS;

    #[test]
    fn every_path_is_in_the_contract() {
        let descriptors = prost_types::FileDescriptorSet::decode(DESCRIPTORS).unwrap();
        let methods: Vec<String> = descriptors
            .file
            .iter()
            .flat_map(|file| &file.service)
            .flat_map(|service| service.method.iter().map(|method| format!("{}/{}", service.name(), method.name())))
            .collect();
        for path in PATHS {
            assert!(methods.iter().any(|method| method == path), "{path}");
        }
        let others = ["Queues/PublishStream", "Queues/Deliver", "Topics/PublishTopicStream", "Access/Authenticate"];
        assert_eq!(methods.len(), PATHS.len() + others.len());
        assert_eq!(PATHS.len(), model::OperationKind::ALL.len());
    }
}
