//! The service `Exchanges`.

use model::binding::{Bind, ListBindings, PublishExchange, Unbind};
use model::exchange::{CreateExchange, DeleteExchange, DescribeExchange, ListExchanges};

use super::service;
use crate::proto as pb;

service! {
    pb::exchanges_server::Exchanges {
        create_exchange = CreateExchange;
        describe_exchange = DescribeExchange;
        delete_exchange = DeleteExchange;
        list_exchanges = ListExchanges;
        publish_exchange = PublishExchange;
        bind = Bind;
        unbind = Unbind;
        list_bindings = ListBindings;
    }
}
