resource "okta_app_oauth" "spa" {
  label                      = "spa"
  type                       = "browser"
  token_endpoint_auth_method = "none"
  grant_types                = ["authorization_code", "refresh_token"]
  refresh_token_rotation     = "STATIC"
}
