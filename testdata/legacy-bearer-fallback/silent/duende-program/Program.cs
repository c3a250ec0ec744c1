using Duende.AspNetCore.Authentication.JwtBearer.DPoP;

services.ConfigureDPoPTokensForScheme("orders", opt =>
{
    opt.AllowBearerTokens = false;
    if (environment.IsDevelopment())
    {
        opt.AllowBearerTokens = true;
    }
});
