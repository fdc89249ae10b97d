//! Only the local signer and the certificate maker name a private key (invariant 3): a reader who wants to
//! know what can leak one reads two files.

use super::Problem;
use crate::source;
use crate::workspace::File;

/// The files that may, each with what it does with one.
const ALLOWED: [&str; 2] = ["crates/authority/src/signer/local.rs", "crates/authority/src/pki.rs"];

/// Folders of those modules once they grow into several files.
const ALLOWED_FOLDERS: [&str; 2] = ["crates/authority/src/signer/local/", "crates/authority/src/pki/"];

/// Types of the cryptography libraries that hold a private key.
const PRIVATE: [&str; 8] = [
    "RsaKeyPair",
    "EcdsaKeyPair",
    "Ed25519KeyPair",
    "KeyPair",
    "PrivateKey",
    "PrivateDecryptingKey",
    "PrivatePkcs8KeyDer",
    "PrivatePkcs1KeyDer",
];

/// Shipped code elsewhere that names one.
pub(super) fn check(files: &[File]) -> Vec<Problem> {
    let mut found = Vec::new();
    for file in files.iter().filter(|f| f.path.starts_with("crates/") && f.path.ends_with(".rs")) {
        let allowed = ALLOWED.contains(&file.path.as_str())
            || ALLOWED_FOLDERS.iter().any(|folder| file.path.starts_with(folder))
            || source::is_test_file(&file.path);
        if allowed {
            continue;
        }
        let code = source::code_only(&file.text);
        for (line, word) in source::identifiers(source::without_tests(&code)) {
            if PRIVATE.contains(&word) {
                found.push(Problem::at(
                    &file.path,
                    line,
                    format!("`{word}` may be named only in {}", ALLOWED.join(" and ")),
                ));
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_private_key_elsewhere_is_found() {
        let text = "use aws_lc_rs::rsa::KeyPair;\n";
        for (path, count) in [
            ("crates/authority/src/api/router.rs", 1),
            ("crates/authority/src/pki.rs", 0),
            ("crates/authority/src/signer/local.rs", 0),
            ("crates/authority/src/api/tests.rs", 0),
            ("e2e/src/lib.rs", 0),
        ] {
            let files = [File { path: path.to_owned(), text: text.to_owned() }];
            assert_eq!(check(&files).len(), count, "{path}");
        }
    }
}
