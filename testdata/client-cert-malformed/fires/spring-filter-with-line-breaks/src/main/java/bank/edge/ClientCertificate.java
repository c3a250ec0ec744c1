package bank.edge;
import org.springframework.cloud.gateway.filter.GlobalFilter;
import org.springframework.http.server.reactive.SslInfo;
@Component
public class ClientCertificate implements GlobalFilter, Ordered {
  @Override
  public Mono<Void> filter(ServerWebExchange exchange, GatewayFilterChain chain) {
    X509Certificate cert = exchange.getRequest().getSslInfo().getPeerCertificates()[0];
    String pem = "-----BEGIN CERTIFICATE-----\n" + Base64.getMimeEncoder().encodeToString(cert.getEncoded()) + "\n-----END CERTIFICATE-----\n";
    ServerHttpRequest request = exchange.getRequest().mutate().headers(h -> h.set("X-Client-Cert", pem)).build();
    return chain.filter(exchange.mutate().request(request).build());
  }
}
