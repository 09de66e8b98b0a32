//! The gRPC door of Recado: its contract, its server, and a backend that reaches a broker elsewhere.
pub mod proto;
mod translate;
