//! The base64url segments of a token, to bytes and back.

use base64::Engine;
use base64::engine::general_purpose::NO_PAD;
use std::sync::LazyLock;

/// The quickest engine that this processor has; it reads and writes exactly what `URL_SAFE_NO_PAD` does.
#[cfg(any(target_arch = "x86_64", all(target_arch = "aarch64", target_feature = "neon")))]
static ENGINE: LazyLock<base64::engine::Simd> = LazyLock::new(|| base64::engine::Simd::url_safe(NO_PAD));

/// There is but one.
#[cfg(not(any(target_arch = "x86_64", all(target_arch = "aarch64", target_feature = "neon"))))]
static ENGINE: LazyLock<base64::engine::GeneralPurpose> =
    LazyLock::new(|| base64::engine::GeneralPurpose::new(&base64::alphabet::URL_SAFE, NO_PAD));

/// The bytes of a segment; `None`: it is not base64url without padding.
pub fn segment(text: &str) -> Option<Vec<u8>> {
    ENGINE.decode(text).ok()
}

/// Bytes as a segment.
pub fn to_segment(bytes: &[u8]) -> String {
    ENGINE.encode(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;

    #[test]
    fn it_reads_and_writes_what_the_plain_engine_does_and_nothing_else() {
        let bytes: Vec<u8> = (0..=255).chain(0..=255).collect();
        for length in 0..bytes.len() {
            assert_eq!(
                to_segment(&bytes[..length]),
                URL_SAFE_NO_PAD.encode(&bytes[..length]),
                "{length} bytes"
            );
        }
        let whole = URL_SAFE_NO_PAD.encode(&bytes);
        for length in 0..whole.len() {
            let text = &whole[..length];
            assert_eq!(segment(text), URL_SAFE_NO_PAD.decode(text).ok(), "{length} characters");
        }
        for at in 0..whole.len() {
            for strange in ["+", "/", "=", ".", " ", "\n", "\0", "\u{7f}"] {
                let text = [&whole[..at], strange, &whole[at + 1..]].concat();
                assert_eq!(segment(&text), None, "{strange:?} at {at}");
            }
        }
    }
}
