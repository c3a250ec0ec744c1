resource "pingfederate_oauth_server_settings" "this" {
  authorization_code_timeout = 60
  refresh_token_length       = 42
  roll_refresh_token_values  = false
}
