package bank.edge;
import org.springframework.cloud.gateway.filter.GlobalFilter;
import org.springframework.http.server.reactive.SslInfo;
@Component
public class Hygiene implements GlobalFilter {
  public Mono<Void> filter(ServerWebExchange exchange, GatewayFilterChain chain) {
    ServerHttpRequest clean = exchange.getRequest().mutate().headers(headers -> {
      headers.remove("Cookie");
      headers.remove("DPoP");
    }).build();
    return chain.filter(exchange.mutate().request(clean).build());
  }
}
