package bank.edge;

import org.springframework.cloud.gateway.route.RouteLocator;
import org.springframework.cloud.gateway.route.builder.RouteLocatorBuilder;
import org.springframework.context.annotation.Bean;
import org.springframework.context.annotation.Configuration;
import org.springframework.http.HttpHeaders;

@Configuration
public class EdgeRoutes {

    private final AuditFilter audit;

    public EdgeRoutes(AuditFilter audit) {
        this.audit = audit;
    }

    @Bean
    public RouteLocator edge(RouteLocatorBuilder builder) {
        return builder.routes()
                // Payments check proofs themselves.
                .route("payments", r -> r.path("/payments/**")
                        .filters(f -> f.preserveHostHeader()
                                .removeRequestHeader("Cookie")
                                .removeRequestHeader("DPoP")
                                .filter(audit))
                        .uri("lb://payments"))
                .route("accounts", r -> r.host("accounts.bank.example").and().path("/v2/**")
                        .filters(f -> {
                            f.removeRequestHeader(HttpHeaders.AUTHORIZATION);
                            return f.preserveHostHeader();
                        })
                        .uri("http://accounts:8080"))
                .route("moved", r -> r.path("/old/**")
                        .filters(f -> f.removeRequestHeader("DPoP").redirect(302, "https://bank.example/new"))
                        .uri("no://op"))
                .build();
    }
}
