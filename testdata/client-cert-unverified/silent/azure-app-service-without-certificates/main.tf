resource "azurerm_linux_web_app" "web" {
  name                = "web"
  resource_group_name = azurerm_resource_group.web.name
  location            = azurerm_service_plan.web.location
  service_plan_id     = azurerm_service_plan.web.id
  site_config {}
}

resource "azurerm_linux_function_app" "jobs" {
  name                       = "jobs"
  resource_group_name        = azurerm_resource_group.web.name
  location                   = azurerm_service_plan.web.location
  service_plan_id            = azurerm_service_plan.web.id
  storage_account_name       = azurerm_storage_account.jobs.name
  client_certificate_enabled = false
  client_certificate_mode    = "Required"
  site_config {}
}
