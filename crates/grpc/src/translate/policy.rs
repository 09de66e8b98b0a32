//! Policies between the model and the contract.
//! Invariant: what a policy does not give is absent, on both sides.

use model::policy::{DeletePolicy, ListPolicies, Policies, Policy, PolicySettings, PolicyTarget, SetPolicy};

use super::{OrDefault, Required, enumeration, messages};

enumeration! {
    PolicyTarget, unset Queues { Queues All Classic Quorum Exchanges }
}

messages! {
    PolicySettings = PolicySettings {
        max_messages = max_messages;
        max_bytes = max_bytes;
        overflow = overflow;
        message_ttl = message_ttl_ms;
        delivery_limit = delivery_limit;
        dead_letter_exchange = dead_letter_exchange;
        dead_letter_key = dead_letter_key;
        consumer_timeout = consumer_timeout_ms;
        arguments = arguments;
        expires = expires_ms;
        alternate = alternate;
    }
    Policy = Policy {
        namespace = namespace;
        name = name;
        pattern = pattern;
        target = target;
        priority = priority;
        settings = settings, OrDefault;
    }
    SetPolicy = SetPolicyRequest { policy = policy, Required; }
    DeletePolicy = DeletePolicyRequest { namespace = namespace; name = name; }
    ListPolicies = ListPoliciesRequest { namespace = namespace; }
    Policies = PolicyList { policies = policies; }
}
