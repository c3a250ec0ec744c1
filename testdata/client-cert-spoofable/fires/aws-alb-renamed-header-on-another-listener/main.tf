resource "aws_lb" "public" {
  name    = "public"
  subnets = ["subnet-a", "subnet-b"]
}

resource "aws_lb_listener" "mtls" {
  load_balancer_arn = aws_lb.public.arn
  port              = 8443
  protocol          = "HTTPS"
  certificate_arn   = aws_acm_certificate.public.arn

  mutual_authentication {
    mode            = "verify"
    trust_store_arn = aws_lb_trust_store.clients.arn
  }

  routing_http_request_x_amzn_mtls_clientcert_leaf_header_name = "X-SSL-Client-Cert"

  default_action {
    type             = "forward"
    target_group_arn = aws_lb_target_group.api.arn
  }
}

resource "aws_lb_listener" "https" {
  load_balancer_arn = aws_lb.public.arn
  port              = 443
  protocol          = "HTTPS"
  certificate_arn   = aws_acm_certificate.public.arn

  default_action {
    type = "fixed-response"
    fixed_response {
      content_type = "text/plain"
      status_code  = "404"
    }
  }
}

resource "aws_lb_listener_rule" "api" {
  listener_arn = aws_lb_listener.https.arn
  priority     = 10

  condition {
    host_header {
      values = ["api.example.com"]
    }
  }
  action {
    type             = "forward"
    target_group_arn = aws_lb_target_group.api.arn
  }
}

resource "aws_lb_trust_store" "clients" {
  name                             = "clients"
  ca_certificates_bundle_s3_bucket = "truststore"
  ca_certificates_bundle_s3_key    = "clients.pem"
}

resource "aws_lb_target_group" "api" {
  name     = "api"
  port     = 8080
  protocol = "HTTP"
  vpc_id   = "vpc-1"
}
