module "gateway" {
  source = "./modules/gateway"

  name        = "orders"
  backend_uri = "https://orders.internal.example.com"
  truststore  = "s3://orders-truststore/clients.pem"
}
