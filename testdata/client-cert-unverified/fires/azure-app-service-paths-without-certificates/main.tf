resource "azurerm_linux_web_app" "api" {
  name                = "orders-api"
  resource_group_name = azurerm_resource_group.api.name
  location            = azurerm_service_plan.api.location
  service_plan_id     = azurerm_service_plan.api.id

  https_only                         = true
  client_certificate_enabled         = true
  client_certificate_mode            = "Required"
  client_certificate_exclusion_paths = "/healthz;/v1/partners"

  site_config {}
}

resource "azurerm_linux_web_app" "refunds" {
  name                = "refunds-api"
  resource_group_name = azurerm_resource_group.api.name
  location            = azurerm_service_plan.api.location
  service_plan_id     = azurerm_service_plan.api.id

  https_only                         = true
  client_certificate_enabled         = true
  client_certificate_mode            = "Required"
  client_certificate_exclusion_paths = "/healthz"

  site_config {}
}
