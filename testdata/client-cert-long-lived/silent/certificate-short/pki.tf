variable "hours" {}

variable "uses" {
  default = ["client_auth", "server_auth"]
}

resource "tls_locally_signed_cert" "unknown" {
  validity_period_hours = var.hours
  allowed_uses          = ["client_auth"]
}

resource "tls_locally_signed_cert" "both" {
  validity_period_hours = 87600
  allowed_uses          = var.uses
}

resource "vault_pki_secret_backend_role" "both" {
  backend     = "pki"
  name        = "both"
  server_flag = true
  max_ttl     = "31536000"
}
