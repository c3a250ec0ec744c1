//! The decoders that a family can name, by their words in rule files; `token::decode` has what they do.

/// Named decoders that read facts from the token itself; see `token::decode`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decoder {
    /// A JWT stands after the prefix.
    PrefixedJwt,
    /// Azure shared access signature: `st`, `se`.
    AzureSas,
    /// AWS presigned request: `X-Amz-Date`, `X-Amz-Expires`.
    AwsPresigned,
    /// Amazon Bedrock, short term: a presigned request in base64.
    Bedrock,
    /// Amazon Bedrock, long term: base64 of user and secret.
    BedrockKey,
    /// Macaroon packets, either version.
    Macaroon,
    /// Fly.io's macaroons.
    Fly,
    /// Biscuit blocks.
    Biscuit,
    /// PASETO.
    Paseto,
    /// JFrog reference token.
    JfrogReference,
    /// Sentry organization token.
    SentryOrg,
    /// Grafana Cloud token, or API key of old.
    Grafana,
    /// 1Password service account token.
    OnePassword,
    /// Discord bot token.
    Discord,
    /// GitLab's routable payload.
    GitlabRoutable,
    /// The body is base64.
    Base64,
}

impl Decoder {
    /// Where the token keeps its expiry, in Markdown; `None` for decoders that only prove.
    pub(super) const fn expiry(self) -> Option<&'static str> {
        match self {
            Self::PrefixedJwt => Some("`exp` of the JWT in it, if it has one"),
            Self::AzureSas => Some("`se`"),
            Self::AwsPresigned | Self::Bedrock => Some("`X-Amz-Date` and `X-Amz-Expires`"),
            Self::Macaroon => Some("its caveats, if they have one"),
            Self::Fly => Some("its windows of validity, if it has any"),
            Self::Biscuit => Some("its checks of the time, if it has any"),
            Self::Paseto => Some("`exp`, if it is a public token"),
            Self::JfrogReference => Some("its third part"),
            Self::BedrockKey
            | Self::SentryOrg
            | Self::Grafana
            | Self::OnePassword
            | Self::Discord
            | Self::GitlabRoutable
            | Self::Base64 => None,
        }
    }

    /// Every decoder with its word in rule files.
    pub const WORDS: &[(&str, Self)] = &[
        ("prefixed-jwt", Self::PrefixedJwt),
        ("azure-sas", Self::AzureSas),
        ("aws-presigned", Self::AwsPresigned),
        ("bedrock", Self::Bedrock),
        ("bedrock-key", Self::BedrockKey),
        ("macaroon", Self::Macaroon),
        ("fly", Self::Fly),
        ("biscuit", Self::Biscuit),
        ("paseto", Self::Paseto),
        ("jfrog-reference", Self::JfrogReference),
        ("sentry-org", Self::SentryOrg),
        ("grafana", Self::Grafana),
        ("one-password", Self::OnePassword),
        ("discord", Self::Discord),
        ("gitlab-routable", Self::GitlabRoutable),
        ("base64", Self::Base64),
    ];
}
