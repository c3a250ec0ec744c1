//! Gateways one behind the other: what links them and what does not, and that cycles and crowds are followed no further
//! than is bounded. Whole configurations with what they show are among the cases of `tests/gateways.rs`.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use keybound::finding::Finding;
use keybound::gateway;
use keybound::gateway::files::{Files, Text};
use keybound::origin::Origin;
use keybound::policy::Policy;

fn findings(files: &[(&str, &str)]) -> Vec<Finding> {
    let text =
        |(path, text): &(&str, &str)| Text::new(Arc::new(Origin::file((*path).into())), text.as_bytes().to_vec());
    gateway::audit(&Files::new(files.iter().map(text).collect()), &Policy::default(), &str::to_owned).findings
}

/// The findings that tell a path.
fn paths(files: &[(&str, &str)]) -> Vec<String> {
    let told = |found: &Finding| {
        let path = &found.hop.as_ref()?.path;
        (!path.is_empty()).then(|| format!("{} {}", found.rule, path.join(" > ")))
    };
    findings(files).iter().filter_map(told).collect()
}

/// An edge that fills the header and sends requests to `to`.
fn edge(to: &str) -> String {
    format!(
        "defaults\n mode http\nfrontend edge\n bind :443 ssl crt s.pem ca-file c.pem verify optional\n \
         http-request set-header X-SSL-Cert %[ssl_c_der,base64]\n default_backend b\nbackend b\n server s {to}\n"
    )
}

/// An inner gateway that clears it.
fn inner(listen: &str, name: &str) -> String {
    format!(
        "events {{}}\nhttp {{ server {{ listen {listen}; server_name {name}; location / {{ proxy_set_header X-SSL-Cert \
         \"\"; proxy_pass http://app:9000; }} }} }}\n"
    )
}

#[test]
fn names_that_lead_to_a_listener() {
    let stripped = ["client-cert-stripped haproxy frontend edge (:443) > nginx :8080"];
    let any = inner("8080; listen unix:/run/Inner.sock", "_");
    for (to, files) in [
        // On one machine: one folder, or one `etc`.
        ("127.0.0.1:8080", ["edge.cfg", "inner.conf"]),
        ("localhost:8080", ["m/etc/haproxy/haproxy.cfg", "m/etc/nginx/nginx.conf"]),
        // A socket of the machine.
        ("unix@/run/Inner.sock", ["m/etc/haproxy/haproxy.cfg", "m/etc/nginx/nginx.conf"]),
        // By the name of its folder, its file or its product, nearby.
        ("gateway:8080", ["deploy/edge/haproxy.cfg", "deploy/gateway/nginx.conf"]),
        ("inner:8080", ["haproxy.cfg", "inner.conf"]),
        ("nginx:8080", ["proxy/haproxy.cfg", "web/nginx.conf"]),
    ] {
        assert_eq!(paths(&[(files[0], &edge(to)), (files[1], &any)]), stripped, "{to} {files:?}");
    }
    // By the name that the server answers to.
    let named = inner("8080", "api.internal");
    let found = paths(&[("a/haproxy.cfg", &edge("api.internal:8080")), ("b/c/d/e.conf", &named)]);
    assert_eq!(found.len(), 1, "{found:?}");
}

