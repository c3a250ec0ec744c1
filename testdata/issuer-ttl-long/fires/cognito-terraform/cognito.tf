resource "aws_cognito_user_pool_client" "web" {
  name                  = "web"
  user_pool_id          = aws_cognito_user_pool.main.id
  access_token_validity = 1
  token_validity_units {
    access_token = "days"
  }
}
