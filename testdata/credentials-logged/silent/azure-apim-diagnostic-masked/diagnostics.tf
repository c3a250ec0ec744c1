resource "azurerm_api_management_diagnostic" "all" {
  identifier               = "azuremonitor"
  resource_group_name      = azurerm_resource_group.gateway.name
  api_management_name      = azurerm_api_management.gateway.name
  api_management_logger_id = azurerm_api_management_logger.monitor.id
  sampling_percentage      = 100

  frontend_request {
    body_bytes = 0
    headers_to_log = [
      "content-type",
      "authorization",
    ]

    data_masking {
      headers {
        mode  = "Mask"
        value = "Authorization"
      }
    }
  }

  backend_request {
    headers_to_log = ["x-correlation-id"]
  }
}
