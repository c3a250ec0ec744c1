variable "lifetime" {
  type = number
}

resource "auth0_resource_server" "api" {
  identifier     = "https://api.example.com"
  token_lifetime = var.lifetime
}

resource "auth0_resource_server" "other" {
  identifier     = "https://other.example.com"
  token_lifetime = local.hour
}

locals {
  hour = 60 * 60
}
