package statehouse.google_public_access_test

import rego.v1

import data.statehouse.fixture
import data.statehouse.google_public_access as policy

bad := [
	{"type": "google_storage_bucket_iam_member", "after": {"role": "roles/storage.objectViewer", "member": "allUsers", "members": []}},
	{"type": "google_cloud_run_v2_service_iam_binding", "after": {"role": "roles/run.invoker", "members": ["user:a@example.org", "allAuthenticatedUsers"]}},
	{"type": "google_storage_bucket_access_control", "after": {"entity": "allUsers"}},
]

good := [
	{"type": "google_storage_bucket_iam_member", "after": {"role": "r", "member": "user:a@example.org"}},
	{"type": "google_storage_bucket_iam_binding", "after": {"role": "r"}, "unknown": {"members": true}},
	{"type": "google_storage_bucket_access_control", "after": {"entity": "user-a@example.org"}},
	{"type": "google_storage_bucket", "after": {}},
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
