//! `recado exchange` and `recado binding`: create, describe, list, delete, publish through; add, remove, list.
//! Invariant: what is printed as JSON is the document that the REST door answers with.
//! Called by `main`; documents are those of `web::wire`.

use model::binding::{
    Bind, Binding, Destination, ListBindings, PublishExchange, Rebound, RoutedMessage, RoutingKey, Unbind, Unroutable,
};
use model::exchange::{
    CreateExchange, DeleteExchange, DeleteExchangeMode, DescribeExchange, ExchangeDescription, ExchangeSettings,
    ListExchanges,
};
use model::name::{ExchangeName, ExchangeRef, NamespaceName, QueueName};
use model::page::PageRequest;
use web::wire;

use super::queue::{more, snake_word};
use super::{message, names};
use crate::args::client::PageArguments;
use crate::args::exchange::{
    BindingCommand, CreateArguments, ExchangeCommand, ListArguments, PublishArguments, RuleArguments,
};
use crate::args::queue::DeleteArguments;
use crate::exit::Complaint;
use crate::output::or_dash;
use crate::quantity;
use crate::session::Session;

/// Does one command on exchanges.
pub(crate) async fn run(session: &Session, namespace: &str, command: ExchangeCommand) -> Result<(), Complaint> {
    let named = |name: &str| names::exchange(namespace, name);
    match command {
        ExchangeCommand::Create(arguments) => create(session, named(&arguments.exchange)?, &arguments).await,
        ExchangeCommand::Describe(of) => {
            let found = session.call(DescribeExchange { exchange: named(&of.exchange)? }).await?;
            describe(session, found)
        }
        ExchangeCommand::List(arguments) => list(session, namespace, &arguments).await,
        ExchangeCommand::Delete(arguments) => delete(session, named(&arguments.name)?, &arguments).await,
        ExchangeCommand::Publish(arguments) => publish(session, named(&arguments.exchange)?, &arguments).await,
    }
}

/// Does one command on bindings.
pub(crate) async fn bindings(session: &Session, namespace: &str, command: BindingCommand) -> Result<(), Complaint> {
    match command {
        BindingCommand::Add(arguments) => {
            let done = session.call(Bind { binding: binding(namespace, &arguments)? }).await?;
            rebound(session, done, "it was there already")
        }
        BindingCommand::Remove(arguments) => {
            let done = session.call(Unbind { binding: binding(namespace, &arguments)? }).await?;
            rebound(session, done, "there is no such binding")
        }
        BindingCommand::List(arguments) => list_bindings(session, namespace, &arguments).await,
    }
}

async fn create(session: &Session, exchange: ExchangeRef, arguments: &CreateArguments) -> Result<(), Complaint> {
    let settings = ExchangeSettings {
        durable: !arguments.transient,
        auto_delete: arguments.auto_delete,
        internal: arguments.internal,
        delays: arguments.delays,
        alternate: arguments.alternate.as_deref().map(ExchangeName::parse_word).transpose()?,
        ..ExchangeSettings::of(arguments.kind.into())
    };
    let reply = session.call(CreateExchange { exchange, settings }).await?;
    let name = reply.description.exchange.name.clone();
    describe(session, reply.description)?;
    if reply.created {
        session.output.note(&format!("created; next: recado binding add {name} queue NAME"));
    } else {
        session.output.note("it was there already, with equal settings");
    }
    Ok(())
}

fn describe(session: &Session, description: ExchangeDescription) -> Result<(), Complaint> {
    let document = wire::ExchangeDescription::from(description.clone());
    session.output.thing(&document, |document| {
        vec![
            ("name", document.name.0.clone()),
            ("namespace", document.namespace.0.clone()),
            ("owner", or_dash(description.owner.as_ref())),
            ("created", quantity::moment(description.created_at)),
            ("kind", snake_word(&document.settings.kind)),
            ("durable", document.settings.durable.to_string()),
            ("auto delete", document.settings.auto_delete.to_string()),
            ("internal", document.settings.internal.to_string()),
            ("delays", document.settings.delays.to_string()),
            ("alternate", or_dash(document.settings.alternate.as_ref().map(|name| &name.0))),
            ("bindings", document.bindings.to_string()),
            ("policy", or_dash(document.policy.as_ref().map(|name| &name.0))),
        ]
    })
}

