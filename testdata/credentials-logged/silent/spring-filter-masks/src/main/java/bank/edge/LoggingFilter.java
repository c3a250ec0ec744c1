package bank.edge;
import org.springframework.cloud.gateway.filter.GlobalFilter;
import org.springframework.http.server.reactive.SslInfo;
@Component @Slf4j
public class LoggingFilter implements GlobalFilter {
  public Mono<Void> filter(ServerWebExchange exchange, GatewayFilterChain chain) {
    HttpHeaders copy = HttpHeaders.writableHttpHeaders(new HttpHeaders());
    copy.putAll(exchange.getRequest().getHeaders());
    copy.remove("Authorization"); copy.remove("DPoP");
    log.info("headers={}", copy);
    return chain.filter(exchange);
  }
}
