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

    # the app in the browser sends DPoP proofs
    default_route_action {
      cors_policy {
        allow_origins = ["https://garden.example"]
        allow_methods = ["GET", "POST"]
        allow_headers = ["Authorization", "Content-Type"]
      }
    }
  }
}

resource "google_compute_backend_service" "garden" {
  name                  = "garden"
  load_balancing_scheme = "EXTERNAL_MANAGED"
}
