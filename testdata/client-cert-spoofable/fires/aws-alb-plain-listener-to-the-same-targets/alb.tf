resource "aws_lb" "orders" {
  name                       = "orders"
  load_balancer_type         = "application"
  drop_invalid_header_fields = true
}

resource "aws_lb_target_group" "orders" {
  name     = "orders"
  port     = 8080
  protocol = "HTTP"
}

resource "aws_lb_listener" "partners" {
  load_balancer_arn = aws_lb.orders.arn
  port              = 443
  protocol          = "HTTPS"
  certificate_arn   = "arn:aws:acm:eu-north-1:000000000000:certificate/orders"

  mutual_authentication {
    mode            = "verify"
    trust_store_arn = aws_lb_trust_store.partners.arn
  }

  default_action {
    type             = "forward"
    target_group_arn = aws_lb_target_group.orders.arn
  }
}

resource "aws_lb_trust_store" "partners" {
  name                             = "partners"
  ca_certificates_bundle_s3_bucket = "orders-trust"
  ca_certificates_bundle_s3_key    = "partners.pem"
}

# terminals that have not moved yet
resource "aws_lb_listener" "terminals" {
  load_balancer_arn = aws_lb.orders.arn
  port              = 80
  protocol          = "HTTP"

  default_action {
    type             = "forward"
    target_group_arn = aws_lb_target_group.orders.arn
  }
}
