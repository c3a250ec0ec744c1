resource "okta_auth_server_policy_rule" "default" {
  name                           = "default"
  access_token_lifetime_minutes  = 60
  refresh_token_lifetime_minutes = 129600
}
