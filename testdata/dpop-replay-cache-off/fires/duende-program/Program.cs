using Duende.AspNetCore.Authentication.JwtBearer.DPoP;

services.ConfigureDPoPTokensForScheme("orders", opt =>
{
    opt.EnableReplayDetection = false;
    opt.AllowBearerTokens = false;
});
