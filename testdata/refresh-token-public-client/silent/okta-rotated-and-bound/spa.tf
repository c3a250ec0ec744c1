resource "okta_app_oauth" "spa" {
  label                      = "spa"
  type                       = "browser"
  token_endpoint_auth_method = "none"
  grant_types                = ["authorization_code", "refresh_token"]
  refresh_token_rotation     = "ROTATE"
  refresh_token_leeway       = 30
  dpop_bound_access_tokens   = true
}
