resource "google_certificate_manager_trust_config" "clients" {
  name     = "clients"
  location = "global"
  trust_stores {
    trust_anchors {
      pem_certificate = file("clients-ca.pem")
    }
  }
}

resource "google_network_security_server_tls_policy" "mtls" {
  name     = "mtls"
  location = "global"
  mtls_policy {
    client_validation_mode         = "REJECT_INVALID"
    client_validation_trust_config = google_certificate_manager_trust_config.clients.id
  }
}

resource "google_compute_global_forwarding_rule" "https" {
  name                  = "https"
  target                = google_compute_target_https_proxy.api.id
  port_range            = "443"
  load_balancing_scheme = "EXTERNAL_MANAGED"
  ip_address            = google_compute_global_address.api.address
}

resource "google_compute_target_https_proxy" "api" {
  name              = "api"
  url_map           = google_compute_url_map.api.id
  ssl_certificates  = [google_compute_managed_ssl_certificate.api.id]
  server_tls_policy = google_network_security_server_tls_policy.mtls.id
}

resource "google_compute_url_map" "api" {
  name            = "api"
  default_service = google_compute_backend_service.api.id

}

resource "google_compute_backend_service" "api" {
  name                  = "api"
  protocol              = "HTTPS"
  load_balancing_scheme = "EXTERNAL_MANAGED"
  custom_request_headers = [
    "X-Client-Cert-Present:{client_cert_present}",
    "X-Client-Cert-Hash:{client_cert_sha256_fingerprint}",
    "X-Client-Cert-Chain-Verified:{client_cert_chain_verified}",
  ]
  backend {
    group = google_compute_region_network_endpoint_group.api.id
  }
}
