package statehouse.aws_kms_rotation_test

import rego.v1

import data.statehouse.fixture
import data.statehouse.aws_kms_rotation as policy

bad := [
	{"type": "aws_kms_key", "after": {"enable_key_rotation": false, "customer_master_key_spec": "SYMMETRIC_DEFAULT"}},
	{"type": "aws_kms_key", "after": {}, "unknown": {"enable_key_rotation": true}},
]

good := [
	{"type": "aws_kms_key", "after": {"enable_key_rotation": true}},
	{"type": "aws_kms_key", "after": {"enable_key_rotation": false, "customer_master_key_spec": "RSA_4096"}},
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
