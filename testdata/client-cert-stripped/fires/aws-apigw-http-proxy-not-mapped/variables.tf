variable "domain" {
  type    = string
  default = "orders.api.example.com"
}

variable "certificate_arn" {
  type = string
}
