package bank.edge;
import org.springframework.cloud.gateway.filter.GlobalFilter;
import org.springframework.http.server.reactive.SslInfo;
@Component
public class ClientCertificate implements GlobalFilter, Ordered {
  @Override
  public Mono<Void> filter(ServerWebExchange exchange, GatewayFilterChain chain) {
    SslInfo ssl = exchange.getRequest().getSslInfo();
    if (ssl != null && ssl.getPeerCertificates() != null && ssl.getPeerCertificates().length > 0) {
      String value = pem(ssl.getPeerCertificates()[0]);
      ServerHttpRequest request = exchange.getRequest().mutate().header("X-Client-Cert", value).build();
      return chain.filter(exchange.mutate().request(request).build());
    }
    return chain.filter(exchange);
  }
  private String pem(X509Certificate c) { try { return URLEncoder.encode("-----BEGIN CERTIFICATE-----\n" + Base64.getMimeEncoder().encodeToString(c.getEncoded()) + "\n-----END CERTIFICATE-----", UTF_8); } catch (Exception e) { throw new IllegalStateException(e); } }
  @Override public int getOrder() { return -100; }
}
