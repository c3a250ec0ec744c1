resource "azurerm_api_management" "meters" {
  name                = "apim-meters"
  location            = "westeurope"
  resource_group_name = "meters"
  publisher_name      = "Meters"
  publisher_email     = "api@meters.example"
  sku_name            = "Standard_1"
}

resource "azurerm_api_management_custom_domain" "meters" {
  api_management_id = azurerm_api_management.meters.id

  gateway {
    host_name                    = "api.meters.example"
    default_ssl_binding          = true
    negotiate_client_certificate = true
  }
}

resource "azurerm_api_management_api_policy" "readings" {
  api_name            = "readings"
  api_management_name = azurerm_api_management.meters.name
  resource_group_name = "meters"

  xml_content = <<XML
<policies>
  <inbound>
    <base />
    <validate-client-certificate validate-trust="true" validate-revocation="true" />
    <set-header name="X-Meter-Cert" exists-action="override">
      <value>@(Convert.ToBase64String(context.Request.Certificate.RawData))</value>
    </set-header>
  </inbound>
</policies>
XML
}
