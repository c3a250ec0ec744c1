using Duende.AspNetCore.Authentication.JwtBearer.DPoP;

services.ConfigureDPoPTokensForScheme("orders", opt => opt.AllowBearerTokens = true);
