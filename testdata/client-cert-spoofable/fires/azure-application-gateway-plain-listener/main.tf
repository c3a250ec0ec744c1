resource "azurerm_application_gateway" "edge" {
  name                = "edge"
  resource_group_name = azurerm_resource_group.edge.name
  location            = azurerm_resource_group.edge.location

  sku {
    name     = "Standard_v2"
    tier     = "Standard_v2"
    capacity = 2
  }
  gateway_ip_configuration {
    name      = "ip"
    subnet_id = azurerm_subnet.edge.id
  }
  frontend_port {
    name = "https"
    port = 443
  }
  frontend_ip_configuration {
    name                 = "public"
    public_ip_address_id = azurerm_public_ip.edge.id
  }
  ssl_certificate {
    name                = "server"
    key_vault_secret_id = azurerm_key_vault_certificate.server.secret_id
  }
  trusted_client_certificate {
    name = "clients"
    data = filebase64("clients.cer")
  }
  ssl_profile {
    name                             = "mutual"
    trusted_client_certificate_names = ["clients"]
    verify_client_cert_issuer_dn     = true
  }
  backend_address_pool {
    name  = "api"
    fqdns = ["api.internal.example.com"]
  }
  backend_http_settings {
    name                  = "api"
    cookie_based_affinity = "Disabled"
    port                  = 8443
    protocol              = "Https"
    request_timeout       = 30
  }
  http_listener {
    name                           = "api"
    frontend_ip_configuration_name = "public"
    frontend_port_name             = "https"
    protocol                       = "Https"
    host_name                      = "api.example.com"
    ssl_certificate_name           = "server"
    ssl_profile_name               = "mutual"
  }
  frontend_port {
    name = "http"
    port = 80
  }
  http_listener {
    name                           = "plain"
    frontend_ip_configuration_name = "public"
    frontend_port_name             = "http"
    protocol                       = "Http"
  }
  request_routing_rule {
    name                       = "plain"
    rule_type                  = "Basic"
    priority                   = 20
    http_listener_name         = "plain"
    backend_address_pool_name  = "api"
    backend_http_settings_name = "api"
  }
  rewrite_rule_set {
    name = "certificate"
    rewrite_rule {
      name          = "certificate"
      rule_sequence = 100
      request_header_configuration {
        header_name  = "X-Client-Cert"
        header_value = "{var_client_certificate}"
      }
    }
  }
  request_routing_rule {
    name                       = "api"
    rule_type                  = "Basic"
    priority                   = 10
    http_listener_name         = "api"
    backend_address_pool_name  = "api"
    backend_http_settings_name = "api"
    rewrite_rule_set_name      = "certificate"
  }
}
