package shop

import org.springframework.cloud.gateway.route.RouteLocator
import org.springframework.cloud.gateway.route.builder.RouteLocatorBuilder
import org.springframework.cloud.gateway.route.builder.filters
import org.springframework.cloud.gateway.route.builder.routes
import org.springframework.context.annotation.Bean
import org.springframework.context.annotation.Configuration

@Configuration
class Routes(private val properties: ShopProperties) {

    @Bean
    fun shop(builder: RouteLocatorBuilder): RouteLocator = builder.routes {
        route(id = "orders") {
            path("/orders/**") and method("GET")
            filters {
                preserveHostHeader()
                setRequestHeader("X-Shop", "${properties.name}-1")
                removeRequestHeader("DPoP")
            }
            uri("http://orders:${properties.port}")
        }
        route(id = "catalog") {
            path("/catalog/**")
            filters { preserveHostHeader() }
            uri("http://catalog:8080")
        }
    }
}
