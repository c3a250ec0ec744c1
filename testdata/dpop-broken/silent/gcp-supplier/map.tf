resource "google_compute_url_map" "garden" {
  name            = "garden"
  default_service = google_compute_backend_service.garden.id

  host_rule {
    hosts        = ["api.garden.example"]
    path_matcher = "all"
  }
  path_matcher {
    name            = "all"
    default_service = google_compute_backend_service.garden.id

    path_rule {
      paths   = ["/pictures/*"]
      service = google_compute_backend_service.pictures.id
      route_action {
        cors_policy {
          allow_headers = ["Authorization"]
          disabled      = true
        }
      }
    }
    header_action {
      request_headers_to_remove = ["X-Debug"]
    }
  }
}

resource "google_compute_backend_service" "garden" {
  name                  = "garden"
  load_balancing_scheme = "EXTERNAL_MANAGED"
}

resource "google_compute_url_map" "pictures" {
  name            = "pictures"
  default_service = google_compute_backend_service.pictures.id
  header_action {
    request_headers_to_remove = ["Authorization", "DPoP"]
  }
}

resource "google_compute_backend_service" "pictures" {
  name                  = "pictures"
  load_balancing_scheme = "EXTERNAL_MANAGED"
  backend {
    group = google_compute_global_network_endpoint_group.pictures.id
  }
}

resource "google_compute_global_network_endpoint_group" "pictures" {
  name                  = "pictures"
  network_endpoint_type = "INTERNET_FQDN_PORT"
}

resource "google_compute_global_network_endpoint" "pictures" {
  global_network_endpoint_group = google_compute_global_network_endpoint_group.pictures.name
  fqdn                          = "images.example.net"
  port                          = 443
}
