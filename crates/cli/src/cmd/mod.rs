//! One module per command.

pub(crate) mod serve;
pub(crate) mod up;
