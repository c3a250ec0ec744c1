param location string = resourceGroup().location
param planId string

resource api 'Microsoft.Web/sites@2023-12-01' = {
  name: 'orders-api'
  location: location
  kind: 'app,linux'
  properties: {
    serverFarmId: planId
    clientCertEnabled: true
    clientCertMode: 'Required'
    siteConfig: {
      linuxFxVersion: 'NODE|20-lts'
    }
  }
}
