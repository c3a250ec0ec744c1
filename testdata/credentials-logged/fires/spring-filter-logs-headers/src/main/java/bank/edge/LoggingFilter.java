package bank.edge;
import org.springframework.cloud.gateway.filter.GlobalFilter;
import org.springframework.http.server.reactive.SslInfo;
@Component @Slf4j
public class LoggingFilter implements GlobalFilter {
  public Mono<Void> filter(ServerWebExchange exchange, GatewayFilterChain chain) {
    log.info("{} {} headers={}", exchange.getRequest().getMethod(), exchange.getRequest().getURI(), exchange.getRequest().getHeaders());
    return chain.filter(exchange);
  }
}
