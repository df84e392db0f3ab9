package statehouse.google_service_account_keys_test

import rego.v1

import data.statehouse.fixture
import data.statehouse.google_service_account_keys as policy

bad := [
	{"type": "google_service_account_key", "after": {"service_account_id": "a"}},
	{"type": "google_service_account_key", "after": {}, "unknown": {"service_account_id": true, "private_key": true}},
]

good := [
	{"type": "google_service_account_key", "after": {"service_account_id": "a", "public_key_data": "b"}},
	{"type": "google_service_account", "after": {}},
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
