# KMS keys are rotated.
#
# Judges rotation_period of google_kms_crypto_key, in seconds. Keys that sign cannot be rotated and are not judged.
package statehouse.google_kms_rotation

import rego.v1

import data.statehouse.plan

deny contains plan.denial(change, sprintf("the key is rotated %s; set rotation_period to at most %vs", [period(change), data.parameters.google_kms_rotation.seconds_max])) if {
	some change in plan.made.google_kms_crypto_key
	object.get(change.change.after, "purpose", null) in {null, "ENCRYPT_DECRYPT"}
	not plan.is_unknown(change, ["rotation_period"])
	not is_rotated(change)
}

is_rotated(change) if {
	text := period(change)
	endswith(text, "s")
	seconds := to_number(trim_suffix(text, "s"))
	seconds <= data.parameters.google_kms_rotation.seconds_max
}

period(change) := text if {
	text := plan.value(change, ["rotation_period"])
	is_string(text)
	regex.match(`^[0-9]+(\.[0-9]+)?s$`, text)
} else := "never"
