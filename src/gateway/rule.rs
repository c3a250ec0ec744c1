//! The rules of the gateway audit; their pages are `rules/checks/*.yaml`.

/// A rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rule {
    /// Clients can make up a header that the upstream takes for the gateway's word.
    Spoofable,
    /// The upstream never sees the certificate.
    Stripped,
    /// Nobody asks for the certificate that is to be passed on.
    NotRequested,
    /// It is passed on in a form that can't be read.
    Malformed,
    /// What is passed on of it can't be compared with a token's binding.
    Weak,
    /// What does not verify is passed on as if it did.
    Unverified,
    /// DPoP proofs don't reach the upstream, or don't fit the request that does.
    DpopBroken,
    /// Tokens and proofs are written to a log.
    Logged,
}

impl Rule {
    /// All rules.
    pub const ALL: [Self; 8] = [
        Self::Spoofable,
        Self::Stripped,
        Self::NotRequested,
        Self::Malformed,
        Self::Weak,
        Self::Unverified,
        Self::DpopBroken,
        Self::Logged,
    ];

    /// The rule id.
    pub const fn slug(self) -> &'static str {
        match self {
            Self::Spoofable => "client-cert-spoofable",
            Self::Stripped => "client-cert-stripped",
            Self::NotRequested => "client-cert-not-requested",
            Self::Malformed => "client-cert-malformed",
            Self::Weak => "client-cert-weak",
            Self::Unverified => "client-cert-unverified",
            Self::DpopBroken => "dpop-broken",
            Self::Logged => "credentials-logged",
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
            assert!(catalogue.check(rule.slug()).is_some_and(|c| c.audit == "gateway"), "no page for {}", rule.slug());
        }
        for check in catalogue.checks().into_iter().filter(|check| check.audit == "gateway") {
            assert!(Rule::ALL.iter().any(|rule| rule.slug() == check.slug), "{} has a page and no rule", check.slug);
        }
    }
}
