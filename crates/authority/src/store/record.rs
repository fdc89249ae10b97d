//! The bytes of one entry in the file. Each carries a checksum over its key and content, because the database trusts
//! its pages: a flipped bit in a row would silently change who is revoked. Format version 1.

use std::sync::Arc;

use aws_lc_rs::digest::{Context, SHA256};
use uuid::Uuid;

use super::Stored;
use super::error::StoreError;
use super::index::IndexRow;

const CHECK_BYTES: usize = 8;
const REVISION_BYTES: usize = 8;

const DELETION: u8 = 1;
const ACCOUNT: u8 = 2;
const NODE: u8 = 4;
const DIGEST: u8 = 8;
const TERMINATING: u8 = 16;
const KNOWN_FLAGS: u8 = 31;

/// Checksum, revision, body.
pub(super) fn encode_object(key: &str, revision: u64, body: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(CHECK_BYTES + REVISION_BYTES + body.len());
    out.extend_from_slice(&[0; CHECK_BYTES]);
    out.extend_from_slice(&revision.to_le_bytes());
    out.extend_from_slice(body);
    seal(key, out)
}

pub(super) fn decode_object(key: &str, bytes: &[u8]) -> Result<Stored, StoreError> {
    let content = unseal(key, bytes)?;
    let (revision, body) = content.split_first_chunk().ok_or_else(|| damaged(key))?;
    Ok(Stored { body: Arc::from(body), revision: u64::from_le_bytes(*revision) })
}

/// Checksum, flags, uid, then what the flags announce.
pub(super) fn encode_row(key: &str, row: &IndexRow) -> Vec<u8> {
    let flags = [
        (row.deletion.is_some(), DELETION),
        (row.account.is_some(), ACCOUNT),
        (row.node.is_some(), NODE),
        (row.token_digest.is_some(), DIGEST),
        (row.terminating, TERMINATING),
    ];
    let mut out = vec![0; CHECK_BYTES];
    out.push(flags.iter().filter(|(set, _)| *set).map(|(_, bit)| bit).sum());
    out.extend_from_slice(row.uid.as_bytes());
    if let Some(deletion) = row.deletion {
        out.extend_from_slice(&deletion.to_le_bytes());
    }
    for name in [&row.account, &row.node].into_iter().flatten() {
        // A name has at most `ROW_NAME_MAX_BYTES`, which was checked when the transaction came in.
        out.extend_from_slice(&(name.len() as u16).to_le_bytes());
        out.extend_from_slice(name.as_bytes());
    }
    if let Some(digest) = &row.token_digest {
        out.extend_from_slice(digest);
    }
    seal(key, out)
}

pub(super) fn decode_row(key: &str, bytes: &[u8]) -> Result<IndexRow, StoreError> {
    parse_row(unseal(key, bytes)?).ok_or_else(|| damaged(key))
}

fn parse_row(mut bytes: &[u8]) -> Option<IndexRow> {
    let [flags] = take(&mut bytes)?;
    if flags & !KNOWN_FLAGS != 0 {
        return None;
    }
    let has = |bit| flags & bit != 0;
    let row = IndexRow {
        uid: Uuid::from_bytes(take(&mut bytes)?),
        deletion: if has(DELETION) { Some(i64::from_le_bytes(take(&mut bytes)?)) } else { None },
        account: if has(ACCOUNT) { Some(take_name(&mut bytes)?) } else { None },
        node: if has(NODE) { Some(take_name(&mut bytes)?) } else { None },
        token_digest: if has(DIGEST) { Some(take(&mut bytes)?) } else { None },
        terminating: has(TERMINATING),
    };
    bytes.is_empty().then_some(row)
}

fn take<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
    let (head, rest) = bytes.split_first_chunk()?;
    *bytes = rest;
    Some(*head)
}

fn take_name(bytes: &mut &[u8]) -> Option<Arc<str>> {
    let length = usize::from(u16::from_le_bytes(take(bytes)?));
    let (head, rest) = bytes.split_at_checked(length)?;
    *bytes = rest;
    Some(Arc::from(std::str::from_utf8(head).ok()?))
}

fn seal(key: &str, mut out: Vec<u8>) -> Vec<u8> {
    let check = checksum(key, &out[CHECK_BYTES..]);
    out[..CHECK_BYTES].copy_from_slice(&check);
    out
}

fn unseal<'a>(key: &str, bytes: &'a [u8]) -> Result<&'a [u8], StoreError> {
    let (check, content) = bytes.split_first_chunk::<CHECK_BYTES>().ok_or_else(|| damaged(key))?;
    if *check != checksum(key, content) { Err(damaged(key)) } else { Ok(content) }
}

fn checksum(key: &str, content: &[u8]) -> [u8; CHECK_BYTES] {
    let mut context = Context::new(&SHA256);
    context.update(&(key.len() as u64).to_le_bytes());
    context.update(key.as_bytes());
    context.update(content);
    let mut out = [0; CHECK_BYTES];
    out.copy_from_slice(&context.finish().as_ref()[..CHECK_BYTES]);
    out
}

fn damaged(key: &str) -> StoreError {
    StoreError::damaged(format!("the entry of {key} does not match its checksum"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows() -> Vec<IndexRow> {
        let plain = IndexRow {
            uid: Uuid::from_u128(7),
            deletion: None,
            account: None,
            node: None,
            token_digest: None,
            terminating: false,
        };
        vec![
            IndexRow { deletion: Some(-1), terminating: true, ..plain.clone() },
            IndexRow { account: Some("a".into()), node: Some("n".into()), ..plain.clone() },
            IndexRow { node: Some("n".into()), token_digest: Some([9; 32]), ..plain.clone() },
            plain,
        ]
    }

    #[test]
    fn entries_come_back_and_no_flipped_bit_does() {
        for row in rows() {
            let bytes = encode_row("k", &row);
            assert_eq!(decode_row("k", &bytes).unwrap(), row);
            assert!(decode_row("other", &bytes).is_err(), "a row moved to another key");
            for bit in 0..bytes.len() * 8 {
                let mut bad = bytes.clone();
                bad[bit / 8] ^= 1 << (bit % 8);
                assert!(matches!(decode_row("k", &bad), Err(StoreError::Damaged { .. })), "bit {bit}");
            }
            for cut in 0..bytes.len() {
                assert!(decode_row("k", &bytes[..cut]).is_err());
            }
        }
        let object = decode_object("k", &encode_object("k", 5, b"body")).unwrap();
        assert_eq!((&*object.body, object.revision), (&b"body"[..], 5));
        assert!(decode_object("k", &[0; 12]).is_err());
    }

    #[test]
    fn a_row_with_a_right_checksum_still_must_parse() {
        let good = encode_row("k", &rows()[1]);
        let content = &good[CHECK_BYTES..];
        let unknown_flag = [&[0x80], &content[1..]].concat();
        let trailing = [content, b"x"].concat();
        for content in [&unknown_flag[..], &trailing, &content[..content.len() - 1], &[]] {
            let bytes = seal("k", [&[0; CHECK_BYTES], content].concat());
            assert!(matches!(decode_row("k", &bytes), Err(StoreError::Damaged { .. })));
        }
    }
}