async fn list(session: &Session, namespace: &str, arguments: &PageArguments) -> Result<(), Complaint> {
    let page = names::page(arguments)?;
    let namespace = NamespaceName::parse(namespace)?;
    let found = session.call(ListExchanges { namespace, prefix: arguments.prefix.clone(), page }).await?;
    let document = wire::Page::<wire::ExchangeDescription>::from(found);
    session.output.data(&document, &["name", "kind", "bindings", "owner"], |page| {
        let row = |exchange: &wire::ExchangeDescription| {
            vec![
                exchange.name.0.clone(),
                snake_word(&exchange.settings.kind),
                exchange.bindings.to_string(),
                or_dash(exchange.owner.as_ref().map(|name| &name.0)),
            ]
        };
        page.items.iter().map(row).collect()
    })?;
    more(session, document.next.as_deref());
    Ok(())
}

async fn delete(session: &Session, exchange: ExchangeRef, arguments: &DeleteArguments) -> Result<(), Complaint> {
    let (mode, more) = if arguments.force {
        (DeleteExchangeMode::Force, " with its bindings")
    } else {
        (DeleteExchangeMode::IfUnused, "")
    };
    session.confirm(&format!("Delete the exchange {exchange}{more}?"))?;
    session.call(DeleteExchange { exchange, mode }).await?;
    session.output.note("deleted");
    Ok(())
}

async fn publish(session: &Session, exchange: ExchangeRef, arguments: &PublishArguments) -> Result<(), Complaint> {
    let routing_key = RoutingKey::parse(&arguments.routing_key)?;
    let unroutable = if arguments.mandatory { Unroutable::Return } else { Unroutable::Drop };
    let mut published = None;
    for messages in message::batches(&arguments.message)? {
        let routed =
            |message| RoutedMessage { message, routing_key: routing_key.clone(), extra_keys: Vec::new(), unroutable };
        let messages = messages.into_iter().map(routed).collect();
        let reply = session.call(PublishExchange { exchange: exchange.clone(), messages }).await?;
        let document = wire::RoutedPlaces::from(reply);
        let whole = published.get_or_insert_with(|| wire::RoutedPlaces { messages: Vec::new(), ..document.clone() });
        whole.position = document.position;
        whole.messages.extend(document.messages);
    }
    let Some(published) = published else {
        session.output.note("nothing to publish: the input is empty");
        return Ok(());
    };
    session.output.data(&published, &["id", "fate", "taken", "duplicates", "refused"], |published| {
        let row = |place: &wire::RoutedPlace| {
            vec![
                place.id.clone(),
                snake_word(&place.fate),
                place.taken.to_string(),
                place.duplicates.to_string(),
                place.refused.to_string(),
            ]
        };
        published.messages.iter().map(row).collect()
    })
}

fn binding(namespace: &str, arguments: &RuleArguments) -> Result<Binding, Complaint> {
    Ok(Binding {
        source: names::exchange(namespace, &arguments.source)?,
        destination: Destination::parse(arguments.kind.word(), &arguments.destination)?,
        routing_key: RoutingKey::parse(&arguments.key)?,
        arguments: arguments.arguments.iter().map(|text| message::header(text)).collect::<Result<_, _>>()?,
    })
}

fn rebound(session: &Session, done: Rebound, otherwise: &str) -> Result<(), Complaint> {
    let document = wire::Rebound::from(done);
    session.output.thing(&document, |document| vec![("changed", document.changed.to_string())])?;
    if !done.changed {
        session.output.note(otherwise);
    }
    Ok(())
}

async fn list_bindings(session: &Session, namespace: &str, arguments: &ListArguments) -> Result<(), Complaint> {
    let request = ListBindings {
        namespace: NamespaceName::parse(namespace)?,
        source: arguments.source.as_deref().map(ExchangeName::parse_word).transpose()?,
        destination: arguments.queue.as_deref().map(QueueName::parse).transpose()?.map(Destination::Queue),
        page: PageRequest::new(Some(arguments.limit), arguments.cursor.clone())?,
    };
    let document = wire::Page::<wire::Binding>::from(session.call(request).await?);
    session.output.data(&document, &["source", "kind", "destination", "key"], |page| {
        let row = |binding: &wire::Binding| {
            vec![
                binding.source.0.clone(),
                snake_word(&binding.destination.kind),
                binding.destination.name.0.clone(),
                binding.routing_key.clone(),
            ]
        };
        page.items.iter().map(row).collect()
    })?;
    more(session, document.next.as_deref());
    Ok(())
}
