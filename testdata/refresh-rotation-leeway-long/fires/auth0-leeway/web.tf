resource "auth0_client" "web" {
  name                        = "web"
  app_type                    = "regular_web"
  grant_types                 = ["authorization_code", "refresh_token"]
  require_proof_of_possession = true
  refresh_token {
    rotation_type   = "rotating"
    expiration_type = "expiring"
    leeway          = 61
  }
}
