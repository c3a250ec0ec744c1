//! The gateways that are run, one line each.

use std::process::Command;

use crate::mutate::{self, Random};
use crate::trees;

/// A gateway.
pub(crate) struct Product {
    /// Its name: of its front end, of its cases, and of its file in `products/`.
    pub(crate) name: &'static str,
    /// How many mutants are made of each case.
    pub(crate) mutants: usize,
    /// So many of them the gateway must take, over all cases.
    pub(crate) at_least: usize,
    /// Changes a text.
    pub(crate) mutate: fn(&str, &mut Random) -> Option<String>,
    /// Whether it is there.
    pub(crate) installed: fn() -> bool,
    /// Headers with underscores never pass where no hop says that they do.
    pub(crate) closes_twins: bool,
    /// It is several gateways, one behind the other.
    pub(crate) chain: bool,
    /// So many cases there must be.
    pub(crate) cases: usize,
}

/// All of them.
pub(crate) const PRODUCTS: &[Product] = &[
    Product {
        name: "apache",
        mutants: 3,
        at_least: 60,
        mutate: |text, random| mutate::lines(text, random, &APACHE),
        installed: || answers("apache2", "-v"),
        closes_twins: false,
        chain: false,
        cases: 10,
    },
    Product {
        name: "haproxy",
        mutants: 5,
        at_least: 60,
        mutate: |text, random| mutate::lines(text, random, &HAPROXY),
        installed: || answers("haproxy", "-v"),
        closes_twins: false,
        chain: false,
        cases: 10,
    },
    Product {
        name: "nginx",
        mutants: 6,
        at_least: 120,
        mutate: |text, random| mutate::directives(text, random, NGINX),
        installed: || answers("nginx", "-v") && is_below_target("h2/h2/__init__.py"),
        closes_twins: true,
        chain: false,
        cases: 10,
    },
    Product {
        name: "caddy",
        mutants: 10,
        at_least: 50,
        mutate: |text, random| trees::caddyfile(text, random, CADDY),
        installed: || answers("caddy", "version"),
        closes_twins: false,
        chain: false,
        cases: 10,
    },
    Product {
        name: "envoy",
        mutants: 10,
        at_least: 50,
        mutate: |text, random| trees::yaml(text, random, ENVOY_VALUES, ENVOY),
        installed: || is_below_target("envoy/envoy/_bin/envoy"),
        closes_twins: false,
        chain: false,
        cases: 10,
    },
    Product {
        name: "traefik",
        mutants: 6,
        at_least: 20,
        mutate: |text, random| trees::yaml(text, random, TRAEFIK_VALUES, TRAEFIK),
        installed: || is_below_target("traefik/bin/traefik"),
        closes_twins: false,
        chain: false,
        cases: 10,
    },
    Product {
        name: "path",
        mutants: 12,
        at_least: 30,
        mutate: |text, random| {
            if text.contains("http {") {
                mutate::directives(text, random, NGINX)
            } else if text.contains("LoadModule") {
                mutate::lines(text, random, &APACHE)
            } else {
                mutate::lines(text, random, &HAPROXY)
            }
        },
        installed: || answers("apache2", "-v") && answers("haproxy", "-v") && answers("nginx", "-v"),
        closes_twins: false,
        chain: true,
        cases: 8,
    },
];

/// Whether `install.sh` has put a file there.
fn is_below_target(path: &str) -> bool {
    std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("target/oracle").join(path).is_file()
}

/// Whether a command is there.
pub(crate) fn answers(command: &str, argument: &str) -> bool {
    Command::new(command).arg(argument).output().is_ok_and(|output| output.status.success())
}

