//! One module per command.

mod columns;
pub(crate) mod key;
pub(crate) mod legacy;
pub(crate) mod node;
pub(crate) mod agent;
pub(crate) mod rehearse;
pub(crate) mod revoke;
pub(crate) mod run;
pub(crate) mod serve;
pub(crate) mod token;
pub(crate) mod tour;
pub(crate) mod up;
pub(crate) mod doctor;
