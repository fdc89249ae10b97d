//! Named maxima of the cluster collector, each with its unit: a server's answers are as hostile as any file.

use std::time::Duration;

/// Bytes of one page of a list.
pub const MAX_PAGE_BYTES: usize = 64 * 1024 * 1024;
/// Bytes of one answer that is no list and no metrics page.
pub const MAX_ANSWER_BYTES: usize = 8 * 1024 * 1024;
/// Pages of one list: a million objects.
pub const MAX_PAGES: usize = 2_000;
/// Bytes of a continue token.
pub const MAX_CONTINUE_BYTES: usize = 16 * 1024;
/// Times one request is sent.
pub const MAX_TRIES: u32 = 4;
/// Times a server that does not answer at all is asked.
pub const MAX_CONNECTION_TRIES: u32 = 2;
/// Longest wait that `Retry-After` may ask for.
pub const MAX_RETRY_AFTER: Duration = Duration::from_secs(30);
/// Waits for retries, all of one cluster together.
pub const MAX_RETRY_WAIT: Duration = Duration::from_secs(120);
/// API servers that are asked one by one.
pub const MAX_REPLICAS: usize = 16;
/// Direct addresses that may fail before the rest is not tried.
pub const MAX_DIRECT_FAILURES: usize = 2;
/// Samples of one address behind which several API servers stand.
pub const MAX_SAMPLES: usize = 12;
/// Samples of one address behind which there may be one API server or several.
pub const MIN_SAMPLES: usize = 4;
/// Containers, labels, images, addresses, volumes, roles: entries kept of one list inside an object.
pub const MAX_ENTRIES: usize = 128;
/// Pods kept of one cluster.
pub const MAX_PODS: usize = 500_000;
/// Token Secrets kept of one cluster.
pub const MAX_SECRETS: usize = 200_000;
/// Bytes of a reason.
pub const MAX_REASON_BYTES: usize = 300;
