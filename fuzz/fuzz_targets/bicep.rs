//! Bicep takes any text: no panic, no endless loop, every place inside the text; what is quoted in it is read at any quote, and
//! as a template it is audited.

#![no_main]

use std::sync::Arc;

use keybound::config::files::{Files, Text};
use keybound::gateway;
use keybound::origin::Origin;
use keybound::policy::Policy;
use keybound::syntax::bicep;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    assert!(bicep::parse(text).template.stands_in(text));
    if let Some(inner) = text.find('\'').and_then(|at| bicep::quoted(text, at)) {
        assert!(inner.outer(inner.text.len()) <= text.len());
    }
    for kind in ["Microsoft.Network/applicationGateways", "Microsoft.ApiManagement/service/policies"] {
        // The words without which the text would not be looked at.
        let text = format!("resource it '{kind}@1' = {{\n{text}\n}}\n// httpListeners, policies\n");
        let text = Text::new(Arc::new(Origin::file("main.bicep".into())), text.into_bytes());
        let _ = gateway::audit(&Files::new(vec![text]), &Policy::default(), &str::to_owned);
    }
});
