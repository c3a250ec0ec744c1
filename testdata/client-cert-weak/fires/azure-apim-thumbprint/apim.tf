resource "azurerm_api_management" "apim" {
  name                = "example-apim"
  location            = azurerm_resource_group.apim.location
  resource_group_name = azurerm_resource_group.apim.name
  publisher_name      = "Example"
  publisher_email     = "apis@example.com"
  sku_name            = "Developer_1"

  hostname_configuration {
    proxy {
      host_name                    = "api.example.com"
      key_vault_certificate_id     = azurerm_key_vault_certificate.api.versionless_secret_id
      negotiate_client_certificate = true
    }
  }
}

resource "azurerm_api_management_api" "orders" {
  name                = "orders"
  resource_group_name = azurerm_resource_group.apim.name
  api_management_name = azurerm_api_management.apim.name
  revision            = "1"
  path                = "orders"
  protocols           = ["https"]
  service_url         = "https://orders.internal.example.com"
}

resource "azurerm_api_management_api_policy" "orders" {
  api_name            = azurerm_api_management_api.orders.name
  api_management_name = azurerm_api_management.apim.name
  resource_group_name = azurerm_resource_group.apim.name

  xml_content = <<XML
<policies>
  <inbound>
    <base />
    <validate-client-certificate validate-revocation="false" />
    <set-header name="X-Client-Thumbprint" exists-action="override">
      <value>@(context.Request.Certificate?.Thumbprint)</value>
    </set-header>
  </inbound>
</policies>
XML
}
