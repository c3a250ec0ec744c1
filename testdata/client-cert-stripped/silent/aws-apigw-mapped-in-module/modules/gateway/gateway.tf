variable "name" {}
variable "backend_uri" {}
variable "truststore" {
  default = null
}
variable "default_endpoint" {
  type    = bool
  default = false
}

locals {
  forwarded = {
    "overwrite:header.X-Client-Cert" = "$context.identity.clientCert.clientCertPem"
    "overwrite:header.X-Request-Id"  = "$context.requestId"
  }
}

resource "aws_apigatewayv2_api" "this" {
  name                         = var.name
  protocol_type                = "HTTP"
  disable_execute_api_endpoint = !var.default_endpoint
}

resource "aws_apigatewayv2_domain_name" "this" {
  domain_name = "${var.name}.example.com"
  domain_name_configuration {
    certificate_arn = aws_acm_certificate.this.arn
    endpoint_type   = "REGIONAL"
    security_policy = "TLS_1_2"
  }

  dynamic "mutual_tls_authentication" {
    for_each = var.truststore != null ? [var.truststore] : []
    content {
      truststore_uri = mutual_tls_authentication.value
    }
  }
}

resource "aws_apigatewayv2_api_mapping" "this" {
  api_id      = aws_apigatewayv2_api.this.id
  domain_name = aws_apigatewayv2_domain_name.this.id
  stage       = aws_apigatewayv2_stage.this.id
}

resource "aws_apigatewayv2_stage" "this" {
  api_id      = aws_apigatewayv2_api.this.id
  name        = "$default"
  auto_deploy = true
}

resource "aws_apigatewayv2_integration" "this" {
  api_id             = aws_apigatewayv2_api.this.id
  integration_type   = "HTTP_PROXY"
  integration_method = "ANY"
  integration_uri    = var.backend_uri
  request_parameters = local.forwarded
}
