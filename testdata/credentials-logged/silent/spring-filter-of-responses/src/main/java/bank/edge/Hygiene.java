package bank.edge;
import org.springframework.cloud.gateway.filter.GlobalFilter;
import org.springframework.http.server.reactive.SslInfo;
@Component @Slf4j
public class Hygiene implements GlobalFilter {
  public Mono<Void> filter(ServerWebExchange exchange, GatewayFilterChain chain) {
    log.info("{} {} id={}", exchange.getRequest().getMethod(), exchange.getRequest().getPath(), exchange.getRequest().getHeaders().getFirst("X-Request-Id"));
    return chain.filter(exchange).then(Mono.fromRunnable(() -> {
      exchange.getResponse().getHeaders().remove("DPoP");
      exchange.getResponse().getHeaders().remove("Authorization");
      log.info("response headers {}", exchange.getResponse().getHeaders());
    }));
  }
}
