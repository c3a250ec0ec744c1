variable "replay" {}

resource "pingfederate_oauth_server_settings" "this" {
  dpop_proof_enforce_replay_prevention = true
  dpop_proof_lifetime_seconds          = 120
}

resource "pingfederate_oauth_server_settings" "that" {
  dpop_proof_enforce_replay_prevention = var.replay
  dpop_proof_lifetime_seconds          = 120
}