/// What is put into nginx's configurations.
const NGINX: &[&str] = &[
    "proxy_set_header X-Request-ID $request_id;",
    "proxy_set_header Host $host;",
    "proxy_set_header X-SSL-Cert $ssl_client_escaped_cert;",
    "proxy_set_header X-SSL-Cert $http_x_ssl_cert;",
    "proxy_set_header X-SSL-Cert \"\";",
    "proxy_set_header X-SSL-Client-Verify $ssl_client_verify;",
    "proxy_set_header X-SSL-Client-S-DN $ssl_client_s_dn;",
    "proxy_set_header DPoP \"\";",
    "proxy_pass_request_headers off;",
    "fastcgi_param HTTP_X_SSL_CERT $ssl_client_escaped_cert;",
    "uwsgi_param CLIENT $ssl_client_s_dn;",
    "underscores_in_headers on;",
    "ignore_invalid_headers off;",
    "error_page 495 496 = /kb-error;",
    "error_page 403 = /orders/kb-error;",
    "access_log off;",
    "access_log /tmp/oracle-logs/more.log;",
    "if ($ssl_client_verify != SUCCESS) { return 403; }",
    "if ($ssl_client_verify = NONE) { return 401 'no'; }",
    "if ($request_method = POST) { return 405; }",
    "if ($http_x_ssl_cert) { return 400; }",
    "set $kb $ssl_client_escaped_cert; proxy_set_header X-SSL-Cert $kb;",
    "return 403;",
    "deny all;",
    "allow 127.0.0.1; deny all;",
    "rewrite ^ /kb-moved last;",
    "rewrite ^/(.*)$ /v9/$1 break;",
    "try_files /kb-none @kb;",
    "location @kb { proxy_pass http://127.0.0.1:9004; }",
    "location /kb/ { proxy_pass http://127.0.0.1:9005; }",
    "location = /kb-error { proxy_pass http://127.0.0.1:9000; }",
    "location ~ ^/kb { proxy_set_header X-Kb 1; proxy_pass http://127.0.0.1:9006; }",
    "location ^~ /kb { return 204; }",
    "limit_except POST { deny all; }",
    "ssl_verify_client optional;",
    "ssl_verify_client optional_no_ca;",
    "listen 8081;",
    "listen 8444 ssl;",
    "internal;",
    "auth_basic kb;",
    "server { listen 8085; location / { proxy_pass http://127.0.0.1:9000; } }",
];

