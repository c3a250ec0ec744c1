using Duende.IdentityServer.Configuration;

public static class Startup
{
    public static void Configure(IServiceCollection services, bool drill)
    {
        services.AddIdentityServer(options =>
        {
            // was: options.DPoP.ProofTokenValidityDuration = TimeSpan.FromDays(2);
            options.DPoP = new DPoPOptions
            {
                ServerClockSkew = TimeSpan.FromSeconds(5),
                ProofTokenValidityDuration = TimeSpan.FromHours(1),
            };
            if (drill)
            {
                options.DPoP.ProofTokenValidityDuration = TimeSpan.FromDays(1);
            }
        });
    }
}
