//! The service `Policies`.

use model::policy::{DeletePolicy, ListPolicies, SetPolicy};

use super::service;
use crate::proto as pb;

service! {
    pb::policies_server::Policies {
        set_policy = SetPolicy;
        delete_policy = DeletePolicy;
        list_policies = ListPolicies;
    }
}
