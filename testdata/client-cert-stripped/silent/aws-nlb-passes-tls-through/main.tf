# TLS ends at the pods, which check certificate-bound tokens themselves.
resource "aws_lb" "edge" {
  name               = "edge"
  load_balancer_type = "network"
  subnets            = ["subnet-a", "subnet-b"]
}

resource "aws_lb_listener" "tls" {
  load_balancer_arn = aws_lb.edge.arn
  port              = 443
  protocol          = "TCP"
  default_action {
    type             = "forward"
    target_group_arn = aws_lb_target_group.edge.arn
  }
}

resource "aws_lb_target_group" "edge" {
  name     = "edge"
  port     = 8443
  protocol = "TCP"
  vpc_id   = "vpc-1"
}
