//! Resources of Azure Resource Manager as Terraform's provider has them: the settings of both are the same, under other
//! names and one level deeper (`properties`), and what Terraform names by its name is here named by an id that ends with it.

use crate::syntax::yaml::{Kind, Node};

/// What resources are called, with the types of Terraform for the same, and how one is called whose name is worked out.
const KINDS: &[(&str, &str, &str)] = &[
    ("Microsoft.Network/applicationGateways", "azurerm_application_gateway", "gateway"),
    ("Microsoft.ApiManagement/service", "azurerm_api_management", "service"),
    ("Microsoft.ApiManagement/service/apis", "azurerm_api_management_api", "api"),
    ("Microsoft.ApiManagement/service/policies", "azurerm_api_management_policy", "all APIs"),
    ("Microsoft.ApiManagement/service/products/policies", "azurerm_api_management_product_policy", "a product"),
    ("Microsoft.ApiManagement/service/apis/policies", "azurerm_api_management_api_policy", "an API"),
    (
        "Microsoft.ApiManagement/service/apis/operations/policies",
        "azurerm_api_management_api_operation_policy",
        "an operation",
    ),
    ("Microsoft.ApiManagement/service/diagnostics", "azurerm_api_management_diagnostic", "all APIs"),
    ("Microsoft.ApiManagement/service/apis/diagnostics", "azurerm_api_management_api_diagnostic", "an API"),
    (
        "Microsoft.ApiManagement/service/gateways/hostnameConfigurations",
        "azurerm_api_management_gateway_host_name_configuration",
        "a gateway",
    ),
    ("Microsoft.Web/sites", "Microsoft.Web/sites", "app"),
    ("Microsoft.Web/sites/slots", "Microsoft.Web/sites", "app"),
];

/// Settings that have another name here. Whether words are joined by `_` or by capitals is all one.
const KEYS: &[(&str, &str)] = &[
    ("httpListeners", "http_listener"),
    ("frontendPorts", "frontend_port"),
    ("sslProfiles", "ssl_profile"),
    ("trustedClientCertificates", "trusted_client_certificate_names"),
    ("backendAddressPools", "backend_address_pool"),
    ("backendHttpSettingsCollection", "backend_http_settings"),
    ("urlPathMaps", "url_path_map"),
    ("pathRules", "path_rule"),
    ("rewriteRuleSets", "rewrite_rule_set"),
    ("rewriteRules", "rewrite_rule"),
    ("conditions", "condition"),
    ("requestHeaderConfigurations", "request_header_configuration"),
    ("urlConfiguration", "url"),
    ("modifiedPath", "path"),
    ("requestRoutingRules", "request_routing_rule"),
    ("enableClientCertificate", "client_certificate_enabled"),
];

/// What holds settings that Terraform has at the level of the holder.
const FLAT: &[&str] = &["properties", "actionSet", "clientAuthConfiguration", "request"];

/// The type of Terraform for a type of Azure, and what stands for a name that is not known.
pub(super) fn kind(name: &str) -> Option<(&'static str, &'static str)> {
    let name = name.split('@').next().unwrap_or(name);
    let found = KINDS.iter().find(|(known, ..)| known.eq_ignore_ascii_case(name));
    found.map(|(_, kind, called)| (*kind, *called))
}

/// The settings of a resource, of which `kind` is Terraform's type.
pub(super) fn settings(kind: &str, resource: &Node) -> Node {
    let mut entries = Vec::new();
    let own = |key: &Node| matches!(key.text(), Some("properties" | "name" | "parent"));
    resource.entries().iter().filter(|(key, _)| own(key)).for_each(|(key, value)| entry(key, value, &mut entries));
    if kind.ends_with("_policy") {
        entries.iter_mut().filter(|(key, _)| key.text() == Some("value")).for_each(|(key, _)| {
            *key = renamed(key, "xml_content");
        });
    }
    Node { kind: Kind::Mapping(entries), place: resource.place, bytes: resource.bytes }
}

