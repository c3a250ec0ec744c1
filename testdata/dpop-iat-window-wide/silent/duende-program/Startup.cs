using Duende.IdentityServer.Configuration;

services.AddIdentityServer(options =>
{
    // options.DPoP.ProofTokenValidityDuration = TimeSpan.FromHours(1);
    options.DPoP.ProofTokenValidityDuration = TimeSpan.FromSeconds(30);
    options.KeyManagement.RotationInterval = TimeSpan.FromDays(90);
});
