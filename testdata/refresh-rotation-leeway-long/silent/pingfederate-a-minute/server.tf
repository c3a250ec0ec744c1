variable "rolls" {
  type = bool
}

resource "pingfederate_oauth_server_settings" "this" {
  roll_refresh_token_values          = true
  refresh_token_rolling_grace_period = 60
}

resource "pingfederate_oauth_server_settings" "other" {
  roll_refresh_token_values = var.rolls
}
