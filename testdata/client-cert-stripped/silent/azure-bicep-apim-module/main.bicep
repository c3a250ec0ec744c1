param location string = resourceGroup().location

module gateway 'modules/apim.bicep' = {
  name: 'gateway'
  params: {
    location: location
    serviceName: 'apim-payments'
    requestCertificates: true
  }
}
