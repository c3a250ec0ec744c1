variable "lifetime" {
  type    = number
  default = 172800
}
