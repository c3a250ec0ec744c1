package devices;

import org.springframework.cloud.gateway.route.RouteLocator;
import org.springframework.cloud.gateway.route.builder.RouteLocatorBuilder;
import org.springframework.context.annotation.Bean;
import org.springframework.context.annotation.Configuration;

@Configuration
class Routes {
    @Bean
    RouteLocator devices(RouteLocatorBuilder builder) {
        return builder.routes()
                .route("devices", r -> r.path("/devices/**")
                        .filters(f -> f.addRequestHeader("X-Gateway", "devices").tokenRelay())
                        .uri("http://devices:8080"))
                .build();
    }
}
