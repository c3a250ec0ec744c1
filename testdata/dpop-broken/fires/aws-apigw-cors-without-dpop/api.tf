# Browser clients send DPoP proofs.
resource "aws_apigatewayv2_api" "web" {
  name          = "web"
  protocol_type = "HTTP"
  cors_configuration {
    allow_origins = ["https://app.example.com"]
    allow_methods = ["GET", "POST"]
    allow_headers = ["authorization", "content-type"]
  }
}

resource "aws_apigatewayv2_integration" "web" {
  api_id             = aws_apigatewayv2_api.web.id
  integration_type   = "HTTP_PROXY"
  integration_method = "ANY"
  integration_uri    = "https://web.internal.example.com"
}
