package statehouse.denied_types_test

import rego.v1

import data.statehouse.fixture
import data.statehouse.denied_types as policy

bad := [
	{"type": "aws_opsworks_stack", "after": {}},
	{"type": "null_resource", "after": {}, "unknown": {"id": true}},
]

good := [
	{"type": "aws_instance", "after": {}},
	{"type": "terraform_data", "after": {}},
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
