# The API takes DPoP proofs; this is only its front door.
resource "google_compute_target_http_proxy" "redirect" {
  name    = "redirect"
  url_map = google_compute_url_map.redirect.id
}

resource "google_compute_url_map" "redirect" {
  name = "redirect"
  default_url_redirect {
    https_redirect = true
    strip_query    = false
  }
}

resource "google_compute_target_https_proxy" "site" {
  name             = "site"
  url_map          = google_compute_url_map.site.id
  ssl_certificates = ["site"]
}

resource "google_compute_url_map" "site" {
  name            = "site"
  default_service = google_compute_backend_bucket.site.id
  header_action {
    request_headers_to_remove = ["DPoP", "Authorization"]
  }
}

resource "google_compute_backend_bucket" "site" {
  name        = "site"
  bucket_name = "site"
}
