//! One module per command.

pub(crate) mod key;
pub(crate) mod rehearse;
pub(crate) mod revoke;
pub(crate) mod serve;
pub(crate) mod token;
pub(crate) mod up;
pub(crate) mod doctor;
