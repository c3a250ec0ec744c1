//! What a configuration says about tokens beyond its directives: whether anybody behind it uses DPoP, OAuth, or takes
//! tokens from the query. Comments count: they say what a service is for.

use super::files::Files;

/// What was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Evidence {
    /// DPoP is spoken of.
    pub(super) dpop: bool,
    /// OAuth, tokens or bindings are spoken of.
    pub(super) oauth: bool,
    /// A token is taken from the query.
    pub(super) query_token: bool,
}

/// Words that speak of DPoP, in any case.
const DPOP: &[&str] = &["dpop", "cnf.jkt"];
/// Words that speak of OAuth or of tokens.
const OAUTH: &[&str] = &[
    // Not `token` by itself: nginx and Apache have `server_tokens`.
    "oauth",
    "openid",
    "oidc",
    "jwt",
    "bearer",
    "introspect",
    "x5t",
    "cnf",
    "access_token",
    "access-token",
    " token",
    "jwks",
    "certificate-bound",
    "certificate_bound",
    "sender-constrained",
    "rfc8705",
    "rfc 8705",
    "fapi",
];
/// Who may do something: a word of OAuth, unless it is the name of a service, or said to be nothing or another scheme.
const AUTHORIZATION: &str = "authorization";
/// Words that take a token from the query (RFC 6750, section 2.3).
const QUERY: &[&str] = &["arg_access_token", "access_token=", "urlp(access_token)", "url_param(access_token)"];

impl Evidence {
    /// What these texts say.
    pub(super) fn of(files: &Files, numbers: &[u32]) -> Self {
        let mut evidence = Self::default();
        for number in numbers.iter().flat_map(|number| std::iter::once(number).chain(files.get(*number).sources())) {
            let text = files.get(*number).text.to_ascii_lowercase();
            let says = |words: &[&str]| {
                words.iter().any(|word| memchr::memmem::find(text.as_bytes(), word.as_bytes()).is_some())
            };
            evidence.dpop |= says(DPOP);
            evidence.oauth |= says(OAUTH) || authorizes(&text);
            evidence.query_token |= says(QUERY);
        }
        evidence
    }

    /// Whether tokens are spoken of at all.
    pub(super) const fn any(self) -> bool {
        self.dpop || self.oauth || self.query_token
    }
}

/// Whether a text, in lower case, speaks of authorization as OAuth knows it. API Gateway says with the word that there is none
/// (`authorization = "NONE"`) or that requests are signed (`AWS_IAM`), and Azure calls a service by it.
fn authorizes(text: &str) -> bool {
    memchr::memmem::find_iter(text.as_bytes(), AUTHORIZATION).any(|at| {
        let rest = &text[at + AUTHORIZATION.len()..];
        let rest = rest.strip_prefix("_type").or(rest.strip_prefix("type")).unwrap_or(rest);
        let value = rest.trim_start_matches([' ', '\t', '"', '\'', ':', '=']);
        let other = ["none", "aws_iam"].iter().any(|scheme| value.starts_with(scheme)) && value.len() < rest.len();
        !other && !text[..at].ends_with("microsoft.")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_authorization_is_no_evidence() {
        let says = |text: &str| Evidence::of(&Files::of(&[("main.tf", text)]), &[0]).any();
        assert!(!says("authorization = \"NONE\"\nauthorization_type = \"AWS_IAM\"\n\"AuthorizationType\": \"NONE\"\n"));
        assert!(!says(
            "AuthorizationType: NONE\nresource a 'Microsoft.Authorization/roleAssignments@2022-04-01' = {}\n"
        ));
        assert!(says("authorization = \"NONE\"\nauthorization = \"CUSTOM\"\n"));
        assert!(says("proxy_set_header Authorization $http_authorization;"));
    }
}
