//! The operations of a room, once as routes and once as a part of the document.
//! Invariant: both come from one list, so what is served is what is documented.
//! The document holds every schema and takes as long to build as the rest of a start, so it is made when it is asked
//! for, and a start makes only the routes. Used by each room of `rest`; checked in `tests/document.rs`.

use axum::handler::Handler;
use axum::routing::{MethodFilter, MethodRouter};
use utoipa::openapi::HttpMethod;

use crate::door::Door;

/// Gives a room its `routes()` and its `documented()`: `operations! { [first, second], [third] }`, where the handlers
/// of one pair of brackets share a path.
macro_rules! operations {
    ($([$first:ident $(, $more:ident)*]),+ $(,)?) => {
        /// The routes of this room.
        pub(super) fn routes() -> axum::Router<$crate::door::Door> {
            use utoipa::Path as _;
            axum::Router::new()$(.route(
                &$crate::rest::paths::operations!(@of $first path),
                {
                    let methods = axum::routing::MethodRouter::new();
                    let methods = $crate::rest::paths::on(
                        methods, &$crate::rest::paths::operations!(@of $first methods), $first);
                    $(let methods = $crate::rest::paths::on(
                        methods, &$crate::rest::paths::operations!(@of $more methods), $more);)*
                    methods
                },
            ))+
        }

        /// The part of the document for this room.
        pub(super) fn documented() -> utoipa_axum::router::OpenApiRouter<$crate::door::Door> {
            utoipa_axum::router::OpenApiRouter::new()$(.routes(utoipa_axum::routes!($first $(, $more)*)))+
        }
    };
    (@of $handler:ident $what:ident) => {
        utoipa_axum::paste! { [<__path_ $handler>]::$what() }
    };
}
pub(super) use operations;

/// The handler for each of the methods.
pub(super) fn on<H, T>(router: MethodRouter<Door>, methods: &[HttpMethod], handler: H) -> MethodRouter<Door>
where
    H: Handler<T, Door>,
    T: 'static,
{
    methods.iter().fold(router, |router, method| router.on(filter(method), handler.clone()))
}

fn filter(method: &HttpMethod) -> MethodFilter {
    match method {
        HttpMethod::Get => MethodFilter::GET,
        HttpMethod::Post => MethodFilter::POST,
        HttpMethod::Put => MethodFilter::PUT,
        HttpMethod::Delete => MethodFilter::DELETE,
        HttpMethod::Options => MethodFilter::OPTIONS,
        HttpMethod::Head => MethodFilter::HEAD,
        HttpMethod::Patch => MethodFilter::PATCH,
        HttpMethod::Trace => MethodFilter::TRACE,
    }
}
