resource "auth0_resource_server" "api" {
  identifier     = "https://api.example.com"
  token_lifetime = 600
  proof_of_possession {
    mechanism = "mtls"
    required  = true
  }
}
