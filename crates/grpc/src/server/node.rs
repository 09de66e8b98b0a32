//! The service `Node`.

use model::node::DescribeNode;

use super::service;
use crate::proto as pb;

service! {
    pb::node_server::Node {
        describe_node = DescribeNode;
    }
}
