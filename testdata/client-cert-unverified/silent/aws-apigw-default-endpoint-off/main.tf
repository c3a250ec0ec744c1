locals {
  disable_default = true
}

resource "aws_apigatewayv2_api" "this" {
  name                         = "devices"
  protocol_type                = "HTTP"
  disable_execute_api_endpoint = local.disable_default
}

resource "aws_apigatewayv2_domain_name" "this" {
  domain_name = "devices.example.com"
  domain_name_configuration {
    certificate_arn = aws_acm_certificate.this.arn
    endpoint_type   = "REGIONAL"
    security_policy = "TLS_1_2"
  }
  mutual_tls_authentication {
    truststore_uri = "s3://devices/clients.pem"
  }
}

resource "aws_apigatewayv2_api_mapping" "this" {
  api_id      = aws_apigatewayv2_api.this.id
  domain_name = aws_apigatewayv2_domain_name.this.id
  stage       = "$default"
}

resource "aws_apigatewayv2_integration" "this" {
  api_id                 = aws_apigatewayv2_api.this.id
  integration_type       = "AWS_PROXY"
  integration_uri        = aws_lambda_function.devices.invoke_arn
  payload_format_version = "2.0"
}

# Another API, with no certificates at all: its default endpoint is nobody's bypass.
resource "aws_apigatewayv2_api" "public" {
  name          = "public"
  protocol_type = "HTTP"
  target        = aws_lambda_function.public.arn
}
