//! The service `Subscriptions`.

use model::subscription::{
    Commit, CreateSubscription, DeleteSubscription, DescribeSubscription, LeaveSubscription, ListSubscriptions, Seek,
};

use super::service;
use crate::proto as pb;

service! {
    pb::subscriptions_server::Subscriptions {
        create_subscription = CreateSubscription;
        describe_subscription = DescribeSubscription;
        delete_subscription = DeleteSubscription;
        list_subscriptions = ListSubscriptions;
        commit = Commit;
        seek = Seek;
        leave_subscription = LeaveSubscription;
    }
}
