//! Signature algorithms of JWS that a Kubernetes API server signs or accepts.

/// A JWS `alg`. Nothing else is accepted: not `none`, not HMAC, not RSA-PSS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Algorithm {
    /// RSA PKCS#1 v1.5 with SHA-256; the one RSA keys sign with.
    Rs256,
    /// RSA PKCS#1 v1.5 with SHA-384; verified only.
    Rs384,
    /// RSA PKCS#1 v1.5 with SHA-512; verified only.
    Rs512,
    /// ECDSA on P-256 with SHA-256.
    Es256,
    /// ECDSA on P-384 with SHA-384.
    Es384,
    /// ECDSA on P-521 with SHA-512.
    Es512,
}

impl Algorithm {
    /// The name in a JWS header.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Rs256 => "RS256",
            Self::Rs384 => "RS384",
            Self::Rs512 => "RS512",
            Self::Es256 => "ES256",
            Self::Es384 => "ES384",
            Self::Es512 => "ES512",
        }
    }

    /// Whether it signs a SHA-256.
    pub const fn is_over_sha256(self) -> bool {
        matches!(self, Self::Rs256 | Self::Es256)
    }

    /// The algorithm of that name; `None` for one that is never accepted.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Rs256, Self::Rs384, Self::Rs512, Self::Es256, Self::Es384, Self::Es512]
            .into_iter()
            .find(|a| a.name() == name)
    }
}
