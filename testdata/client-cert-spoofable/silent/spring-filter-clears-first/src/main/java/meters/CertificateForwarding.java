package meters;

import java.security.cert.CertificateEncodingException;
import java.security.cert.X509Certificate;
import java.util.Base64;
import org.springframework.cloud.gateway.filter.GatewayFilterChain;
import org.springframework.cloud.gateway.filter.GlobalFilter;
import org.springframework.http.server.reactive.ServerHttpRequest;
import org.springframework.http.server.reactive.SslInfo;
import org.springframework.stereotype.Component;
import org.springframework.web.server.ServerWebExchange;
import reactor.core.publisher.Mono;

@Component
public class CertificateForwarding implements GlobalFilter {

    @Override
    public Mono<Void> filter(ServerWebExchange exchange, GatewayFilterChain chain) {
        SslInfo info = exchange.getRequest().getSslInfo();
        if (info == null || info.getPeerCertificates() == null) {
            return chain.filter(exchange);
        }
        X509Certificate certificate = info.getPeerCertificates()[0];
        try {
            ServerHttpRequest request = exchange.getRequest().mutate()
                    .header("X-Meter-Cert", Base64.getEncoder().encodeToString(certificate.getEncoded()))
                    .build();
            return chain.filter(exchange.mutate().request(request).build());
        } catch (CertificateEncodingException e) {
            return Mono.error(e);
        }
    }
}
