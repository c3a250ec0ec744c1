resource "auth0_client" "m2m" {
  name                        = "m2m"
  app_type                    = "non_interactive"
  grant_types                 = ["client_credentials"]
  require_proof_of_possession = true
  refresh_token {
    rotation_type   = "non-rotating"
    expiration_type = "non-expiring"
  }
}
