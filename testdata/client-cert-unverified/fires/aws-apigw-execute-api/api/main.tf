variable "domain" {}
variable "truststore" {}

resource "aws_api_gateway_rest_api" "partners" {
  name = "partners"
  body = file("${path.module}/openapi.yaml")

  endpoint_configuration {
    types = ["REGIONAL"]
  }
}

resource "aws_api_gateway_domain_name" "partners" {
  domain_name              = var.domain
  regional_certificate_arn = aws_acm_certificate.partners.arn
  security_policy          = "TLS_1_2"

  endpoint_configuration {
    types = ["REGIONAL"]
  }
  mutual_tls_authentication {
    truststore_uri = var.truststore
  }
}

resource "aws_api_gateway_base_path_mapping" "partners" {
  api_id      = aws_api_gateway_rest_api.partners.id
  stage_name  = aws_api_gateway_stage.live.stage_name
  domain_name = aws_api_gateway_domain_name.partners.domain_name
}
