# Asked for in production only: terraform.tfvars decides.
variable "mtls_mode" {
  default = "off"
}

resource "aws_lb_listener" "https" {
  load_balancer_arn = aws_lb.public.arn
  port              = 443
  protocol          = "HTTPS"
  certificate_arn   = "arn:aws:acm:eu-west-1:111122223333:certificate/public"

  mutual_authentication {
    mode            = var.mtls_mode
    trust_store_arn = var.mtls_mode == "verify" ? aws_lb_trust_store.clients.arn : null
  }

  default_action {
    type             = "forward"
    target_group_arn = aws_lb_target_group.api.arn
  }
}

resource "aws_lb_trust_store" "clients" {
  name                             = "clients"
  ca_certificates_bundle_s3_bucket = "truststore"
  ca_certificates_bundle_s3_key    = "clients.pem"
}

resource "aws_lb" "public" {
  name    = "public"
  subnets = ["subnet-a", "subnet-b"]
}

resource "aws_lb_target_group" "api" {
  name     = "api"
  port     = 8080
  protocol = "HTTP"
  vpc_id   = "vpc-1"
}
