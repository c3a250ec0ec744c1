resource "azurerm_linux_web_app" "api" {
  name                = "orders-api"
  resource_group_name = azurerm_resource_group.api.name
  location            = azurerm_service_plan.api.location
  service_plan_id     = azurerm_service_plan.api.id

  client_certificate_enabled = true
  client_certificate_mode    = "Required"

  site_config {
    application_stack {
      node_version = "20-lts"
    }
  }
}
