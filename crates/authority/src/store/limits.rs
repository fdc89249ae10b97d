//! Every maximum of the store, with its unit. A limit exists so that no caller, file or slow reader can make the
//! process hold unbounded memory.

/// Longest key in bytes. Kubernetes 1.36: names and namespaces have at most 253 characters; the rest is the resource.
pub const KEY_MAX_BYTES: usize = 1024;
/// Largest body of one object in bytes. Kubernetes 1.36: a request body has at most 3 MiB.
pub const VALUE_MAX_BYTES: usize = 3 * 1024 * 1024;
/// Longest account or node name in an index row, in bytes.
pub const ROW_NAME_MAX_BYTES: usize = 1024;
/// Most checks and changes in one transaction.
pub const TXN_MAX_ITEMS: usize = 256;
/// Largest sum of the bodies of one transaction, in bytes.
pub const TXN_MAX_BYTES: usize = 8 * 1024 * 1024;
/// Transactions that may wait for the writer; more callers wait outside the queue.
pub const QUEUE_MAX_TXNS: usize = 1024;
/// Bytes of bodies that may wait for the writer; more callers wait outside the queue.
pub const QUEUE_MAX_BYTES: usize = 32 * 1024 * 1024;
/// Transactions that share one durable commit.
pub const BATCH_MAX_TXNS: usize = 512;
/// Bytes of bodies after which a batch takes no further transaction (one may overshoot).
pub const BATCH_MAX_BYTES: usize = 8 * 1024 * 1024;
/// Bytes of bodies after which a page of a list ends early, with `more` set (one item may overshoot).
pub const PAGE_MAX_BYTES: usize = 16 * 1024 * 1024;
/// Events that watchers can go back to.
pub const RING_MAX_EVENTS: usize = 10_000;
/// Bytes of bodies in the events that watchers can go back to.
pub const RING_MAX_BYTES: usize = 8 * 1024 * 1024;
/// Bytes of file pages the database keeps in memory.
pub const CACHE_BYTES: usize = 4 * 1024 * 1024;
/// Bytes beside the store's file that are given up when the disk is full, so that deletions still work.
pub const RESERVE_BYTES: u64 = 8 * 1024 * 1024;
/// Bytes that must be free besides before the reserve is set aside: certificates and logs need room too.
pub const SPARE_BYTES: u64 = 1024 * 1024;
/// Largest file, in bytes, of which every page is checked when it is opened: 3 ms for each MiB. Of a larger one the rows of
/// its index are checked then, and each object when it is read.
pub const CHECK_MAX_BYTES: u64 = 64 * 1024 * 1024;
/// Bytes an opening may want to write before the file has proved to be ours.
pub const OPEN_MAX_WRITES_BYTES: usize = 64 * 1024 * 1024;
