package statehouse.aws_efs_encryption_test

import rego.v1

import data.statehouse.fixture
import data.statehouse.aws_efs_encryption as policy

bad := [
	{"type": "aws_efs_file_system", "after": {"encrypted": false}},
	{"type": "aws_efs_file_system", "after": {}, "unknown": {"encrypted": true}},
]

good := [
	{"type": "aws_efs_file_system", "after": {"encrypted": true}},
	{"type": "aws_fsx_lustre_file_system", "after": {}},
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