/// How HAProxy's configurations are changed.
const HAPROXY: mutate::Lines = mutate::Lines {
    movable: |line| line.starts_with(' '),
    pool: &[
        "http-request set-header X-SSL-Client-Cert %[ssl_c_der,base64]",
        "http-request set-header X-SSL-Client-Cert %[ssl_c_der,sha2(256),hex]",
        "http-request set-header X-SSL-Client-Cert \"-----BEGIN CERTIFICATE-----%[ssl_c_der,base64]-----END CERTIFICATE-----\"",
        "http-request set-header X-SSL-Client-Cert %[req.hdr(X-SSL-Client-Cert)]",
        "http-request set-header X-SSL-Client-Cert %[var(txn.cert)]",
        "http-request set-header X-SSL-Client-Verify %[ssl_c_verify]",
        "http-request set-header X-SSL-Client-DN %{+Q}[ssl_c_s_dn]",
        "http-request set-header X-SSL-Client-Serial %[ssl_c_serial,hex]",
        "http-request set-header X-SSL %[ssl_fc]",
        "http-request set-header X-Has %[ssl_c_used,iif(yes,no)]",
        "http-request set-header X-Real-IP %[src]",
        "http-request set-header Client-Cert :%[ssl_c_der,base64]:",
        "http-request set-header Host app.internal",
        "http-request add-header X-SSL-Client-Cert %[ssl_c_sha1,hex]",
        "http-request add-header DPoP again",
        "http-request del-header X-SSL-Client-Cert",
        "http-request del-header X-SSL- -m beg",
        "http-request del-header ^x-ssl-client-(cert|dn)$ -m reg",
        "http-request del-header -Cert -m end",
        "http-request del-header Authorization",
        "http-request replace-header X-SSL-Client-Cert (.*) x\\1",
        "http-request set-var(txn.cert) ssl_c_der,base64",
        "http-request set-var(txn.kb) bool(true)",
        "http-request set-header X-SSL-Client-Cert \"\" if { var(txn.kb) -m bool }",
        "http-request deny unless { ssl_c_used }",
        "http-request deny if { ssl_c_verify gt 0 }",
        "http-request deny if !{ ssl_fc } || { req.hdr(X-SSL-Client-Cert) -m found }",
        "http-request deny if { path_beg /kb-none }",
        "http-request allow if { path_beg /kb }",
        "http-request allow",
        "http-request redirect location / if { method POST }",
        "http-request return status 200 if { hdr_cnt(X-SSL-Client-Cert) gt 0 }",
        "http-request set-path /kb%[path]",
        "http-request replace-path (.*) /v9\\1",
        "http-request capture req.hdr(DPoP) len 64",
        "http-request set-header X-Sent yes if { req.hdr(X-SSL-Client-Cert) -m found }",
        "tcp-request content reject unless { ssl_fc }",
        "tcp-request content accept",
        "tcp-request connection reject if { src 10.0.0.0/8 }",
        "acl has_cert ssl_c_used",
        "acl is_api path_beg /kb",
        "option httplog",
        "no log",
        "log-format \"%r %[ssl_c_der,base64]\"",
        "use_backend app if { path_beg /kb }",
        "use_backend app if { ssl_c_used } { ssl_c_verify 0 }",
        "default_backend app",
        "bind :8081",
        "bind :8444 ssl crt /etc/gateway/tls/server.pem ca-file /etc/gateway/tls/clients-ca.crt verify optional",
        "option http-restrict-req-hdr-names preserve",
        "option http-restrict-req-hdr-names delete",
        "mode tcp",
    ],
    wraps: &[
        ("", " if { ssl_c_used }"),
        ("", " unless { ssl_c_used }"),
        ("", " if { ssl_c_verify 0 }"),
        ("", " if { ssl_fc }"),
        ("", " if { path_beg /kb } or { method HEAD }"),
        ("", " unless { path_beg /kb } { method GET }"),
        ("", " if !{ req.hdr(X-SSL-Client-Cert) -m found }"),
        ("", " crt-ignore-err all"),
        (".if feature(OPENSSL)\n", "\n.endif"),
    ],
    modes: (" verify ", &["none", "optional", "required"]),
};

