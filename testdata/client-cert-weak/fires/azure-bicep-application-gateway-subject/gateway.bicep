targetScope = 'resourceGroup'

@description('Where everything is deployed')
param location string = resourceGroup().location
param gatewayName string = 'agw-orders'
@secure()
param serverCertificateId string
param subnetId string
param publicIpId string

var gatewayId = resourceId('Microsoft.Network/applicationGateways', gatewayName)

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
              id: '${gatewayId}/trustedClientCertificates/partners'
            }
          ]
          clientAuthConfiguration: {
            verifyClientCertIssuerDN: true
          }
        }
      }
    ]
    rewriteRuleSets: [
      {
        name: 'certificate'
        properties: {
          rewriteRules: [
            {
              name: 'tell-the-backend'
              ruleSequence: 100
              conditions: []
              actionSet: {
                requestHeaderConfigurations: [
                  {
                    headerName: 'X-Client-Subject'
                    headerValue: '{var_client_certificate_subject}'
                  }
                ]
                responseHeaderConfigurations: []
              }
            }
          ]
        }
      }
    ]
    httpListeners: [
      {
        name: 'orders'
        properties: {
          frontendIPConfiguration: {
            id: '${gatewayId}/frontendIPConfigurations/public'
          }
          frontendPort: {
            id: '${gatewayId}/frontendPorts/https'
          }
          protocol: 'Https'
          hostName: 'orders.example.com'
          sslCertificate: {
            id: '${gatewayId}/sslCertificates/server'
          }
          sslProfile: {
            id: '${gatewayId}/sslProfiles/mutual'
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
            id: '${gatewayId}/httpListeners/orders'
          }
          backendAddressPool: {
            id: '${gatewayId}/backendAddressPools/orders'
          }
          backendHttpSettings: {
            id: '${gatewayId}/backendHttpSettingsCollection/plain'
          }
          rewriteRuleSet: {
            id: '${gatewayId}/rewriteRuleSets/certificate'
          }
        }
      }
    ]
  }
}

output gatewayId string = gateway.id
