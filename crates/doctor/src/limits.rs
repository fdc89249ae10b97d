//! Named maxima, each with its unit: every byte that is read here is hostile.

/// Longest line or JSON document element, in bytes, that is looked at; longer ones are skipped and counted.
pub const MAX_RECORD_BYTES: usize = 8 * 1024 * 1024;
/// Bytes read from a file at once.
pub const BLOCK_BYTES: usize = 256 * 1024;
/// Blocks between the log and its books, for all workers together. A longer one counts as several.
pub const BLOCKS_IN_FLIGHT: usize = 24;
/// Most workers, whatever the machine has.
pub const MAX_WORKERS: usize = 16;
/// Envelopes inside envelopes.
pub const MAX_ENVELOPE_DEPTH: usize = 4;
/// (credential, client) pairs remembered of a log, about 700 bytes each, and 2,000 while they are judged. Beyond it the
/// least suspicious are forgotten, and counted.
pub const MAX_CREDENTIALS: usize = 80_000;
/// Bytes of names, clients, addresses and audit ids that are remembered of all credentials together: 800 for each of the most
/// of them. Beyond it the least suspicious credentials are forgotten too.
pub const MAX_USE_BYTES: usize = 64 * 1024 * 1024;
/// The same of token requests, refusals and deleted pods together; beyond it new ones are counted and not remembered.
pub const MAX_OTHER_BYTES: usize = 48 * 1024 * 1024;
/// Token requests remembered of a log, about 400 bytes each.
pub const MAX_ISSUES: usize = 80_000;
/// (address, client) pairs whose refusals are remembered.
pub const MAX_REFUSALS: usize = 20_000;
/// Deleted pods remembered.
pub const MAX_DELETED_PODS: usize = 50_000;
/// Places where an audit id can be remembered, to count a request once though its stages are written apart: 8 bytes each.
pub const AUDIT_ID_SLOTS: usize = 1 << 20;
/// Audit ids kept as evidence of one credential.
pub const MAX_EVIDENCE: usize = 3;
/// Source addresses kept of one credential.
pub const MAX_ADDRESSES: usize = 4;
/// Bytes kept of a name, an address or a User-Agent.
pub const MAX_TEXT_BYTES: usize = 512;
/// Records without a single audit event after which a file counts as something else.
pub const PATIENCE_RECORDS: u64 = 100;
/// Workloads that one report lists, and findings of one rule on a cluster, about 5,000 bytes each with their text. The worst
/// come first; the verdict counts all, and what is left out is counted.
pub const MAX_LISTED: usize = 10_000;
/// Bytes of one file of the user's own knowledge.
pub const MAX_KNOWLEDGE_BYTES: u64 = 4 * 1024 * 1024;
/// Bytes of one file of a bundle.
pub const MAX_BUNDLE_FILE_BYTES: u64 = 256 * 1024 * 1024;
/// Bytes of one list of add-ons.
pub const MAX_ADDONS_FILE_BYTES: u64 = 16 * 1024 * 1024;
/// Add-ons on one list.
pub const MAX_ADDONS: usize = 1_000;
/// Bytes of one `/metrics` page.
pub const MAX_METRICS_BYTES: usize = 64 * 1024 * 1024;
/// Bytes a Helm release may unpack to.
pub const MAX_RELEASE_BYTES: u64 = 32 * 1024 * 1024;
/// Objects of one page of a list.
pub const PAGE_OBJECTS: usize = 500;
/// Requests a second to a cluster.
pub const REQUESTS_PER_SECOND: u32 = 5;
