mtls_mode = "verify"
