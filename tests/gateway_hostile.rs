//! Front ends take any text: the cases of `tests/gateways.rs`, cut, torn and shuffled, are lowered without a panic, and
//! every place that is told lies within its file.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use keybound::gateway::files::{Files, Text};
use keybound::gateway::hop::Place;
use keybound::gateway::{self, Rule};
use keybound::issuer;
use keybound::origin::Origin;
use keybound::policy::Policy;
use proptest::prelude::*;

/// The files of all cases, by case.
fn cases() -> Vec<Vec<(String, String)>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata");
    let mut cases = Vec::new();
    let slugs = Rule::ALL.iter().map(|rule| rule.slug()).chain(issuer::Rule::ALL.iter().map(|rule| rule.slug()));
    for rule in slugs {
        for kind in ["fires", "silent"] {
            let Ok(folders) = fs::read_dir(root.join(rule).join(kind)) else { continue };
            let mut folders: Vec<PathBuf> = folders.map(|entry| entry.expect("an entry").path()).collect();
            folders.sort();
            for folder in folders.iter().filter(|path| path.is_dir()) {
                let mut files = Vec::new();
                read(folder, folder, &mut files);
                files.sort();
                cases.push(files);
            }
        }
    }
    cases
}

fn read(root: &Path, folder: &Path, into: &mut Vec<(String, String)>) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            read(root, &path, into);
        } else if path.file_name().is_some_and(|name| name != "expected") {
            let name = path.strip_prefix(root).expect("below").to_string_lossy().into_owned();
            into.push((name, String::from_utf8_lossy(&fs::read(&path).expect("a file")).into_owned()));
        }
    }
}

fn lower(texts: Vec<(String, String)>) {
    let text =
        |(path, text): (String, String)| Text::new(Arc::new(Origin::file(path.as_str().into())), text.into_bytes());
    let files = Files::new(texts.into_iter().map(text).collect());
    // Of issuers the findings show the places.
    for found in issuer::audit(&files, &Policy::default(), 0, &str::to_owned).findings {
        let text = files.iter().find(|(_, text)| text.path() == &*found.location.path).expect("its file").1;
        let (start, end) = (found.location.byte_start as usize, found.location.byte_end as usize);
        assert!(text.text.get(start..end).is_some(), "{}: {start}..{end} in {}", found.rule, found.location.path);
    }
    for (front_end, configuration) in gateway::lower(&files) {
        let inside = |place: Place| {
            let text = &files.get(place.file).text;
            assert!(
                place.start <= place.end && place.end as usize <= text.len(),
                "{}: {place:?} in {} bytes",
                front_end.product(),
                text.len()
            );
        };
        for hop in &configuration.hops {
            inside(hop.upstream.place);
            hop.listener.asks_at.into_iter().for_each(inside);
            hop.carriers.iter().for_each(|carrier| inside(carrier.place));
            hop.lost.iter().for_each(|event| inside(event.place));
            hop.rewrites.iter().for_each(|rewrite| inside(rewrite.place));
            hop.logs.iter().for_each(|log| inside(log.place));
            hop.cors.iter().for_each(|cors| inside(cors.place));
            let slots = hop.requests().flat_map(|(_, request)| request.headers.values());
            slots.filter_map(|slot| slot.event.as_ref()).for_each(|event| inside(event.place));
        }
        configuration.holes.iter().for_each(|hole| inside(hole.place));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn torn_configurations_are_read(
        case in any::<prop::sample::Index>(),
        tears in prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>(), 0..7_u8), 1..6),
    ) {
        let cases = cases();
        let mut files = case.get(&cases).clone();
        for (file, at, how) in tears {
            let number = file.index(files.len());
            let text = &mut files[number].1;
            let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
            if lines.is_empty() {
                continue;
            }
            let line = at.index(lines.len());
            match how {
                0 => _ = lines.remove(line),
                1 => lines.insert(line, lines[line].clone()),
                2 => lines[line] = format!("  {}", lines[line]),
                3 => lines[line] = lines[line].trim_start().to_owned(),
                4 => lines.truncate(line),
                5 => {
                    let middle = (lines[line].len() / 2..).find(|at| lines[line].is_char_boundary(*at)).unwrap_or(0);
                    lines[line].truncate(middle);
                }
                _ => lines[line].push_str(" { \" ' [ {{ x }} \u{e9}"),
            }
            *text = lines.join("\n");
        }
        lower(files);
    }

    #[test]
    fn any_text_is_read(
        words in prop::collection::vec(prop::sample::select(vec![
            "static_resources:", "listeners", "filter_chains", "type.googleapis.com/envoy.", "virtual_hosts", "- ", ": ",
            "{", "}", "[", "]", "\n", "\n  ", "\n    ", "\"", "'", "#", "&a ", "*a", "<<", "%REQ(", ")%", "%", "{{", "}}",
            "server {", "location / {", "location @a", "proxy_pass http://$x", ";", "$x", "include *;", "http {", "listen 443 ssl;",
            "map $x $y {", "set $y $ssl_client_cert;", "if ($y ~ ^(", "rewrite ^ /a last;", "error_page 495 = @a;",
            "try_files /a @a;", "log_format f '$request", "${", "x_by_lua_block {", "# configuration file /a:\n", "frontend", "backend", "<VirtualHost", ">",
            "reverse_proxy", "import", "tls", "(a)", "http:", "routers:", "url_pattern", "endpoint", "backend: ", "services:", "_format_version: ", "plugins:", "routes:", "upstream:", "proxy:", "listen_path", "spring.cloud.gateway.", "filters[0]=", "[http.routers]",
            "resource \"aws_lb_listener\" \"a\" {", "azurerm_application_gateway", "google_compute_url_map", "locals {", "var.a",
            "? ", "jsonencode(", "dynamic \"a\" {", "Resources:", "!Sub ", "AWS::ApiGateway::RestApi", "<policies>", "<inbound>",
            "<set-header name=\"", "\"@(", "</", "=", "\\", "\t", "\u{fffc}", "\r",
            "springframework.cloud.gateway RouteLocatorBuilder ", "route(", "r -> ", ".filters(", ".removeRequestHeader(\"DPoP\")",
            ".uri(\"http://a\")", ".GET(", "http()", "gateway.server.mvc ", "GlobalFilter SslInfo header ", "if (",
        ]), 0..60),
        name in prop::sample::select(vec!["nginx.conf", "haproxy.cfg", "envoy.yaml", "Caddyfile", "caddy.json", "a.toml", "x.yml", "kong.conf", "application.properties", "main.tf", "a.tfvars", "template.yaml", "policy.xml", "src/main/A.java", "B.kt"]),
    ) {
        lower(vec![(name.to_owned(), words.concat())]);
    }
}
