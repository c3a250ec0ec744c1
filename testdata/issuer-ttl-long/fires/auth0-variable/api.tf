resource "auth0_resource_server" "api" {
  identifier     = "https://api.example.com"
  token_lifetime = var.lifetime
}
