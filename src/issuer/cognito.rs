//! Amazon Cognito: clients of user pools in Terraform and CloudFormation. Cognito binds tokens to no key.

use super::issued::{Binding, Client, Issued, Kind, Lifetime, Rotation};
use super::read::{each_document, each_module, has, is_tree};
use super::{FrontEnd, Rule};
use crate::config::files::Files;
use crate::config::terraform::{self, Module};
use crate::config::tree::At;

/// Amazon Cognito.
#[derive(Debug)]
pub struct Cognito;

impl FrontEnd for Cognito {
    fn product(&self) -> &'static str {
        "cognito"
    }

    fn recognises(&self, name: &str, text: &str) -> bool {
        if terraform::is_terraform(name) {
            return has(text, &["aws_cognito_user_pool_client"]);
        }
        is_tree(name) && has(text, &["AWS::Cognito::UserPoolClient"])
    }

    fn read(&self, files: &Files, own: &[u32]) -> Vec<Issued> {
        let (native, trees): (Vec<u32>, Vec<u32>) =
            own.iter().partition(|number| terraform::is_terraform(files.get(**number).path()));
        let mut all = each_module(files, &native, |module, all| {
            let mut issued = Issued { issuer: "the user pool".to_owned(), ..Issued::default() };
            for (name, at) in module.resources("aws_cognito_user_pool_client") {
                let shown = at.get("name").and_then(|at| module.text(at)).unwrap_or(name);
                client(at, at, shown, module, &mut issued);
            }
            all.push(issued);
        });
        all.extend(each_document(files, &trees, |root, all| {
            let mut issued = Issued { issuer: "the user pool".to_owned(), ..Issued::default() };
            for (name, at) in root.get("Resources").into_iter().flat_map(|at| at.entries().collect::<Vec<_>>()) {
                if at.word("Type") == Some("AWS::Cognito::UserPoolClient")
                    && let Some(properties) = at.get("Properties")
                {
                    client(at, properties, name, &Module::default(), &mut issued);
                }
            }
            all.push(issued);
        }));
        all
    }

    fn fix(&self, rule: Rule) -> &'static str {
        match rule {
            Rule::TtlLong => {
                "Set the validity of the access token to 60 minutes or less; mind its unit, which is hours by default."
            }
            _ => {
                "Switch refresh token rotation on (RefreshTokenRotation, feature ENABLED) and take ALLOW_REFRESH_TOKEN_AUTH out of the flows."
            }
        }
    }
}

/// A client: `outer` is where it is named. The keys of both languages differ in their case and in `_` alone.
fn client<'a>(outer: At<'a>, at: At<'a>, name: &str, module: &Module<'a>, issued: &mut Issued) {
    let name = format!("client {name}");
    let text = |at: Option<At<'a>>| at.and_then(|at| module.text(at));
    let validity = at.get("access_token_validity");
    let units = at.get("token_validity_units");
    let unit = match units.map(|units| units.get("access_token")) {
        None | Some(None) => Some(3_600),
        Some(Some(unit)) => match module.text(unit) {
            Some("seconds") => Some(1),
            Some("minutes") => Some(60),
            Some("hours") => Some(3_600),
            Some("days") => Some(86_400),
            _ => None,
        },
    };
    let seconds =
        validity.and_then(|at| module.number(at)).zip(unit).and_then(|(number, unit)| number.checked_mul(unit));
    if let (Some(seconds), Some(at)) = (seconds.filter(|seconds| *seconds > 0), validity) {
        issued.lifetimes.push(Lifetime {
            seconds,
            place: at.place(),
            setting: "access token validity",
            client: Some(name.clone()),
            binding: Binding::Unknown,
            default: false,
        });
    }
    let kind = match at.get("generate_secret").map(|at| module.switch(at)) {
        Some(Some(true)) => Kind::Confidential,
        Some(Some(false)) | None => Kind::Public,
        Some(None) => Kind::Unknown,
    };
    let flows = at.get("explicit_auth_flows").map(|at| module.follow(at));
    let flow = flows.and_then(|flows| flows.items().find(|at| module.text(*at) == Some("ALLOW_REFRESH_TOKEN_AUTH")));
    let rotation = at.get("refresh_token_rotation");
    let feature = rotation.and_then(|at| at.get("feature"));
    let rotated = match (rotation, text(feature)) {
        (Some(_), Some("ENABLED")) => Some(true),
        (Some(_), Some("DISABLED")) | (None, _) => Some(false),
        _ => None,
    };
    if let (Some(on), Some(at)) = (rotated, feature) {
        issued.rotations.push(Rotation {
            on,
            place: at.place(),
            setting: "refresh token rotation",
            client: Some(name.clone()),
            public: kind == Kind::Public,
            leeway: None,
        });
    }
    issued.clients.push(Client {
        name,
        place: outer.place(),
        kind,
        // Nothing can be asked for; that it is not bound is known all the same.
        binding: Binding::Impossible,
        access: None,
        refresh: flow.is_some(),
        rotated,
        rotated_at: flow.map(|at| (at.place(), "ALLOW_REFRESH_TOKEN_AUTH")),
        ..Client::default()
    });
}
