resource "aws_cognito_user_pool_client" "web" {
  name                   = "web"
  generate_secret        = true
  access_token_validity  = 60
  id_token_validity      = 24
  refresh_token_validity = 30
  token_validity_units {
    access_token = "minutes"
  }
}