/// How Apache's configurations are changed.
const APACHE: mutate::Lines = mutate::Lines {
    movable: |line| {
        let fixed =
            ["<", "LoadModule", "Server", "PidFile", "Default", "ErrorLog", "User", "Group", "Listen", "SSLCert", "#"];
        !line.trim().is_empty() && !fixed.iter().any(|fixed| line.trim_start().starts_with(fixed))
    },
    pool: &[
        "RequestHeader set X-SSL-Client-Cert \"%{SSL_CLIENT_CERT}s\"",
        "RequestHeader set X-SSL-Client-Cert \"%{SSL_CLIENT_CERT}e\"",
        "RequestHeader set X-SSL-Client-Cert \"expr=%{escape:%{SSL_CLIENT_CERT}}\"",
        "RequestHeader set X-SSL-Client-Cert \"expr=%{base64:%{SSL_CLIENT_CERT}}\"",
        "RequestHeader set X-SSL-Client-Cert \"%{SSL_CLIENT_CERT}s\" early",
        "RequestHeader set X-SSL-Client-Cert \"%{SSL_CLIENT_CERT}s\" env=SSL_CLIENT_CERT",
        "RequestHeader set X-SSL-Client-Cert \"%{SSL_CLIENT_CERT}s\" env=!HTTPS",
        "RequestHeader set X-SSL-Client-Cert \"expr=%{HTTP:X-SSL-Client-Cert}\"",
        "RequestHeader set X-SSL-Client-Verify \"%{SSL_CLIENT_VERIFY}s\"",
        "RequestHeader set X-SSL-Client-S-DN \"%{SSL_CLIENT_S_DN}e\"",
        "RequestHeader set X-SSL-Client-Serial \"expr=%{SSL_CLIENT_M_SERIAL}\"",
        "RequestHeader set X-Scheme \"expr=%{REQUEST_SCHEME}\"",
        "RequestHeader set X-Kb \"%{HTTPS}e\"",
        "RequestHeader set Host app.internal",
        "RequestHeader add X-SSL-Client-Cert \"%{SSL_CLIENT_S_DN}s\"",
        "RequestHeader append X-SSL-Client-Cert more",
        "RequestHeader merge X-SSL-Client-Cert more",
        "RequestHeader setifempty X-SSL-Client-Cert \"%{SSL_CLIENT_CERT}s\"",
        "RequestHeader unset X-SSL-Client-Cert",
        "RequestHeader unset X-SSL-Client-Cert early",
        "RequestHeader unset X-SSL-Client-Cert \"expr=%{SSL_CLIENT_VERIFY} != 'SUCCESS'\"",
        "RequestHeader edit X-SSL-Client-Cert ^ x",
        "RequestHeader unset Authorization",
        "RequestHeader add DPoP again",
        "SSLOptions +ExportCertData",
        "SSLOptions +StdEnvVars",
        "SSLOptions StdEnvVars",
        "ProxyPreserveHost On",
        "ProxyAddHeaders Off",
        "ProxyPass /kb http://127.0.0.1:9003/kb",
        "ProxyPass /kb/ http://127.0.0.1:9003/",
        "ProxyPass /kb !",
        "ProxyPassMatch ^/kb(.*)$ http://127.0.0.1:9004/kb$1",
        "<Location /kb>\n        RequestHeader unset X-SSL-Client-Cert\n    </Location>",
        "<Location /kb>\n        SSLVerifyClient require\n    </Location>",
        "<Location /kb>\n        ProxyPass http://127.0.0.1:9005/kb\n    </Location>",
        "<LocationMatch ^/kb>\n        RequestHeader set X-SSL-Client-Cert none\n    </LocationMatch>",
        "<Location />\n        Require all denied\n    </Location>",
        "<Location /kb>\n        Require ssl-verify-client\n    </Location>",
        "<Location />\n        Require expr %{SSL_CLIENT_VERIFY} == 'SUCCESS'\n    </Location>",
        "<Location />\n        SSLRequire %{SSL_CLIENT_VERIFY} eq \"SUCCESS\"\n    </Location>",
        "<Proxy *>\n        RequestHeader set X-Kb proxied\n    </Proxy>",
        "<If \"-z %{SSL_CLIENT_CERT}\">\n        RequestHeader unset X-SSL-Client-Cert\n    </If>\n    <Else>\n        RequestHeader set X-Kb else\n    </Else>",
        "<If \"%{REQUEST_URI} =~ m#^/kb#\">\n        RequestHeader unset DPoP\n    </If>",
        "<Directory />\n        RequestHeader unset X-SSL-Client-Cert\n    </Directory>",
        "RewriteEngine On\n    RewriteCond %{SSL:SSL_CLIENT_VERIFY} !=SUCCESS\n    RewriteRule ^ - [F]",
        "RewriteEngine On\n    RewriteRule ^ - [E=KB:%{SSL:SSL_CLIENT_S_DN}]\n    RequestHeader set X-Kb %{KB}e",
        "RewriteEngine On\n    RewriteRule ^/kb(.*)$ http://127.0.0.1:9006/kb$1 [P]",
        "CustomLog /tmp/oracle-logs/more.log \"%h %{DPoP}i\"",
    ],
    wraps: &[
        ("    <Location /kb>\n    ", "\n    </Location>"),
        ("    <Location />\n    ", "\n    </Location>"),
        ("    <If \"-n %{SSL_CLIENT_CERT}\">\n    ", "\n    </If>"),
        ("    <If \"%{HTTPS} == 'on' && !(%{SSL_CLIENT_VERIFY} == 'NONE')\">\n    ", "\n    </If>"),
        ("    <IfModule mod_ssl.c>\n    ", "\n    </IfModule>"),
        ("    <IfModule !mod_ssl.c>\n    ", "\n    </IfModule>"),
        ("", " \"expr=-n %{SSL_CLIENT_CERT}\""),
        ("", " early"),
    ],
    modes: ("SSLVerifyClient ", &["none", "optional", "require", "optional_no_ca"]),
};
/// What is put into Caddyfiles.
const CADDY: &[&str] = &[
    "header_up X-Client-Cert {tls_client_certificate_der_base64}",
    "header_up +X-Client-Cert {tls_client_fingerprint}",
    "header_up -X-Client-Cert",
    "header_up X-Client-Cert {http.request.header.X-Client-Cert}",
    "header_up X-Client-DN {tls_client_subject}",
    "header_up -DPoP",
    "header_up X-* gone",
    "header_up -X-*",
    "header_up Authorization \"Basic kb\"",
    "header_up Host app.internal",
    "request_header X-Client-Cert {tls_client_serial}",
    "request_header -X-Client-Cert",
    "request_header /v1/* -DPoP",
    "uri strip_prefix /v1",
    "rewrite /v1/* /v2{uri}",
    "rewrite * /all",
    "method POST",
    "respond /kb 403",
    "@kb path /v1/*\nrespond @kb 404",
    "@kb header X-Kb-None yes\nrespond @kb 404",
    "@kb not path /v1/*\nreverse_proxy @kb 127.0.0.1:9003",
    "handle /v1/* {\nreverse_proxy 127.0.0.1:9004\n}",
    "handle_path /v1/* {\nreverse_proxy 127.0.0.1:9005\n}",
    "handle {\nrespond 404\n}",
    "route {\nrequest_header X-Client-Cert early\nreverse_proxy /v1/* 127.0.0.1:9006\n}",
    "reverse_proxy /v1/* 127.0.0.1:9007",
    "reverse_proxy 127.0.0.1:9008",
    "log {\noutput file /tmp/oracle-logs/more.log\n}",
    "skip_log",
    "encode gzip",
    "abort",
    "http://kb.example.com {\nreverse_proxy 127.0.0.1:9000\n}",
    "(kb) {\nheader_up X-Client-Cert {tls_client_issuer}\n}",
];