#[test]
fn what_could_be_meant_otherwise_is_no_link() {
    let any = inner("8080", "_");
    for (to, files) in [
        // Another port, another socket, another machine, another name, an address of who knows whom.
        ("/run/other.sock", vec!["edge.cfg", "inner.conf"]),
        ("127.0.0.1:8081", vec!["edge.cfg", "inner.conf"]),
        ("127.0.0.1:8080", vec!["edge/haproxy.cfg", "inner/nginx.conf"]),
        ("other:8080", vec!["deploy/edge/haproxy.cfg", "deploy/gateway/nginx.conf"]),
        ("10.0.0.7:8080", vec!["edge.cfg", "inner.conf"]),
        ("inner:8080", vec!["a/haproxy.cfg", "b/c/d/e/inner.conf"]),
        // Two that listen there.
        ("127.0.0.1:8080", vec!["edge.cfg", "one.conf", "two.conf"]),
        ("nginx:8080", vec!["proxy/haproxy.cfg", "one/nginx.conf", "two/nginx.conf"]),
    ] {
        let edge = edge(to);
        let files: Vec<_> =
            files.iter().map(|path| (*path, if path.ends_with("cfg") { &*edge } else { &any })).collect();
        assert_eq!(paths(&files), [""; 0], "{to}");
    }
    // One of two servers is somebody else.
    let mixed = edge("127.0.0.1:8080").replace("server s", "server t 10.0.0.1:8080\n server s");
    assert_eq!(paths(&[("edge.cfg", &mixed), ("inner.conf", &any)]), [""; 0]);
    // A service of that name is given another configuration.
    let compose = "services:\n  gateway:\n    volumes: [./other/nginx.conf:/etc/nginx/nginx.conf]\n  x:\n    volumes: [./gateway/nginx.conf:/etc/nginx/nginx.conf]\n";
    let edge = edge("gateway:8080");
    let files = [("d/compose.yml", compose), ("d/edge/haproxy.cfg", &edge), ("d/gateway/nginx.conf", &any)];
    assert_eq!(paths(&files), [""; 0]);
}

#[test]
fn three_in_a_row() {
    let middle = "events {}\nhttp { server { listen 8080; location / { proxy_pass http://last:8081; } } }\n";
    let last = inner("8081", "_");
    let files =
        [("d/edge/haproxy.cfg", &*edge("middle:8080")), ("d/middle/nginx.conf", middle), ("d/last/nginx.conf", &last)];
    assert_eq!(paths(&files), ["client-cert-stripped haproxy frontend edge (:443) > nginx :8080 > nginx :8081"]);
    // Renamed on the way it is still the certificate.
    let renames = middle.replace("proxy_pass", "proxy_set_header X-Client $http_x_ssl_cert; proxy_pass");
    let files = [
        ("d/edge/haproxy.cfg", &*edge("middle:8080")),
        ("d/middle/nginx.conf", &renames),
        ("d/last/nginx.conf", &last),
    ];
    assert_eq!(paths(&files), [""; 0]);
}

#[test]
fn circles_and_crowds_come_to_an_end() {
    let begin = Instant::now();
    // Everybody sends requests to everybody, and the edge to the first.
    let mut circle = String::from("events {}\nhttp {\n");
    for number in 0..24 {
        for other in 0..24 {
            let (port, to) = (7_000 + number, 7_000 + other);
            let _ = writeln!(
                circle,
                "server {{ listen {port}; location /{number}-{other}/ {{ proxy_pass http://127.0.0.1:{to}; }} }}"
            );
        }
    }
    circle.push('}');
    findings(&[("edge.cfg", &edge("127.0.0.1:7000")), ("circle.conf", &circle)]);
    // Thousands of ways to one listener with hundreds of ways on.
    let mut many = String::from(
        "defaults\n mode http\nfrontend edge\n bind :443 ssl crt s.pem ca-file c.pem verify optional\n http-request \
         set-header X-SSL-Cert %[ssl_c_der,base64]\n",
    );
    for number in 0..400 {
        let _ = writeln!(many, " use_backend b{number} if {{ path_beg /{number}/ }}");
    }
    for number in 0..400 {
        let _ = writeln!(many, "backend b{number}\n server s 127.0.0.1:8080");
    }
    let mut crowd = String::from("events {}\nhttp { server { listen 127.0.0.1:8080;\n");
    for number in 0..2_000 {
        let _ = writeln!(crowd, "location ~ ^/[a-z]+/{number} {{ proxy_pass http://app:9000; }}");
    }
    crowd.push_str("} }");
    findings(&[("edge.cfg", &many), ("crowd.conf", &crowd)]);
    assert!(begin.elapsed() < Duration::from_secs(60), "it took {:?}", begin.elapsed());
}
