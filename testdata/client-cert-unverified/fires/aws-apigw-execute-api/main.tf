module "api" {
  source     = "./api"
  domain     = "partners.example.com"
  truststore = "s3://partners-truststore/partners.pem"
}
