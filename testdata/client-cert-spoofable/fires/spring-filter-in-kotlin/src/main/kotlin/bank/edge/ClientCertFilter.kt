package bank.edge
@Component
class ClientCertFilter : GlobalFilter {
    override fun filter(exchange: ServerWebExchange, chain: GatewayFilterChain): Mono<Void> {
        val cert = exchange.request.sslInfo?.peerCertificates?.firstOrNull() ?: return chain.filter(exchange)
        val request = exchange.request.mutate()
            .header("X-Client-Cert", Base64.getEncoder().encodeToString(cert.encoded))
            .build()
        return chain.filter(exchange.mutate().request(request).build())
    }
}
