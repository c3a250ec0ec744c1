//! Names that nginx gives: directives, variables, files of its packages.

use crate::gateway::hop::Form;

/// Directives that tell nginx's configuration from other texts in braces. Not all there are: those that fragments begin
/// with.
const DIRECTIVES: &[&str] = &[
    "absolute_redirect",
    "accept_mutex",
    "access_by_lua_block",
    "access_by_lua_file",
    "access_log",
    "add_header",
    "add_header_inherit",
    "aio",
    "alias",
    "allow",
    "auth_basic",
    "auth_basic_user_file",
    "auth_jwt",
    "auth_jwt_key_file",
    "auth_request",
    "auth_request_set",
    "autoindex",
    "brotli",
    "brotli_types",
    "charset",
    "chunked_transfer_encoding",
    "client_body_buffer_size",
    "client_body_timeout",
    "client_header_buffer_size",
    "client_header_timeout",
    "client_max_body_size",
    "content_by_lua_block",
    "daemon",
    "debug_connection",
    "default_type",
    "deny",
    "directio",
    "env",
    "error_log",
    "error_page",
    "etag",
    "events",
    "expires",
    "fastcgi_buffer_size",
    "fastcgi_buffers",
    "fastcgi_cache",
    "fastcgi_cache_path",
    "fastcgi_hide_header",
    "fastcgi_index",
    "fastcgi_intercept_errors",
    "fastcgi_param",
    "fastcgi_pass",
    "fastcgi_read_timeout",
    "fastcgi_split_path_info",
    "geo",
    "geoip2",
    "grpc_pass",
    "grpc_set_header",
    "gunzip",
    "gzip",
    "gzip_comp_level",
    "gzip_disable",
    "gzip_http_version",
    "gzip_min_length",
    "gzip_proxied",
    "gzip_static",
    "gzip_types",
    "gzip_vary",
    "http",
    "http2",
    "http2_push_preload",
    "http3",
    "if",
    "ignore_invalid_headers",
    "include",
    "index",
    "init_by_lua_block",
    "internal",
    "js_content",
    "js_import",
    "js_include",
    "js_path",
    "js_set",
    "keepalive_disable",
    "keepalive_requests",
    "keepalive_timeout",
    "large_client_header_buffers",
    "limit_conn",
    "limit_conn_zone",
    "limit_except",
    "limit_rate",
    "limit_req",
    "limit_req_status",
    "limit_req_zone",
    "listen",
    "load_module",
    "location",
    "lock_file",
    "log_format",
    "log_not_found",
    "lua_package_path",
    "lua_shared_dict",
    "lua_ssl_trusted_certificate",
    "mail",
    "map",
    "map_hash_bucket_size",
    "map_hash_max_size",
    "match",
    "merge_slashes",
    "modsecurity",
    "modsecurity_rules_file",
    "more_clear_headers",
    "more_clear_input_headers",
    "more_set_headers",
    "more_set_input_headers",
    "msie_padding",
    "open_file_cache",
    "override_charset",
    "pcre_jit",
    "pid",
    "port_in_redirect",
    "proxy_buffer_size",
    "proxy_buffering",
    "proxy_buffers",
    "proxy_busy_buffers_size",
    "proxy_cache",
    "proxy_cache_bypass",
    "proxy_cache_key",
    "proxy_cache_path",
    "proxy_cache_valid",
    "proxy_connect_timeout",
    "proxy_cookie_path",
    "proxy_headers_hash_bucket_size",
    "proxy_headers_hash_max_size",
    "proxy_hide_header",
    "proxy_http_version",
    "proxy_ignore_client_abort",
    "proxy_ignore_headers",
    "proxy_intercept_errors",
    "proxy_max_temp_file_size",
    "proxy_next_upstream",
    "proxy_pass",
    "proxy_pass_header",
    "proxy_pass_request_headers",
    "proxy_protocol",
    "proxy_read_timeout",
    "proxy_redirect",
    "proxy_request_buffering",
    "proxy_send_timeout",
    "proxy_set_body",
    "proxy_set_header",
    "proxy_ssl_certificate",
    "proxy_ssl_name",
    "proxy_ssl_server_name",
    "proxy_ssl_trusted_certificate",
    "proxy_ssl_verify",
    "proxy_temp_path",
    "proxy_timeout",
    "quic_retry",
    "real_ip_header",
    "real_ip_recursive",
    "reset_timedout_connection",
    "resolver",
    "resolver_timeout",
    "return",
    "rewrite",
    "rewrite_by_lua_block",
    "rewrite_log",
    "root",
    "satisfy",
    "scgi_param",
    "scgi_pass",
    "send_timeout",
    "sendfile",
    "server",
    "server_name",
    "server_name_in_redirect",
    "server_names_hash_bucket_size",
    "server_names_hash_max_size",
    "server_tokens",
    "set",
    "set_by_lua_block",
    "set_real_ip_from",
    "split_clients",
    "ssi",
    "ssl",
    "ssl_buffer_size",
    "ssl_certificate",
    "ssl_certificate_key",
    "ssl_ciphers",
    "ssl_client_certificate",
    "ssl_conf_command",
    "ssl_crl",
    "ssl_dhparam",
    "ssl_early_data",
    "ssl_ecdh_curve",
    "ssl_ocsp",
    "ssl_password_file",
    "ssl_prefer_server_ciphers",
    "ssl_preread",
    "ssl_protocols",
    "ssl_reject_handshake",
    "ssl_session_cache",
    "ssl_session_ticket_key",
    "ssl_session_tickets",
    "ssl_session_timeout",
    "ssl_stapling",
    "ssl_stapling_verify",
    "ssl_trusted_certificate",
    "ssl_verify_client",
    "ssl_verify_depth",
    "stream",
    "stub_status",
    "sub_filter",
    "tcp_nodelay",
    "tcp_nopush",
    "thread_pool",
    "timer_resolution",
    "try_files",
    "types",
    "types_hash_bucket_size",
    "types_hash_max_size",
    "underscores_in_headers",
    "upstream",
    "user",
    "userid",
    "uwsgi_param",
    "uwsgi_pass",
    "uwsgi_read_timeout",
    "vhost_traffic_status_zone",
    "worker_connections",
    "worker_cpu_affinity",
    "worker_priority",
    "worker_processes",
    "worker_rlimit_nofile",
    "worker_shutdown_timeout",
    "working_directory",
    "zone",
];