/// A value; its entries under Terraform's names.
pub(super) fn translated(node: &Node) -> Node {
    let kind = match &node.kind {
        Kind::Mapping(all) => {
            let mut entries = Vec::new();
            all.iter().for_each(|(key, value)| entry(key, value, &mut entries));
            Kind::Mapping(entries)
        }
        Kind::Sequence(items) => {
            Kind::Sequence(items.iter().map(|item| reference(item).unwrap_or_else(|| translated(item))).collect())
        }
        other => other.clone(),
    };
    Node { kind, place: node.place, bytes: node.bytes }
}

/// A value that may be used as a setting: what lists parts of a resource is translated like one.
pub(super) fn listed(node: &Node) -> Node {
    let part = |item: &Node| item.get("properties").is_some();
    match &node.kind {
        Kind::Sequence(items) if !items.is_empty() && items.iter().all(part) => translated(node),
        _ => node.clone(),
    }
}

fn entry(key: &Node, value: &Node, into: &mut Vec<(Node, Node)>) {
    let name = key.text().unwrap_or_default();
    let named = |name: &str| renamed(key, name);
    match (name, &value.kind) {
        (name, Kind::Mapping(all)) if FLAT.contains(&name) => {
            all.iter().for_each(|(key, value)| entry(key, value, into))
        }
        ("parent", _) => {
            into.push((named("api_name"), value.clone()));
            into.push((named("api_management_name"), value.clone()));
        }
        ("backendAddresses", Kind::Sequence(items)) => {
            for (from, to) in [("fqdn", "fqdns"), ("ipAddress", "ip_addresses")] {
                let found = items.iter().filter_map(|item| item.get(from).cloned()).collect();
                into.push((named(to), Node { kind: Kind::Sequence(found), ..value.clone() }));
            }
        }
        ("hostnameConfigurations", Kind::Sequence(items)) => {
            let proxy = |item: &&Node| {
                item.get("type").and_then(Node::text).is_none_or(|kind| kind.eq_ignore_ascii_case("Proxy"))
            };
            let proxies = items.iter().filter(proxy).cloned().collect();
            let proxies = vec![(named("proxy"), Node { kind: Kind::Sequence(proxies), ..value.clone() })];
            into.push((named("hostname_configuration"), Node { kind: Kind::Mapping(proxies), ..value.clone() }));
        }
        ("frontend" | "backend", Kind::Mapping(all)) if all.iter().any(|(key, _)| key.text() == Some("request")) => {
            let mut block = translated(value);
            if let Kind::Mapping(entries) = &mut block.kind {
                for (key, _) in entries.iter_mut().filter(|(key, _)| key.text() == Some("headers")) {
                    *key = renamed(key, "headers_to_log");
                }
            }
            into.push((named(&format!("{name}_request")), block));
        }
        _ => match reference(value) {
            Some(target) => into.push((named(&format!("{name}_name")), target)),
            None => {
                let known = KEYS.iter().find(|(from, _)| *from == name).map_or(name, |(_, to)| to);
                into.push((named(known), translated(value)));
            }
        },
    }
}

fn renamed(key: &Node, name: &str) -> Node {
    Node { kind: Kind::Scalar { text: name.to_owned(), plain: true }, place: key.place, bytes: key.bytes }
}

/// The name at the end of the id in `{id: …}`. Where the id is worked out, so is what stands at its end (`[#…]`).
fn reference(value: &Node) -> Option<Node> {
    let [(key, id)] = value.entries() else { return None };
    let text = id.text().filter(|_| key.text() == Some("id"))?;
    let name = match text.strip_prefix('[') {
        Some(source) if !source.starts_with('[') => format!("[#{source}"),
        _ => text.rsplit('/').next().unwrap_or(text).to_owned(),
    };
    Some(Node { kind: Kind::Scalar { text: name, plain: false }, place: id.place, bytes: id.bytes })
}
