param serviceName string
param backendUrl string = 'https://ledger.internal.example.com'

resource service 'Microsoft.ApiManagement/service@2023-09-01-preview' existing = {
  name: serviceName
}

resource ledger 'Microsoft.ApiManagement/service/apis@2023-09-01-preview' = {
  parent: service
  name: 'ledger'
  properties: {
    displayName: 'Ledger'
    path: 'ledger'
    protocols: [ 'https' ]
    serviceUrl: backendUrl
  }
}

resource ledgerPolicy 'Microsoft.ApiManagement/service/apis/policies@2023-09-01-preview' = {
  parent: ledger
  name: 'policy'
  properties: {
    format: 'rawxml'
    value: replace(loadTextContent('policies/ledger.xml'), '{audience}', 'api://ledger')
  }
}
