package claims;

import static org.springframework.cloud.gateway.server.mvc.filter.BeforeFilterFunctions.preserveHostHeader;
import static org.springframework.cloud.gateway.server.mvc.filter.BeforeFilterFunctions.removeRequestHeader;
import static org.springframework.cloud.gateway.server.mvc.filter.BeforeFilterFunctions.uri;
import static org.springframework.cloud.gateway.server.mvc.filter.LoadBalancerFilterFunctions.lb;
import static org.springframework.cloud.gateway.server.mvc.handler.GatewayRouterFunctions.route;
import static org.springframework.cloud.gateway.server.mvc.handler.HandlerFunctions.http;
import static org.springframework.web.servlet.function.RequestPredicates.path;

import org.springframework.context.annotation.Bean;
import org.springframework.context.annotation.Configuration;
import org.springframework.web.servlet.function.RouterFunction;
import org.springframework.web.servlet.function.ServerResponse;

@Configuration
class GatewayRoutes {

    @Bean
    RouterFunction<ServerResponse> claims() {
        return route("claims")
                .route(path("/claims/**"), http())
                .before(uri("http://claims:8080"))
                .before(preserveHostHeader())
                .before(removeRequestHeader("DPoP"))
                .build();
    }

    @Bean
    RouterFunction<ServerResponse> policies() {
        return route("policies").GET("/policies/**", http()).filter(lb("policies")).before(preserveHostHeader()).build();
    }
}
