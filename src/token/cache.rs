//! Where SDKs and command lines keep the tokens they got. That such a file is there at all is a finding: it is filled
//! anew with every sign-in, whatever is taken out of it today.

use super::escape::TOKEN68;
use crate::syntax::json::{self, Value};

macro_rules! caches {
    ($($name:ident = $title:literal, $sign_out:literal;)*) => {
        /// Whose token cache a file is.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[allow(missing_docs)] // the title says it
        pub enum Cache { $($name,)* }

        impl Cache {
            /// Whose it is, as it stands in a sentence.
            pub const fn title(self) -> &'static str {
                match self { $(Self::$name => $title,)* }
            }

            /// How its tokens are ended, imperative.
            pub const fn sign_out(self) -> &'static str {
                match self { $(Self::$name => $sign_out,)* }
            }
        }
    };
}

caches! {
    AzureCli = "the Azure CLI", "Run `az logout` and revoke the user's sign-in sessions in Entra ID";
    Msal = "MSAL", "Sign out and revoke the user's sign-in sessions in Entra ID";
    AwsSso = "AWS IAM Identity Center", "Run `aws sso logout`";
    AwsCli = "the AWS CLI", "Revoke the sessions of the role in IAM";
    Gcloud = "the Google Cloud CLI", "Run `gcloud auth revoke --all` and `gcloud auth application-default revoke`";
    Github = "the GitHub CLI", "Run `gh auth logout` and revoke the GitHub CLI under Settings, Applications";
    Claude = "Claude Code", "Sign out with `/logout` in Claude Code";
    Codex = "the Codex CLI", "Run `codex logout`";
    Kubelogin = "kubelogin", "Run `kubectl oidc-login clean` and end the session at the identity provider";
    VaultCli = "the Vault CLI", "Run `vault token revoke -self`";
    Terraform = "the Terraform CLI", "Run `terraform logout` and delete the token in HCP Terraform";
    Databricks = "the Databricks CLI", "Run `databricks auth logout` or delete the token in the workspace";
    Snowflake = "Snowflake's drivers", "End the user's sessions in Snowflake";
    Oci = "the OCI CLI", "Run `oci session terminate`";
    McpRemote = "mcp-remote", "Revoke the client at the authorization server of each MCP server";
    Browser = "a browser", "Sign out of the sites whose tokens it holds";
}

/// What a cache holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Content {
    /// Nothing that is a credential.
    Nothing,
    /// No entries: a cache all the same.
    Empty,
    /// Something.
    Something,
}

impl Cache {
    /// Whose cache the name says it is: the file's name and the folders before it (ending in `/`), lower case.
    pub(super) fn of(file: &str, folders: &str) -> Option<Self> {
        let within =
            |part: &str| folders.match_indices(part).any(|(at, _)| at == 0 || folders.as_bytes()[at - 1] == b'/');
        let json = file.ends_with(".json");
        Some(match file {
            "msal_token_cache.json" | "msal_token_cache.bin" if within(".azure/") => Self::AzureCli,
            "msal_token_cache.json" | "msal_token_cache.bin" | "msal.cache" | "msalcache.bin3" => Self::Msal,
            "accesstokens.json" if within(".azure/") => Self::AzureCli,
            _ if json && within(".aws/sso/cache/") => Self::AwsSso,
            _ if json && within(".aws/cli/cache/") => Self::AwsCli,
            "access_tokens.db" | "credentials.db" | "application_default_credentials.json" if within("gcloud/") => {
                Self::Gcloud
            }
            "adc.json" if within("gcloud/legacy_credentials/") => Self::Gcloud,
            "hosts.yml" if within("gh/") => Self::Github,
            ".credentials.json" if within(".claude/") => Self::Claude,
            "auth.json" if within(".codex/") => Self::Codex,
            _ if within(".kube/cache/oidc-login/") => Self::Kubelogin,
            ".vault-token" => Self::VaultCli,
            "credentials.tfrc.json" => Self::Terraform,
            ".databrickscfg" => Self::Databricks,
            "token-cache.json" if within(".databricks/") => Self::Databricks,
            "credential_cache_v1.json" if within("snowflake/") || within(".cache/snowflake/") => Self::Snowflake,
            "temporary_credential.json" if within("snowflake/") => Self::Snowflake,
            "token" if within(".oci/sessions/") => Self::Oci,
            _ if file.ends_with("_tokens.json") && within(".mcp-auth/") => Self::McpRemote,
            "login data" | "cookies.sqlite" | "cookies"
                if within("google-chrome/") || within("chromium/") || within("firefox/") =>
            {
                Self::Browser
            }
            _ if (file.ends_with(".ldb") || file.ends_with(".log")) && within("local storage/leveldb/") => {
                Self::Browser
            }
            _ => return None,
        })
    }

