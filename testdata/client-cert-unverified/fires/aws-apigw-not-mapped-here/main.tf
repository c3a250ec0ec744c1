resource "aws_api_gateway_rest_api" "devices" {
  name = "devices"
}

resource "aws_api_gateway_domain_name" "devices" {
  domain_name              = "devices.example.com"
  regional_certificate_arn = "arn:aws:acm:eu-west-1:111122223333:certificate/devices"
  endpoint_configuration {
    types = ["REGIONAL"]
  }
  mutual_tls_authentication {
    truststore_uri = "s3://devices/clients.pem"
  }
}
