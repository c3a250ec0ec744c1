//! HCL takes any text: no panic, no endless loop, every place inside the text; as Terraform it is audited.

#![no_main]

use std::sync::Arc;

use keybound::config::files::{Files, Text};
use keybound::issuer;
use keybound::origin::Origin;
use keybound::policy::Policy;
use keybound::syntax::hcl;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    assert!(hcl::parse(text).body.stands_in(text));
    for (front, resource) in
        [("auth0", "auth0_resource_server"), ("okta", "okta_app_oauth"), ("cognito", "aws_cognito_user_pool_client")]
    {
        let text = format!("resource \"{resource}\" \"{front}\" {{\n{text}\n}}\n");
        let text = Text::new(Arc::new(Origin::file("main.tf".into())), text.into_bytes());
        let _ = issuer::audit(&Files::new(vec![text]), &Policy::default(), 0, &str::to_owned);
    }
});
