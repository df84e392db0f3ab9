# No service account keys that live for ever are made.
#
# Judges google_service_account_key: the private key stands in the state. Use workload identity or impersonation.
package statehouse.google_service_account_keys

import rego.v1

import data.statehouse.plan

deny contains plan.denial(change, "a key without an end is made and kept in the state; use workload identity or impersonation") if {
	some change in plan.made.google_service_account_key
	not plan.is_given(change, ["public_key_data"])
}
