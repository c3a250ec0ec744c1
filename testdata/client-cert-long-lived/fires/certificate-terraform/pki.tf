locals {
  hours = 24 * 180
}

resource "tls_locally_signed_cert" "client" {
  cert_request_pem      = tls_cert_request.client.cert_request_pem
  ca_private_key_pem    = tls_private_key.ca.private_key_pem
  ca_cert_pem           = tls_self_signed_cert.ca.cert_pem
  validity_period_hours = local.hours
  allowed_uses          = ["digital_signature", "client_auth"]
}

resource "vault_pki_secret_backend_role" "client" {
  backend     = vault_mount.pki.path
  name        = "client"
  server_flag = false
  client_flag = true
  ttl         = "86400"
  max_ttl     = "31536000"
}
