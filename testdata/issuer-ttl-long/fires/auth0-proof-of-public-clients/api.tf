resource "auth0_resource_server" "orders" {
  identifier     = "https://orders.example.com"
  token_lifetime = 28800

  proof_of_possession {
    mechanism    = "dpop"
    required     = true
    required_for = "public_clients"
  }
}

resource "auth0_resource_server" "refunds" {
  identifier     = "https://refunds.example.com"
  token_lifetime = 28800

  proof_of_possession {
    mechanism    = "dpop"
    required     = true
    required_for = "all_clients"
  }
}