    /// What the beginning of the file says of its content.
    pub(super) fn content(self, head: &[u8]) -> Content {
        let text = head.trim_ascii();
        if text.is_empty() {
            return Content::Empty;
        }
        if let Some(value) = json::parse(text)
            && is_hollow(&value)
        {
            return Content::Empty;
        }
        // Encrypted, or a database.
        if head.iter().take(64).any(|b| b.is_ascii_control() && !b.is_ascii_whitespace()) {
            return Content::Something;
        }
        let has = |word: &&str| memchr::memmem::find(head, word.as_bytes()).is_some();
        // The tokens may lie in the system's key ring; other files of these names hold settings.
        let evidence = match self {
            Self::VaultCli => text.len() >= 16 && text.iter().all(|b| TOKEN68.has(*b)),
            _ => self.signs().iter().any(has),
        };
        if evidence { Content::Something } else { Content::Nothing }
    }

    /// What stands before the tokens, where the cache is readable.
    const fn signs(self) -> &'static [&'static str] {
        match self {
            Self::AzureCli | Self::Msal => &["\"secret\"", "\"accessToken\""],
            Self::AwsSso => &["\"accessToken\"", "\"clientSecret\""],
            Self::AwsCli => &["\"SessionToken\""],
            Self::Gcloud => &["\"refresh_token\""],
            Self::Github => &["oauth_token"],
            Self::Claude => &["\"accessToken\""],
            Self::Codex => &["\"access_token\"", "\"OPENAI_API_KEY\""],
            Self::Kubelogin => &["\"id_token\"", "\"refresh_token\""],
            Self::Terraform => &["\"token\""],
            Self::Databricks => &["token", "client_secret", "password"],
            Self::McpRemote => &["\"access_token\"", "\"refresh_token\""],
            Self::Oci => &["eyJ"],
            Self::Snowflake => &["\"tokens\"", "\"token\"", "ID_TOKEN", "MFA_TOKEN"],
            Self::VaultCli | Self::Browser => &[],
        }
    }
}

/// No string longer than a few characters stands anywhere in it.
fn is_hollow(value: &Value<'_>) -> bool {
    match value {
        Value::String(text) => text.len() < 16,
        Value::Array(items) => items.iter().all(is_hollow),
        Value::Object(members) => members.iter().all(|(_, value)| is_hollow(value)),
        Value::Hole => false,
        Value::Null | Value::Bool(_) | Value::Number(_) => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn caches_by_path() {
        for (folders, file, cache) in [
            ("home/.azure/", "msal_token_cache.json", Some(Cache::AzureCli)),
            ("", "msal_token_cache.json", Some(Cache::Msal)),
            (".aws/sso/cache/", "0123.json", Some(Cache::AwsSso)),
            ("x/.config/gh/", "hosts.yml", Some(Cache::Github)),
            ("x/high/", "hosts.yml", None),
            ("", "hosts.yml", None),
            ("root/.claude/", ".credentials.json", Some(Cache::Claude)),
            ("root/.claude/", "settings.json", None),
            ("", ".vault-token", Some(Cache::VaultCli)),
        ] {
            assert_eq!(Cache::of(file, folders), cache, "{folders}{file}");
        }
    }

    #[test]
    fn caches_by_content() {
        for (cache, text, content) in [
            (Cache::AzureCli, "{\"AccessToken\": {}, \"RefreshToken\": {}}", Content::Empty),
            (Cache::AzureCli, " \n", Content::Empty),
            (Cache::AzureCli, "\u{1}\u{0}binary", Content::Something),
            (Cache::AzureCli, "{\"settings\": \"whatever stands here\"}", Content::Nothing),
            (Cache::VaultCli, "two words\n", Content::Nothing),
            (Cache::VaultCli, "s.0123456789abcdef\n", Content::Something),
            (Cache::Github, "github.com:\n  user: jane\n", Content::Nothing),
            (
                Cache::Gcloud,
                "{\"type\": \"external_account\", \"audience\": \"//iam.googleapis.com/x\"}",
                Content::Nothing,
            ),
            (Cache::Gcloud, "SQLite format 3\u{0}", Content::Something),
        ] {
            assert_eq!(cache.content(text.as_bytes()), content, "{text}");
        }
    }
}
