//! Named decoders: families whose tokens carry facts of their own, expiry above all. Each is total (any bytes are normal
//! input), bounded by the length of the token, and says how far it proves the candidate on the way.

mod biscuit;
mod fly;
mod jfrog;
mod json_body;
mod jwt;
mod macaroon;
mod paseto;
mod routable;
mod signed_url;
mod snowflake;
mod time;

use super::facts::Facts;
use super::intern::Interner;
use crate::rules::Decoder;

/// What reading a candidate says about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Proof {
    /// It is no token of the family.
    Refuted,
    /// Nothing speaks against it; randomness and context have to tell.
    Fits,
    /// It holds what only a token of the family holds.
    Proven,
}

impl Proof {
    /// Proven or refuted.
    const fn of(holds: bool) -> Self {
        if holds { Self::Proven } else { Self::Refuted }
    }
}

/// Reads what `token` (canonical, prefix included) says of itself into `facts`.
pub fn decode(decoder: Decoder, token: &[u8], facts: &mut Facts, intern: &mut Interner) -> Proof {
    match decoder {
        Decoder::PrefixedJwt => jwt::prefixed(token, facts, intern),
        Decoder::AzureSas => Proof::of(signed_url::azure_sas(token, facts)),
        Decoder::AwsPresigned => Proof::of(signed_url::aws_presigned(token, facts)),
        Decoder::Bedrock => Proof::of(signed_url::bedrock(token, facts)),
        Decoder::Macaroon => Proof::of(macaroon::read(token, facts, intern).is_some()),
        Decoder::Fly => fly::read(token, facts),
        Decoder::Biscuit => Proof::of(biscuit::read(token, facts).is_some()),
        Decoder::Paseto => paseto::read(token, facts, intern),
        Decoder::JfrogReference => Proof::of(jfrog::read(token, facts).is_some()),
        Decoder::SentryOrg => Proof::of(json_body::sentry(token, facts, intern).is_some()),
        Decoder::Grafana => Proof::of(json_body::grafana(token, facts).is_some()),
        Decoder::OnePassword => Proof::of(json_body::one_password(token, facts, intern).is_some()),
        Decoder::BedrockKey => Proof::of(json_body::bedrock_key(token, facts).is_some()),
        Decoder::Discord => Proof::of(snowflake::read(token, facts).is_some()),
        Decoder::GitlabRoutable => routable::read(token, facts),
        Decoder::Base64 => json_body::long_base64(token),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::finding::Confidence;
    use crate::token::facts::Kind;

    pub(super) fn facts() -> Facts {
        Facts::opaque(0, Kind::Opaque, Confidence::High)
    }

    fn decoders() -> impl Strategy<Value = Decoder> {
        prop::sample::select(Decoder::WORDS.iter().map(|(_, decoder)| *decoder).collect::<Vec<_>>())
    }

    proptest! {
        #[test]
        fn any_bytes_are_normal_input(decoder in decoders(), bytes in prop::collection::vec(any::<u8>(), 0..400)) {
            decode(decoder, &bytes, &mut facts(), &mut Interner::default());
        }

        /// Text that gets past the first tests more often than chance does.
        #[test]
        fn lookalikes_are_normal_input(
            decoder in decoders(),
            prefix in prop::sample::select(vec![
                "", "v4.public.", "v2.local.", "fm2_", "fm1r_", "fo1_", "biscuit:", "pypi-", "AgE", "MDAx", "0201", "ghs_1_", "sntrys_",
                "glc_", "ops_", "ABSK", "bedrock-api-key-", "cmVmdGtu", "glpat-", "sv=1&se=", "eyJrIjoi",
            ]),
            body in prop::collection::vec(any::<u8>(), 0..300),
            raw in "[A-Za-z0-9_.,=-]{0,200}",
            encode in any::<bool>(),
        ) {
            use base64::Engine as _;
            let body = if encode { crate::token::jose::BASE64URL.encode(&body) } else { raw };
            decode(decoder, format!("{prefix}{body}").as_bytes(), &mut facts(), &mut Interner::default());
        }
    }
}
