resource "aws_lb" "public" {
  name                       = "public"
  load_balancer_type         = "application"
  subnets                    = var.subnets
  drop_invalid_header_fields = true
}

resource "aws_lb_listener" "https" {
  load_balancer_arn = aws_lb.public.arn
  port              = 443
  protocol          = "HTTPS"
  ssl_policy        = "ELBSecurityPolicy-TLS13-1-2-2021-06"
  certificate_arn   = aws_acm_certificate.public.arn

  mutual_authentication {
    mode            = "verify"
    trust_store_arn = aws_lb_trust_store.clients.arn
  }

  default_action {
    type             = "forward"
    target_group_arn = aws_lb_target_group.api.arn
  }
}

resource "aws_lb_listener" "http" {
  load_balancer_arn = aws_lb.public.arn
  port              = "80"
  protocol          = "HTTP"

  default_action {
    type = "redirect"
    redirect {
      port        = "443"
      protocol    = "HTTPS"
      status_code = "HTTP_301"
    }
  }
}

resource "aws_lb_trust_store" "clients" {
  name                             = "clients"
  ca_certificates_bundle_s3_bucket = aws_s3_bucket.truststore.bucket
  ca_certificates_bundle_s3_key    = "clients.pem"
}

resource "aws_lb_target_group" "api" {
  name     = "api"
  port     = 8080
  protocol = "HTTP"
  vpc_id   = var.vpc_id
}

variable "subnets" { type = list(string) }
variable "vpc_id" {}
