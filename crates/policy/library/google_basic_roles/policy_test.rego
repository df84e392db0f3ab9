package statehouse.google_basic_roles_test

import rego.v1

import data.statehouse.fixture
import data.statehouse.google_basic_roles as policy

bad := [
	{"type": "google_project_iam_member", "after": {"role": "roles/owner"}},
	{"type": "google_folder_iam_binding", "after": {"role": "roles/editor"}},
]

good := [
	{"type": "google_project_iam_member", "after": {"role": "roles/run.admin"}},
	{"type": "google_organization_iam_member", "after": {}, "unknown": {"role": true}},
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
