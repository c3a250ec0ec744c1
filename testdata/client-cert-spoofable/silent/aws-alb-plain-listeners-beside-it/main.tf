resource "aws_lb_listener" "mtls" {
  load_balancer_arn = aws_lb.public.arn
  port              = 8443
  protocol          = "HTTPS"
  certificate_arn   = aws_acm_certificate.public.arn
  mutual_authentication {
    mode            = "verify"
    trust_store_arn = aws_lb_trust_store.clients.arn
  }
  default_action {
    type             = "forward"
    target_group_arn = aws_lb_target_group.api["api"].arn
  }
}

resource "aws_lb_listener" "web" {
  load_balancer_arn = aws_lb.public.arn
  port              = 443
  protocol          = "HTTPS"
  certificate_arn   = aws_acm_certificate.public.arn
  default_action {
    type             = "forward"
    target_group_arn = aws_lb_target_group.web.arn
  }
}

resource "aws_lb" "public" {
  name    = "public"
  subnets = ["subnet-a", "subnet-b"]
}

resource "aws_lb_target_group" "api" {
  for_each = toset(["api"])
  name     = each.key
  port     = 8080
  protocol = "HTTP"
  vpc_id   = "vpc-1"
}

resource "aws_lb_target_group" "web" {
  name     = "web"
  port     = 8081
  protocol = "HTTP"
  vpc_id   = "vpc-1"
}
