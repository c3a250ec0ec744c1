resource "aws_cognito_user_pool_client" "web" {
  name                = "web"
  explicit_auth_flows = ["ALLOW_USER_SRP_AUTH", "ALLOW_REFRESH_TOKEN_AUTH"]
}