/// Values in Envoy's configurations that may stand for each other.
const ENVOY_VALUES: &[&[&str]] = &[
    &["SANITIZE_SET", "APPEND_FORWARD", "ALWAYS_FORWARD_ONLY", "FORWARD_ONLY", "SANITIZE"],
    &["APPEND_IF_EXISTS_OR_ADD", "ADD_IF_ABSENT", "OVERWRITE_IF_EXISTS_OR_ADD", "OVERWRITE_IF_EXISTS"],
    &["VERIFY_TRUST_CHAIN", "ACCEPT_UNTRUSTED"],
    &["true", "false"],
    &[
        "%DOWNSTREAM_PEER_CERT%",
        "%DOWNSTREAM_PEER_FINGERPRINT_1%",
        "%DOWNSTREAM_PEER_SUBJECT%",
        "%REQ(x-kb-other)%",
        "%DOWNSTREAM_PEER_FINGERPRINT_256%",
        "a%DOWNSTREAM_PEER_SERIAL%b",
        "%REQ(x-kb-none?dpop)%",
        "%START_TIME%",
        "",
    ],
    &["x-client-cert", "x-client-dn", "x-forwarded-client-cert", "dpop", "authorization"],
    &["prefix: /v1/", "path: /v1/kb", "prefix: /", "path_separated_prefix: /v1"],
];

