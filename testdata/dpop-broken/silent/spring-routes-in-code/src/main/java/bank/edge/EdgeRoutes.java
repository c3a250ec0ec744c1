package bank.edge;

import org.springframework.cloud.gateway.route.RouteLocator;
import org.springframework.cloud.gateway.route.builder.GatewayFilterSpec;
import org.springframework.cloud.gateway.route.builder.RouteLocatorBuilder;
import org.springframework.cloud.gateway.route.builder.UriSpec;
import org.springframework.context.annotation.Bean;
import org.springframework.context.annotation.Configuration;

/** Proofs go on to the services, so never {@code .removeRequestHeader("DPoP")} here. */
@Configuration
public class EdgeRoutes {

    private final boolean legacy = Boolean.getBoolean("edge.legacy");

    @Bean
    public RouteLocator edge(RouteLocatorBuilder builder) {
        return builder.routes()
                .route("payments", r -> r.path("/payments/**")
                        .filters(f -> f.preserveHostHeader()
                                // .removeRequestHeader("DPoP")
                                .removeRequestHeader("X-Debug")
                                .removeResponseHeader("DPoP-Nonce-Old")
                                .addResponseHeader("DPoP", "no request header"))
                        .uri("http://payments:8080"))
                .route("legacy", r -> r.path("/legacy/**")
                        .filters(f -> {
                            if (legacy) {
                                f.removeRequestHeader("DPoP");
                            }
                            return f;
                        })
                        .uri("http://legacy:8080"))
                .route("shared", r -> r.path("/shared/**").filters(this::shared).uri("http://shared:8080"))
                .build();
    }

    private UriSpec shared(GatewayFilterSpec spec) {
        return spec.preserveHostHeader().removeRequestHeader("X-Debug");
    }
}
