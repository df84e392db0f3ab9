package statehouse.google_kms_rotation_test

import rego.v1

import data.statehouse.fixture
import data.statehouse.google_kms_rotation as policy

bad := [
	{"type": "google_kms_crypto_key", "after": {"purpose": "ENCRYPT_DECRYPT", "rotation_period": "99999999s"}},
	{"type": "google_kms_crypto_key", "after": {"rotation_period": ""}},
]

good := [
	{"type": "google_kms_crypto_key", "after": {"purpose": "ENCRYPT_DECRYPT", "rotation_period": "7776000s"}},
	{"type": "google_kms_crypto_key", "after": {"purpose": "ASYMMETRIC_SIGN"}},
	{"type": "google_kms_crypto_key", "after": {}, "unknown": {"rotation_period": true}},
]

test_denied_wherever_it_is_made if {
	every sample in bad {
		denied := {denial.address | some denial in policy.deny} with input as fixture.made(sample)
		denied == fixture.addresses(sample)
	}
}

test_allowed_where_it_is_good if {
	every sample in good {
		count(policy.deny) == 0 with input as fixture.made(sample)
	}
}

test_not_judged_where_it_stays_goes_or_is_read if {
	every sample in bad {
		count(policy.deny) == 0 with input as fixture.left(sample)
	}
}
