package com.example.gateway

import org.springframework.cloud.gateway.filter.GatewayFilterChain
import org.springframework.cloud.gateway.filter.GlobalFilter
import org.springframework.stereotype.Component
import org.springframework.web.server.ServerWebExchange
import reactor.core.publisher.Mono
import java.util.Base64

@Component
class CertificateForwarding : GlobalFilter {
    override fun filter(exchange: ServerWebExchange, chain: GatewayFilterChain): Mono<Void> {
        val certificate = exchange.request.sslInfo?.peerCertificates?.firstOrNull()
        val request = exchange.request.mutate().headers { headers ->
            headers.remove("Client-Cert")
            certificate?.let { headers.add("Client-Cert", ":${Base64.getEncoder().encodeToString(it.encoded)}:") }
        }.build()
        return chain.filter(exchange.mutate().request(request).build())
    }
}
