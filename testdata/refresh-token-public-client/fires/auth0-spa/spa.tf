resource "auth0_client" "spa" {
  name        = "spa"
  app_type    = "spa"
  grant_types = ["authorization_code", "refresh_token"]
  refresh_token {
    rotation_type   = "non-rotating"
    expiration_type = "non-expiring"
  }
}
