package bank.edge;
import org.springframework.cloud.gateway.filter.GlobalFilter;
import org.springframework.http.server.reactive.SslInfo;
@Component
public class ClientCertificate implements GlobalFilter, Ordered {
  @Override
  public Mono<Void> filter(ServerWebExchange exchange, GatewayFilterChain chain) {
    SslInfo ssl = exchange.getRequest().getSslInfo();
    ServerHttpRequest.Builder builder = exchange.getRequest().mutate();
    if (ssl != null) {
      builder.header("X-Client-Cert", pem(ssl.getPeerCertificates()[0]));
    } else {
      builder.headers(h -> h.remove("X-Client-Cert"));
    }
    return chain.filter(exchange.mutate().request(builder.build()).build());
  }
  private String pem(X509Certificate c) { try { return URLEncoder.encode("-----BEGIN CERTIFICATE-----\n" + Base64.getMimeEncoder().encodeToString(c.getEncoded()) + "\n-----END CERTIFICATE-----", UTF_8); } catch (Exception e) { throw new IllegalStateException(e); } }
  @Override public int getOrder() { return -100; }
}
