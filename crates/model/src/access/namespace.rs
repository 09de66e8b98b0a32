//! Namespaces, which hold queues and topics.
//! Invariant: `default` and `$system` are always there.
//! Used by every door and by the machine. Tests: the matrix of the binary.

use crate::name::NamespaceName;
use crate::page::{Page, PageRequest};

/// Creates a namespace; done when it is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreateNamespace {
    /// Its name.
    pub name: NamespaceName,
}

/// Deletes a namespace that holds no queue and no topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeleteNamespace {
    /// Its name; `default` and `$system` stay.
    pub name: NamespaceName,
}

/// Lists namespaces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListNamespaces {
    /// Which part of the list.
    pub page: PageRequest,
}

/// A namespace and what it holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamespaceDescription {
    /// Its name.
    pub name: NamespaceName,
    /// Queues in it.
    pub queues: u64,
    /// Topics in it.
    pub topics: u64,
}

/// A page of namespaces.
pub type NamespacePage = Page<NamespaceDescription>;
