//! Microsoft Azure: Application Gateway, App Service and API Management, as Terraform, Bicep and templates of Azure Resource
//! Manager declare them, and policies of API Management in files of their own.
//!
//! Sources: the guides of the three services ("Rewrite HTTP headers and URL with Application Gateway", "Configure TLS mutual
//! authentication", the policy reference), and the schema of the Terraform provider. Front Door asks for no certificates
//! and is left out.

mod application_gateway;
mod diagnostic;
mod policy;
mod site;

use super::files::Files;
use super::hop::{Cause, Form};
use super::rule::Rule;
use super::{Configuration, Detail, FrontEnd, cloud};
use crate::config::estate;

/// What templates call the services that are looked at, and settings of which there must be one for anything to be seen.
const TEMPLATES: &[(&str, &[&str])] = &[
    ("Microsoft.Network/applicationGateways", &["httpListeners"]),
    (
        "Microsoft.ApiManagement/service",
        &["policies", "diagnostics", "hostnameConfigurations", "enableClientCertificate"],
    ),
    ("Microsoft.Web/sites", &["clientCert"]),
];

/// Microsoft Azure.
#[derive(Debug)]
pub struct Azure;

impl FrontEnd for Azure {
    fn product(&self) -> &'static str {
        "azure"
    }

    fn recognises(&self, name: &str, text: &str) -> bool {
        let has = |word: &str| memchr::memmem::find(text.as_bytes(), word.as_bytes()).is_some();
        policy::is_policy(name, text)
            || (estate::is_bicep(name) || name.ends_with(".json") && estate::is_deployment(text))
                && TEMPLATES.iter().any(|(kind, words)| has(kind) && words.iter().any(|word| has(word)))
            || crate::config::terraform::is_terraform(name)
                && cloud::declares(
                    name,
                    text,
                    &[
                        "azurerm_application_gateway",
                        "azurerm_api_management",
                        "azurerm_linux_web_app",
                        "azurerm_windows_web_app",
                        "azurerm_linux_function_app",
                        "azurerm_windows_function_app",
                        "azurerm_app_service",
                    ],
                    &[],
                )
    }

    fn lower(&self, files: &Files, own: &[u32]) -> Vec<Configuration> {
        let mut all = cloud::configurations(files, own, |estate| {
            let mut parts = vec![
                application_gateway::configuration(estate),
                site::configuration(estate),
                diagnostic::configuration(estate),
            ];
            parts.extend(policy::configurations(estate));
            parts
        });
        all.extend(policy::of_files(files, own, &all));
        policy::guard(&mut all);
        all
    }

    fn reason(&self, rule: Rule, cause: Cause) -> &'static str {
        match (rule, cause) {
            (Rule::Stripped, Cause::Removed) => "azure-apim-cert-header-deleted",
            (Rule::Stripped, Cause::Mode) => "azure-apim-client-cert-not-forwarded",
            (Rule::Stripped, _) => "azure-appgw-client-cert-not-forwarded",
            (Rule::Spoofable, Cause::ClientWins | Cause::Appended) => "azure-apim-set-header-skip-append",
            (Rule::Spoofable, Cause::Conditional) => "azure-apim-set-header-conditional",
            (Rule::Spoofable, _) => "azure-cert-header-unguarded",
            (Rule::NotRequested, _) => "azure-client-cert-not-requested",
            (Rule::Malformed, _) => "azure-cert-malformed",
            (Rule::Weak, _) => "azure-cert-sha1-only",
            (Rule::Unverified, Cause::NotApplied) => "azure-appservice-cert-without-https-only",
            (Rule::Unverified, Cause::Conditional) => "azure-appservice-cert-exclusion-paths",
            (Rule::Unverified, _) => "azure-client-cert-unverified",
            (Rule::DpopBroken, Cause::Rewritten) => "azure-rewrite-htu",
            (Rule::DpopBroken, Cause::NotListed) => "azure-apim-cors-missing-dpop",
            (Rule::DpopBroken, _) => "azure-dpop-removed",
            (Rule::Logged, _) => "azure-apim-log-credentials",
        }
    }

    fn reason_in_detail(&self, rule: Rule, cause: Cause, detail: Detail) -> &'static str {
        match (rule, detail) {
            (Rule::Weak, Detail::Form(Form::Dn | Form::Serial)) => "azure-cert-dn-only",
            _ => self.reason(rule, cause),
        }
    }

    fn fix(&self, rule: Rule, cause: Cause, header: Option<&str>) -> String {
        let header = header.unwrap_or("X-Client-Cert");
        match (rule, cause) {
            (Rule::Stripped, Cause::Removed) => format!("Set {header} after it is deleted, not before."),
            (Rule::Stripped, Cause::Mode) => format!(
                "Hand it on: `<set-header name=\"{header}\" exists-action=\"override\"><value>\
                 @(Convert.ToBase64String(context.Request.Certificate.RawData))</value></set-header>`."
            ),
            (Rule::Stripped, _) => format!(
                "Add a rewrite rule set to the routing rule with `request_header_configuration {{ header_name = \
                 \"{header}\" header_value = \"{{var_client_certificate}}\" }}` (in Bicep `requestHeaderConfigurations: \
                 [{{ headerName: '{header}', headerValue: '{{var_client_certificate}}' }}]`)."
            ),
            (Rule::Spoofable, Cause::Conditional) => {
                format!("Delete it before the condition: `<set-header name=\"{header}\" exists-action=\"delete\" />`.")
            }
            (Rule::Spoofable, Cause::ClientWins | Cause::Appended) => {
                format!("Write `exists-action=\"override\"` in the set-header of {header}.")
            }
            (Rule::Spoofable, _) => format!(
                "Let every listener that leads to this backend overwrite {header}, or delete it there with an empty \
                 `header_value`."
            ),
            (Rule::NotRequested, _) => {
                "Have the gateway ask: an `ssl_profile` with `trusted_client_certificate_names` on the \
                 listener (`sslProfile` in Bicep and templates); in API Management `negotiate_client_certificate = true` \
                 (`negotiateClientCertificate: true`) on the host name."
                    .to_owned()
            }
            (Rule::Malformed | Rule::Weak, _) => "Forward the whole certificate: `{var_client_certificate}`, or \
                 `@(Convert.ToBase64String(context.Request.Certificate.RawData))`; a thumbprint in Azure is SHA-1."
                .to_owned(),
            (Rule::Unverified, Cause::NotApplied) => {
                "Write `https_only = true` (`httpsOnly: true`): over plain HTTP no certificate is asked for.".to_owned()
            }
            (Rule::Unverified, Cause::Conditional) => {
                "Take paths out of `client_certificate_exclusion_paths` at which tokens are accepted, or serve them from an \
                 app of their own."
                    .to_owned()
            }
            (Rule::Unverified, _) => {
                "Validate the certificate in the app, or compare its thumbprint with the token alone; in API \
                 Management put `<validate-client-certificate />` in front."
                    .to_owned()
            }
            (Rule::DpopBroken, Cause::NotListed) => "List `DPoP` among the allowed headers, and `DPoP-Nonce` and \
                 `WWW-Authenticate` among the exposed ones."
                .to_owned(),
            (Rule::DpopBroken, Cause::Rewritten) => {
                "Keep host and path as the client signed them, or tell the backend what they were.".to_owned()
            }
            (Rule::DpopBroken, _) => format!("Drop what deletes or replaces {header}."),
            (Rule::Logged, _) => {
                "Log no credentials, a hash of them at most: take Authorization and DPoP out of the trace or out \
                 of `headers_to_log` (`headers` in templates), or mask them with `data_masking` (`dataMasking`)."
                    .to_owned()
            }
        }
    }
}
