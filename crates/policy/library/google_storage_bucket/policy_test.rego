package statehouse.google_storage_bucket_test

import rego.v1

import data.statehouse.fixture
import data.statehouse.google_storage_bucket as policy

bad := [
	{"type": "google_storage_bucket", "after": {"uniform_bucket_level_access": false, "public_access_prevention": "enforced"}},
	{"type": "google_storage_bucket", "after": {"uniform_bucket_level_access": true, "public_access_prevention": "inherited"}},
	{"type": "google_storage_bucket", "after": {"uniform_bucket_level_access": true}, "unknown": {"public_access_prevention": true}},
]

good := [
	{"type": "google_storage_bucket", "after": {"uniform_bucket_level_access": true, "public_access_prevention": "enforced"}},
	{"type": "google_storage_bucket_object", "after": {}},
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