/// What is put into Envoy's configurations.
const ENVOY: &[&str] = &[
    "forward_client_cert_details: APPEND_FORWARD",
    "forward_client_cert_details: SANITIZE_SET",
    "set_current_client_cert_details:\n  chain: true\n  dns: true",
    "require_client_certificate: true",
    "request_headers_to_remove: [\"x-client-cert\", \"DPoP\"]",
    "request_headers_to_remove:\n- x-forwarded-client-cert",
    "request_headers_to_add:\n- header:\n    key: x-client-cert\n    value: \"%DOWNSTREAM_PEER_CERT%\"",
    "request_headers_to_add:\n- header:\n    key: x-forwarded-client-cert\n    value: forged\n  append_action: ADD_IF_ABSENT",
    "request_headers_to_add:\n- header: { key: x-client-cert, value: \"\" }\n  append_action: OVERWRITE_IF_EXISTS_OR_ADD",
    "keep_empty_value: true",
    "append: false",
    "most_specific_header_mutations_wins: true",
    "- match:\n    prefix: /v1/\n  direct_response:\n    status: 403",
    "- match:\n    prefix: /v1/\n    tls_context:\n      presented: true\n  route:\n    cluster: app",
    "- match:\n    path: /v1/kb\n  route:\n    cluster: app\n    prefix_rewrite: /kb",
    "- match:\n    prefix: /\n    headers:\n    - name: x-kb-none\n      present_match: true\n  redirect:\n    https_redirect: true",
    "host_rewrite_literal: kb.internal",
    "require_tls: ALL",
    "- name: envoy.filters.http.header_mutation\n  typed_config:\n    \"@type\": type.googleapis.com/envoy.extensions.filters.http.header_mutation.v3.HeaderMutation\n    mutations:\n      request_mutations:\n      - remove: x-client-cert\n      - append:\n          header: { key: x-client-dn, value: \"%DOWNSTREAM_PEER_ISSUER%\" }",
    "- name: envoy.filters.http.rbac\n  typed_config:\n    \"@type\": type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBAC\n    rules:\n      policies:\n        kb:\n          permissions: [{ any: true }]\n          principals: [{ authenticated: {} }]",
    "- name: envoy.filters.http.lua\n  typed_config:\n    \"@type\": type.googleapis.com/envoy.extensions.filters.http.lua.v3.Lua\n    default_source_code:\n      inline_string: |\n        function envoy_on_request(handle) handle:headers():remove(\"x-client-cert\") end",
    "use_remote_address: true",
];

/// Values in Traefik's configurations that may stand for each other.
const TRAEFIK_VALUES: &[&[&str]] = &[
    &[
        "NoClientCert",
        "RequestClientCert",
        "RequireAnyClientCert",
        "VerifyClientCertIfGiven",
        "RequireAndVerifyClientCert",
    ],
    &["true", "false"],
    &["default", "strict", "clients"],
    &[
        "Host(`api.example.com`)",
        "PathPrefix(`/v1`)",
        "Host(`api.example.com`) && PathPrefix(`/v1`)",
        "HostRegexp(`.+`)",
    ],
    &["10.0.0.0/8", "0.0.0.0/0", "127.0.0.1/32"],
    &["keep", "drop", "redact"],
    &["json", "common"],
    &["stripPrefix", "replacePath", "addPrefix"],
];

/// What is put into Traefik's configurations.
const TRAEFIK: &[&str] = &[
    "forwardedHeaders:\n  insecure: true",
    "priority: 10",
    "passHostHeader: false",
    "accessLog: {}",
    "accessLog:\n  format: json\n  fields:\n    headers:\n      names:\n        DPoP: keep",
    "kb:\n  headers:\n    customRequestHeaders:\n      X-Forwarded-Tls-Client-Cert: kb",
    "kb:\n  passTLSClientCert:\n    pem: true",
    "customRequestHeaders:\n  X-Forwarded-Tls-Client-Cert-Info: \"\"",
    "kb:\n  rule: PathPrefix(`/kb`)\n  service: app\n  tls: {}",
    "kb:\n  rule: Host(`kb.example.com`)\n  entryPoints: [websecure]\n  service: app\n  tls:\n    options: strict",
    "kb:\n  rule: Host(`api.example.com`) && Path(`/kb`)\n  service: app",
    "strict:\n  clientAuth:\n    caFiles: [/etc/gateway/tls/clients-ca.crt]\n    clientAuthType: RequestClientCert",
    "pem: true",
    "info:\n  issuer:\n    commonName: true",
    "- url: http://127.0.0.1:9002",
];
