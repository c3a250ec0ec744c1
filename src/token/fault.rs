//! The faults a token can have, gravest first; their pages are `rules/checks/*.yaml`.

macro_rules! faults {
    ($($name:ident = $slug:literal,)*) => {
        /// A fault. The order is the order of gravity: of several, the first names the finding.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[allow(missing_docs)] // the slug says it, and its page says why
        pub enum Fault { $($name,)* }

        impl Fault {
            /// All faults, gravest first.
            pub const ALL: &[Fault] = &[$(Fault::$name,)*];

            /// The rule id.
            pub const fn slug(self) -> &'static str {
                match self { $(Fault::$name => $slug,)* }
            }
        }
    };
}

faults! {
    // critical
    AlgWeakSecret = "jwt-alg-weak-secret",
    CnfPrivateJwk = "jwt-cnf-private-jwk",
    CnfSymmetricJwk = "jwt-cnf-symmetric-jwk",
    DpopJwkPrivate = "dpop-jwk-private",
    PopKeyWithToken = "pop-key-with-token",
    // high
    AlgNone = "jwt-alg-none",
    DpopAlgNone = "dpop-alg-none",
    DpopAlgSymmetric = "dpop-alg-symmetric",
    PopKeyExposed = "pop-key-exposed",
    PopKeyShared = "pop-key-shared",
    RefreshExposed = "refresh-token-exposed",
    K8sLegacy = "k8s-legacy-sa-token",
    KidInjection = "jwt-kid-injection",
    CnfEmpty = "jwt-cnf-empty",
    CnfMalformed = "jwt-cnf-malformed",
    CnfThumbprintMalformed = "jwt-cnf-thumbprint-malformed",
    CnfUnknownMethod = "jwt-cnf-unknown-method",
    ScopeBroad = "jwt-scope-broad",
    AudWildcard = "jwt-aud-wildcard",
    MayActBroad = "delegation-may-act-broad",
    BearerWithCnf = "token-bearer-with-cnf",
    DpopKeyMismatch = "dpop-key-mismatch",
    DpopAthMismatch = "dpop-ath-mismatch",
    DpopJtiReuse = "dpop-jti-reuse",
    TokenReplayed = "token-replayed",
    NoExp = "jwt-no-exp",
    SamlSenderVouches = "saml-sender-vouches",
    SamlHokWithoutKey = "saml-hok-without-key",
    SamlNoExpiry = "saml-no-expiry",
    ExpFar = "jwt-exp-far",
    McpStaticBearer = "mcp-static-bearer",
    CacheCommitted = "token-cache-committed",
    // medium
    Unbound = "jwt-unbound",
    SamlBearer = "saml-bearer",
    CnfMultiple = "jwt-cnf-multiple",
    CnfSha1 = "jwt-cnf-sha1",
    CnfJku = "jwt-cnf-jku",
    TypeBearerResponse = "token-type-bearer-response",
    HeaderRemoteKey = "jwt-header-remote-key",
    HeaderEmbeddedJwk = "jwt-header-embedded-jwk",
    ExpUnitMs = "jwt-exp-unit-ms",
    ExpMalformed = "jwt-exp-malformed",
    SasLong = "sas-long-lived",
    K8sExtended = "k8s-sa-token-extended",
    InUrl = "token-in-url",
    IdAsAccess = "jwt-id-token-as-access",
    NestedToken = "jwt-nested-token",
    AlgDeprecated = "jwt-alg-deprecated",
    NoAud = "jwt-no-aud",
    SamlLong = "saml-long-validity",
    SamlNoAudience = "saml-no-audience",
    SamlUnsigned = "saml-unsigned",
    DpopMissingClaim = "dpop-missing-claim",
    DpopMissingAth = "dpop-missing-ath",
    DpopReplayedTarget = "dpop-proof-replayed-target",
    TokenShared = "token-reused-as-shared",
    JtiRepeated = "jti-repeated-across-tokens",
    TokenPassthrough = "agent-token-passthrough",
    // low
    TtlLong = "jwt-ttl-long",
    TokenTtlLong = "token-ttl-long",
    CnfKidOnly = "jwt-cnf-kid-only",
    AlgHmac = "jwt-alg-hmac",
    AudMultiple = "jwt-aud-multiple",
    NoIat = "jwt-no-iat",
    TimeInverted = "jwt-time-inverted",
    IatFuture = "jwt-iat-future",
    NoIss = "jwt-no-iss",
    NoJti = "jwt-no-jti",
    CritUnknown = "jwt-crit-unknown",
    PiiPayload = "jwt-pii-payload",
    TypConfusion = "jwt-typ-confusion",
    DelegationNoAct = "delegation-no-act",
    DpopTypMissing = "dpop-typ-missing",
    DpopHtuNotCanonical = "dpop-htu-not-canonical",
    DpopLifetime = "dpop-lifetime",
    DpopIatSkew = "dpop-iat-skew",
    // info
    DelegationChain = "delegation-chain",
    MalformedSignature = "jwt-malformed-signature",
    InImageLayer = "token-in-image-layer",
    InArtifact = "token-in-artifact",
    InTicket = "token-in-ticket",
    InCoreDump = "token-in-core-dump",
    InHistory = "token-in-history",
    InLog = "token-in-log",
}

impl Fault {
    /// The fault of that rule id.
    pub fn named(slug: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|fault| fault.slug() == slug)
    }

    /// Says where a token has got to rather than what is wrong with it: it never names a finding.
    pub const fn is_modifier(self) -> bool {
        matches!(
            self,
            Self::InImageLayer | Self::InArtifact | Self::InTicket | Self::InCoreDump | Self::InHistory | Self::InLog
        )
    }
}

/// A set of faults.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub struct Faults(u128);

const _: () = assert!(Fault::ALL.len() <= 128);

impl Faults {
    /// Adds one.
    pub fn insert(&mut self, fault: Fault) {
        self.0 |= 1 << fault as u32;
    }

    /// Adds one where the condition holds.
    pub fn insert_if(&mut self, condition: bool, fault: Fault) {
        if condition {
            self.insert(fault);
        }
    }

    /// Takes one out.
    pub fn remove(&mut self, fault: Fault) {
        self.0 &= !(1 << fault as u32);
    }

    /// Whether it is there.
    pub const fn contains(self, fault: Fault) -> bool {
        self.0 >> fault as u32 & 1 == 1
    }

    /// Both together.
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// The faults, gravest first.
    pub fn iter(self) -> impl Iterator<Item = Fault> {
        Fault::ALL.iter().copied().filter(move |f| self.contains(*f))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::Catalogue;

    #[test]
    fn every_fault_has_a_page_and_the_order_follows_the_pages() {
        let catalogue = Catalogue::embedded().unwrap_or_else(|e| panic!("{e}"));
        let mut last = None;
        for fault in Fault::ALL {
            let check = catalogue.check(fault.slug()).unwrap_or_else(|| panic!("no page for {}", fault.slug()));
            if let Some((slug, severity)) = last {
                assert!(severity >= check.severity, "{slug} stands before {}", fault.slug());
            }
            last = Some((fault.slug(), check.severity));
        }
        for check in catalogue.checks().into_iter().filter(|c| c.audit == "token") {
            assert!(Fault::ALL.iter().any(|f| f.slug() == check.slug), "{} has a page and no fault", check.slug);
        }
    }
}
