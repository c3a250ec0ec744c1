param location string
param serviceName string
@description('Whether clients are asked for their certificate')
param requestCertificates bool = false
param hosts array = []

var isPublic = empty(serviceName) ? false : true

resource service 'Microsoft.ApiManagement/service@2023-09-01-preview' = {
  name: serviceName
  location: location
  sku: {
    name: 'Premium'
    capacity: 1
  }
  properties: {
    publisherName: 'Example'
    publisherEmail: 'api@example.com'
    hostnameConfigurations: [
      {
        type: 'Proxy'
        hostName: '${serviceName}.example.com'
        negotiateClientCertificate: requestCertificates
      }
    ]
  }
}

resource payments 'Microsoft.ApiManagement/service/apis@2023-09-01-preview' = {
  parent: service
  name: 'payments'
  properties: {
    displayName: 'Payments'
    path: 'payments'
    serviceUrl: 'https://payments.internal.example.com'
  }

  resource policy 'policies' = {
    name: 'policy'
    properties: {
      format: 'rawxml'
      value: '''
<policies>
  <inbound>
    <validate-client-certificate validate-trust="true" validate-revocation="true" />
    <set-header name="X-Forwarded-Prefix" exists-action="override">
      <value>/payments</value>
    </set-header>
    <set-header name="X-Client-Cert" exists-action="override">
      <value>@(Convert.ToBase64String(context.Request.Certificate.RawData))</value>
    </set-header>
  </inbound>
  <backend>
    <forward-request />
  </backend>
</policies>
'''
    }
  }
}
