package bank.edge;
import org.springframework.cloud.gateway.filter.GlobalFilter;
import org.springframework.http.server.reactive.SslInfo;
@Component
public class Hygiene implements GlobalFilter {
  public Mono<Void> filter(ServerWebExchange exchange, GatewayFilterChain chain) {
    if (exchange.getRequest().getPath().value().startsWith("/vendor")) {
      return chain.filter(exchange.mutate().request(r -> r.headers(h -> { h.remove("DPoP"); h.remove("Authorization"); })).build());
    }
    return chain.filter(exchange);
  }
}