/// Files of nginx's packages, and of others that write for it, by their last names; and those of their directives that
/// matter here. None of them asks for certificates, carries one or touches a token.
const STOCK: &[(&str, &[&str])] = &[
    ("mime.types", &[]),
    ("koi-utf", &[]),
    ("koi-win", &[]),
    ("win-utf", &[]),
    ("fastcgi_params", &["fastcgi_param REQUEST_URI $request_uri"]),
    ("fastcgi.conf", &["fastcgi_param REQUEST_URI $request_uri"]),
    ("fastcgi-php.conf", &["fastcgi_param REQUEST_URI $request_uri"]),
    ("scgi_params", &["scgi_param REQUEST_URI $request_uri"]),
    ("uwsgi_params", &["uwsgi_param REQUEST_URI $request_uri"]),
    (
        "proxy_params",
        &[
            "proxy_set_header Host $host",
            "proxy_set_header X-Real-IP $remote_addr",
            "proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for",
            "proxy_set_header X-Forwarded-Proto $scheme",
        ],
    ),
    ("snakeoil.conf", &[]),
    ("options-ssl-nginx.conf", &[]),
];

/// The directives of a stock file, if it is one.
pub(super) fn stock(path: &str) -> Option<&'static [&'static str]> {
    let name = path.rsplit('/').next().unwrap_or(path);
    let name = name.strip_suffix(".default").unwrap_or(name);
    STOCK.iter().find(|(stock, _)| *stock == name).map(|(_, directives)| *directives)
}

/// Whether nginx knows a directive of that name, as far as we do.
pub(super) fn is_directive(name: &str) -> bool {
    DIRECTIVES.binary_search(&name).is_ok()
}

/// In which form a variable shows the certificate.
pub(super) fn certificate(variable: &str) -> Option<Form> {
    Some(match variable {
        "ssl_client_escaped_cert" => Form::PemEscaped,
        "ssl_client_cert" | "ssl_client_raw_cert" => Form::PemLines,
        "ssl_client_fingerprint" => Form::Sha1,
        "ssl_client_serial" => Form::Serial,
        "ssl_client_s_dn" | "ssl_client_i_dn" | "ssl_client_s_dn_legacy" | "ssl_client_i_dn_legacy" => Form::Dn,
        _ => return None,
    })
}

/// Whether a variable of nginx's own holds the query.
pub(super) fn holds_query(variable: &str) -> bool {
    matches!(variable, "request" | "request_uri" | "args" | "query_string" | "arg_access_token")
}

/// Whether nginx's own modules define a variable of that name, with nothing of a certificate or a header in it.
pub(super) fn is_builtin(variable: &str) -> bool {
    const PREFIXES: &[&str] = &[
        "arg_",
        "cookie_",
        "sent_",
        "upstream_",
        "ssl_",
        "proxy_",
        "geoip_",
        "geoip2_",
        "time_",
        "tcpinfo_",
        "jwt_",
        "limit_",
        "connection",
        "request",
        "server_",
        "remote_",
        "realip_",
        "fastcgi_",
        "uri",
        "document_",
        "realpath_",
        "body_bytes_",
        "bytes_",
        "http2",
        "http3",
        "spdy",
        "gzip_",
        "invalid_",
        "secure_link",
        "modern_browser",
        "ancient_browser",
        "msie",
        "nginx_version",
        "slice_range",
        "uid_",
        "date_",
        "memcached_",
        "is_request_port",
    ];
    const NAMES: &[&str] = &[
        "host",
        "hostname",
        "https",
        "is_args",
        "msec",
        "pid",
        "pipe",
        "protocol",
        "scheme",
        "status",
        "content_length",
        "content_type",
        "binary_remote_addr",
        "query_string",
        "args",
        "server_addr",
    ];
    NAMES.contains(&variable) || PREFIXES.iter().any(|prefix| variable.starts_with(prefix))
}

/// Whether gateways pass on what they know of a certificate under such a name (lower case).
pub(super) fn is_carrier(header: &str) -> bool {
    let says = |word: &str| header.split(['-', '_']).any(|part| part == word);
    let certificate = says("cert") || says("certificate") || header.contains("clientcert");
    let of_client = ["client", "ssl", "tls", "mtls", "forwarded", "peer"].into_iter().any(says);
    let of_certificate =
        ["dn", "verify", "verified", "fingerprint", "subject", "serial", "thumbprint"].into_iter().any(says);
    header.contains("clientcert") || (certificate || of_certificate) && of_client
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn carriers_are_known_by_their_names() {
        for name in
            ["client-cert", "x-ssl-cert", "x-amzn-mtls-clientcert", "x-forwarded-client-cert", "x-ssl-client-s-dn"]
        {
            assert!(is_carrier(name), "{name}");
        }
        for name in ["x-client-ip", "x-forwarded-for", "x-request-id", "x-certainty", "x-subject", "ssl-offloaded"] {
            assert!(!is_carrier(name), "{name}");
        }
    }

    #[test]
    fn names_are_sorted() {
        assert!(DIRECTIVES.is_sorted());
    }
}
