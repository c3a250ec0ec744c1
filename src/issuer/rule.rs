//! The rules of the issuer audit; their pages are `rules/checks/*.yaml`.

/// A rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rule {
    /// Access tokens are bound to no key.
    Unbound,
    /// Access tokens live too long.
    TtlLong,
    /// Public clients get refresh tokens that are neither bound nor used once.
    RefreshPublic,
    /// Refresh tokens are used more than once.
    RotationOff,
    /// A used refresh token is accepted for too long.
    RotationLeeway,
    /// Old keys stay valid for too long beside new ones.
    KeyOverlap,
    /// DPoP proofs are accepted for too long.
    DpopWindow,
    /// The issuer offers algorithms for DPoP proofs that prove nothing.
    DpopAlgorithm,
    /// A resource server looks at no binding.
    CheckOff,
    /// A resource server takes tokens without a proof, too.
    BearerFallback,
    /// DPoP proofs can be sent twice.
    ReplayCacheOff,
    /// Client certificates live too long.
    CertificateLong,
    /// A public client's key for proofs can be read by scripts.
    SoftwareKey,
}

impl Rule {
    /// All rules.
    pub const ALL: [Self; 13] = [
        Self::Unbound,
        Self::TtlLong,
        Self::RefreshPublic,
        Self::RotationOff,
        Self::RotationLeeway,
        Self::KeyOverlap,
        Self::DpopWindow,
        Self::DpopAlgorithm,
        Self::CheckOff,
        Self::BearerFallback,
        Self::ReplayCacheOff,
        Self::CertificateLong,
        Self::SoftwareKey,
    ];

    /// The rule id.
    pub const fn slug(self) -> &'static str {
        match self {
            Self::Unbound => "issuer-unbound",
            Self::TtlLong => "issuer-ttl-long",
            Self::RefreshPublic => "refresh-token-public-client",
            Self::RotationOff => "refresh-rotation-off",
            Self::RotationLeeway => "refresh-rotation-leeway-long",
            Self::KeyOverlap => "key-rotation-overlap-long",
            Self::DpopWindow => "dpop-iat-window-wide",
            Self::DpopAlgorithm => "issuer-metadata-dpop-symmetric-alg",
            Self::CheckOff => "rs-binding-check-off",
            Self::BearerFallback => "legacy-bearer-fallback",
            Self::ReplayCacheOff => "dpop-replay-cache-off",
            Self::CertificateLong => "client-cert-long-lived",
            Self::SoftwareKey => "public-client-software-key",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::Catalogue;

    #[test]
    fn every_rule_has_a_page() {
        let catalogue = Catalogue::embedded().unwrap_or_else(|e| panic!("{e}"));
        for rule in Rule::ALL {
            assert!(catalogue.check(rule.slug()).is_some_and(|c| c.audit == "issuer"), "no page for {}", rule.slug());
        }
        for check in catalogue.checks().into_iter().filter(|check| check.audit == "issuer") {
            assert!(Rule::ALL.iter().any(|rule| rule.slug() == check.slug), "{} has a page and no rule", check.slug);
        }
    }
}
