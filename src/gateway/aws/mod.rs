//! Amazon Web Services: load balancers, API Gateway and CloudFront, as Terraform, CloudFormation and SAM declare them, and load
//! balancers that Ingresses ask for.
//!
//! Sources: the user guides of Elastic Load Balancing, API Gateway and CloudFront, and the schema of the Terraform
//! provider. Where a guide does not say what becomes of a header that a client sends itself, that is unknown here.

mod api;
mod cloudfront;
mod elb;
mod ingress;
mod mapping;

use super::files::Files;
use super::hop::{Cause, Form};
use super::rule::Rule;
use super::{Configuration, Detail, FrontEnd, cloud};

/// Amazon Web Services.
#[derive(Debug)]
pub struct Aws;

impl FrontEnd for Aws {
    fn product(&self) -> &'static str {
        "aws"
    }

    fn recognises(&self, name: &str, text: &str) -> bool {
        if ingress::recognises(text) {
            return true;
        }
        cloud::declares(
            name,
            text,
            &["aws_lb", "aws_alb", "aws_api_gateway_", "aws_apigatewayv2_", "aws_cloudfront_"],
            &[
                "AWS::ElasticLoadBalancingV2::",
                "AWS::ApiGateway::",
                "AWS::ApiGatewayV2::",
                "AWS::CloudFront::",
                "AWS::Serverless::Api",
                "AWS::Serverless::HttpApi",
            ],
        )
    }

    fn lower(&self, files: &Files, own: &[u32]) -> Vec<Configuration> {
        let mut all = cloud::configurations(files, own, |estate| {
            vec![elb::configuration(estate), api::configuration(estate), cloudfront::configuration(estate)]
        });
        all.extend(ingress::configurations(files, own));
        all
    }

    fn reason(&self, rule: Rule, cause: Cause) -> &'static str {
        match (rule, cause) {
            (Rule::Stripped, Cause::NotListed) => "aws-cloudfront-client-cert-not-forwarded",
            (Rule::Stripped, _) => "aws-apigw-client-cert-not-mapped",
            (Rule::Spoofable, Cause::Alias) => "aws-alb-header-alias",
            (Rule::Spoofable, Cause::Appended) => "aws-apigw-cert-header-append",
            (Rule::Spoofable, _) => "aws-cert-header-unguarded",
            (Rule::NotRequested, Cause::NotApplied) => "aws-alb-mtls-off-with-bound-clients",
            (Rule::NotRequested, _) => "aws-client-cert-not-requested",
            (Rule::Malformed, _) => "aws-cert-malformed",
            (Rule::Weak, _) => "aws-cert-weak-form",
            (Rule::Unverified, Cause::NotApplied) => "aws-apigw-execute-api-bypass",
            (Rule::Unverified, _) => "aws-alb-passthrough-unverified",
            (Rule::DpopBroken, Cause::NotListed) => "aws-cloudfront-drops-authorization-or-dpop",
            (Rule::DpopBroken, Cause::Rewritten) => "aws-rewrite-htu",
            (Rule::DpopBroken, Cause::AllDropped) => "aws-apigw-header-not-mapped",
            (Rule::DpopBroken, _) => "aws-apigw-dpop-mapped-away",
            (Rule::Logged, _) => "aws-log-credentials",
        }
    }

    fn reason_in_detail(&self, rule: Rule, cause: Cause, detail: Detail) -> &'static str {
        match (rule, detail) {
            (Rule::Weak, Detail::Form(Form::Serial | Form::Dn)) => "aws-cert-dn-only",
            (Rule::DpopBroken, Detail::Cors) => "aws-apigw-cors-missing-dpop",
            _ => self.reason(rule, cause),
        }
    }

    fn fix(&self, rule: Rule, cause: Cause, header: Option<&str>) -> String {
        let header = header.unwrap_or("X-Client-Cert");
        match (rule, cause) {
            (Rule::Stripped, Cause::NotListed) => "Have the origin request policy forward it: `header_behavior = \
                 \"allViewerAndWhitelistCloudFront\"` with `CloudFront-Viewer-Cert-Pem` or `CloudFront-Viewer-Cert-Sha256` \
                 among its headers."
                .to_owned(),
            (Rule::Stripped, _) => format!(
                "Map it: `request_parameters = {{ \"overwrite:header.{header}\" = \
                 \"$context.identity.clientCert.clientCertPem\" }}`; of a REST API \
                 `\"integration.request.header.{header}\" = \"context.identity.clientCert.clientCertPem\"`."
            ),
            (Rule::Spoofable, Cause::Alias) => "Write `drop_invalid_header_fields = true` on the load balancer.".to_owned(),
            (Rule::Spoofable, Cause::Appended) => {
                format!("Write `overwrite:header.{header}` in place of `append:header.{header}`.")
            }
            (Rule::Spoofable, _) => format!(
                "Let no listener that does not fill {header} itself lead to these targets, or have it redirect to the one \
                 that does."
            ),
            (Rule::NotRequested, Cause::NotApplied) => "Write `mutual_authentication { mode = \"verify\" trust_store_arn = … }` \
                 on the listener."
                .to_owned(),
            (Rule::NotRequested, _) => "Ask for it: `mutual_tls_authentication { truststore_uri = … }` on the custom domain \
                 name of an API, with `disable_execute_api_endpoint = true`; `mutual_authentication { mode = \"verify\" \
                 trust_store_arn = … }` on the listener of a load balancer."
                .to_owned(),
            (Rule::Malformed | Rule::Weak, _) => "Forward the certificate itself: `X-Amzn-Mtls-Clientcert-Leaf` of a listener \
                 in `verify` mode, `$context.identity.clientCert.clientCertPem`, or `CloudFront-Viewer-Cert-Sha256`."
                .to_owned(),
            (Rule::Unverified, Cause::NotApplied) => "Switch the default endpoint off: `disable_execute_api_endpoint = true` \
                 (`DisableExecuteApiEndpoint: true`)."
                .to_owned(),
            (Rule::Unverified, _) => "Write `mode = \"verify\"` with a trust store, unless the targets take self-signed \
                 certificates on purpose and compare the thumbprint alone."
                .to_owned(),
            (Rule::DpopBroken, Cause::NotListed) => format!(
                "Forward {header}: attach the managed origin request policy AllViewerExceptHostHeader, or list {header} in \
                 the cache policy."
            ),
            (Rule::DpopBroken, Cause::Rewritten) => {
                "Keep host and path as the client signed them, or tell the backend what they were.".to_owned()
            }
            (Rule::DpopBroken, Cause::AllDropped) => format!(
                "Use the integration type `HTTP_PROXY`, which hands all headers on, or map {header}: \
                 `\"integration.request.header.{header}\" = \"method.request.header.{header}\"`."
            ),
            (Rule::DpopBroken, _) => format!("Drop the mapping of {header}."),
            (Rule::Logged, _) => "Take it out of the access log format; of `$context.identity.clientCert` subject and serial \
                 number do, and in real-time logs of CloudFront `cs-header-names` in place of `cs-headers`. Set \
                 `data_trace_enabled = false`, and take tokens from headers, not from the query."
                .to_owned(),
        }
    }
}
