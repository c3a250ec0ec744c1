resource "pingfederate_oauth_server_settings" "this" {
  authorization_code_timeout = 60
  dpop_proof_require_nonce   = false

  dpop_proof_lifetime_seconds          = 600
  dpop_proof_enforce_replay_prevention = false
}
