//! The gateways that are run, one line each.

use std::process::Command;

use crate::mutate::{self, Random};

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
}

/// All of them.
pub(crate) const PRODUCTS: &[Product] = &[Product {
    name: "nginx",
    mutants: 6,
    at_least: 120,
    mutate: |text, random| mutate::directives(text, random, NGINX),
    installed: || answers("nginx", "-v"),
    closes_twins: true,
}];

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
