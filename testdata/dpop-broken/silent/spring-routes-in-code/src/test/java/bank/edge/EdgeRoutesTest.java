package bank.edge;

import org.springframework.cloud.gateway.route.RouteLocator;
import org.springframework.cloud.gateway.route.builder.RouteLocatorBuilder;
import org.springframework.context.annotation.Bean;

class EdgeRoutesTest {
    @Bean
    RouteLocator proofs(RouteLocatorBuilder builder) {
        return builder.routes()
                .route("test", r -> r.path("/test").filters(f -> f.removeRequestHeader("DPoP")).uri("http://localhost:1"))
                .build();
    }
}
