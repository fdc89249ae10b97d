//! Whether a key is needed by a token that never expires.

use crate::store::{Key, Store};
use base64::{Engine, engine::general_purpose::STANDARD, engine::general_purpose::URL_SAFE_NO_PAD};
use jeton_core::claims;
use serde_json::Value;

/// Whether a Secret holds a token that the key of this id signed. One that cannot be read counts, so that a key is
/// never given up by mistake.
pub(super) fn by_secret(store: &dyn Store, id: &str) -> bool {
    let secrets = Key::prefix_all("core/secrets");
    let holders: Vec<Key> = store.index().read(|view| {
        let rows = view.rows(&secrets);
        rows.filter(|(_, row)| row.token_digest.is_some()).map(|(key, _)| key).collect()
    });
    holders.iter().any(|key| match store.get(key) {
        Ok(Some(stored)) => signed_by(&stored.body).is_none_or(|signer| signer == id),
        Ok(None) => false,
        Err(error) => {
            tracing::error!(error = &error as &dyn std::error::Error, %key, "a Secret cannot be read");
            true
        }
    })
}

/// The key id of the token in a Secret; `None`: it cannot be told. A token without a key id verifies under any key.
fn signed_by(body: &[u8]) -> Option<String> {
    let secret: Value = serde_json::from_slice(body).ok()?;
    let token = STANDARD.decode(secret["data"]["token"].as_str()?).ok()?;
    let head = token.split(|byte| *byte == b'.').next()?;
    let header = claims::header(&URL_SAFE_NO_PAD.decode(head).ok()?)?;
    Some(header.kid).filter(|id| !id.is_empty())
}
