//! recado

fn main() {}
