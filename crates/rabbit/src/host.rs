//! Virtual hosts are namespaces; `/` is the one called `default`.
//! Invariant: each namespace has one virtual host, and the other way round.
//! Tests below.

use model::name::NamespaceName;

/// The virtual host of the namespace `default`.
const ROOT: &str = "/";

/// The virtual host of a namespace.
pub fn host(namespace: &NamespaceName) -> &str {
    if *namespace == NamespaceName::default() { ROOT } else { namespace.as_str() }
}

/// The namespace of a virtual host; `None` when there can be none of that name.
pub fn namespace(host: &str) -> Option<NamespaceName> {
    if host == ROOT {
        return Some(NamespaceName::default());
    }
    NamespaceName::parse(host).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_a_namespace() {
        for name in ["/", "orders"] {
            assert_eq!(namespace(name).map(|found| host(&found).to_owned()).as_deref(), Some(name));
        }
        assert_eq!(namespace("a/b"), None);
    }
}
