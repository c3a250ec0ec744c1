targetScope = 'resourceGroup'

@description('Where everything is deployed')
param location string = resourceGroup().location
param gatewayName string = 'agw-orders'
@secure()
param serverCertificateId string
param subnetId string
param publicIpId string

// The gateway in front of the orders API.

resource gateway 'Microsoft.Network/applicationGateways@2024-05-01' = {
  name: gatewayName
  location: location
  properties: {
    sku: {
      name: 'WAF_v2'
      tier: 'WAF_v2'
    }
    gatewayIPConfigurations: [
      {
        name: 'subnet'
        properties: { subnet: { id: subnetId } }
      }
    ]
    frontendIPConfigurations: [
      {
        name: 'public'
        properties: { publicIPAddress: { id: publicIpId } }
      }
    ]
    frontendPorts: [
      {
        name: 'https'
        properties: {
          port: 443
        }
      }
    ]
    sslCertificates: [
      {
        name: 'server'
        properties: { keyVaultSecretId: serverCertificateId }
      }
    ]
    trustedClientCertificates: [
      {
        name: 'partners'
        properties: { data: loadTextContent('partners.cer') }
      }
    ]
    sslProfiles: [
      {
        name: 'mutual'
        properties: {
          trustedClientCertificates: [
            {
              id: resourceId('Microsoft.Network/applicationGateways/trustedClientCertificates', gatewayName, 'partners')
            }
          ]
          clientAuthConfiguration: {
            verifyClientCertIssuerDN: true
          }
        }
      }
    ]
    httpListeners: [
      {
        name: 'orders'
        properties: {
          frontendIPConfiguration: {
            id: resourceId('Microsoft.Network/applicationGateways/frontendIPConfigurations', gatewayName, 'public')
          }
          frontendPort: {
            id: resourceId('Microsoft.Network/applicationGateways/frontendPorts', gatewayName, 'https')
          }
          protocol: 'Https'
          hostName: 'orders.example.com'
          sslCertificate: {
            id: resourceId('Microsoft.Network/applicationGateways/sslCertificates', gatewayName, 'server')
          }
          sslProfile: {
            id: resourceId('Microsoft.Network/applicationGateways/sslProfiles', gatewayName, 'mutual')
          }
        }
      }
    ]
    backendAddressPools: [
      {
        name: 'orders'
        properties: {
          backendAddresses: [
            {
              fqdn: 'orders.internal.example.com'
            }
          ]
        }
      }
    ]
    backendHttpSettingsCollection: [
      {
        name: 'plain'
        properties: {
          port: 8080
          protocol: 'Http'
          requestTimeout: 30
        }
      }
    ]
    requestRoutingRules: [
      {
        name: 'orders'
        properties: {
          ruleType: 'Basic'
          priority: 100
          httpListener: {
            id: resourceId('Microsoft.Network/applicationGateways/httpListeners', gatewayName, 'orders')
          }
          backendAddressPool: {
            id: resourceId('Microsoft.Network/applicationGateways/backendAddressPools', gatewayName, 'orders')
          }
          backendHttpSettings: {
            id: resourceId('Microsoft.Network/applicationGateways/backendHttpSettingsCollection', gatewayName, 'plain')
          }
        }
      }
    ]
  }
}

output gatewayId string = gateway.id
