//! Named maxima of a token's life, each with its unit.
//!
//! Purpose: one place to read and to list in the reference. Limits of the network and of storage
//! stand beside the code that enforces them, in the authority.

/// Seconds a TokenRequest asks for when it names no lifetime. Kubernetes 1.36: 3600.
pub const DEFAULT_LIFETIME_SECONDS: i64 = 3600;
/// Shortest lifetime a TokenRequest may ask for, in seconds. Kubernetes 1.36: 600.
pub const MIN_LIFETIME_SECONDS: i64 = 600;
/// Longest lifetime a TokenRequest may ask for, in seconds, itself allowed. Kubernetes 1.36: 2^32.
pub const MAX_LIFETIME_SECONDS: i64 = 1 << 32;
/// The lifetime, in seconds, that admission writes into injected volumes, and that asks for an
/// extension when it comes back in a pod-bound request. Kubernetes 1.36: 3607.
pub const INJECTED_LIFETIME_SECONDS: i64 = 3607;
/// Seconds an extended token lives. Kubernetes 1.36: 365 days.
pub const EXTENDED_LIFETIME_SECONDS: i64 = 365 * 24 * 3600;
/// Seconds of clock difference forgiven for `exp`, `nbf`, `iat` and deletion times. Kubernetes 1.36: 60.
pub const LEEWAY_SECONDS: i64 = 60;
/// Smallest `--service-account-max-token-expiration` other than 0, in seconds. Kubernetes 1.36: 1 h.
pub const MIN_MAX_TOKEN_EXPIRATION_SECONDS: i64 = 3600;
/// Longest token, in bytes, that is looked at. An issued token is about 1 KiB; one with many
/// audiences may be larger; HTTP headers end near 64 KiB.
pub const MAX_TOKEN_BYTES: usize = 64 * 1024;
/// Most audiences in one TokenRequest or TokenReview (Kubernetes sets no limit of its own).
pub const MAX_AUDIENCES: usize = 256;
/// Longest name of an object, in bytes. Kubernetes 1.36: 253.
pub const MAX_NAME_BYTES: usize = 253;
/// Longest DNS label, in bytes. Kubernetes 1.36: 63.
pub const MAX_LABEL_BYTES: usize = 63;
/// Tokens whose signature check is remembered, 16 bytes each: 4 MiB when all are in use.
pub const SEEN_SLOTS: usize = 1 << 18;
/// Remembered tokens that share a place; the oldest of them makes room.
pub const SEEN_WAYS: usize = 8;
/// Signing keys at once: the active one, one that waits, and those whose tokens still live.
pub const MAX_SIGNING_KEYS: usize = 64;
/// Seconds between a key's publication and its first signature when nothing is said: relying parties keep the JWKS
/// for so long. Kubernetes 1.36: `max-age=3600`.
pub const ACTIVATE_AFTER_SECONDS: i64 = 3600;
/// Longest time between a key's publication and its first signature, in seconds: one year.
pub const MAX_ACTIVATE_AFTER_SECONDS: i64 = 365 * 24 * 3600;
/// Longest element of a path inside a volume, in bytes. Kubernetes 1.36 (atomic writer): 255.
pub const MAX_VOLUME_NAME_BYTES: usize = 255;
/// Longest path inside a volume, in bytes. Kubernetes 1.36 (atomic writer): 4096.
pub const MAX_VOLUME_PATH_BYTES: usize = 4096;
/// Most elements of a path inside a volume (Kubernetes has no number): what is nested deeper than a program reads and
/// removes would stay for ever.
pub const MAX_VOLUME_PATH_ELEMENTS: usize = 32;
/// Most files in one volume (Kubernetes has no number; its limit is the size of the objects).
pub const MAX_VOLUME_FILES: usize = 4096;
/// Most bytes in one volume; a Secret or ConfigMap of Kubernetes 1.36 has at most 1 MiB, and a volume may hold several.
pub const MAX_VOLUME_BYTES: usize = 16 * 1024 * 1024;
/// The lifetime, in seconds, from which on a token is refreshed as if it had this one: 80 % of it is 24 h.
pub const MAX_REFRESH_LIFETIME_SECONDS: i64 = 30 * 3600;
/// Longest pause, in seconds, between two attempts to refresh a token.
pub const MAX_RETRY_SECONDS: i64 = 60;
