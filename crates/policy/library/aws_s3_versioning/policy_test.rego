package statehouse.aws_s3_versioning_test

import rego.v1

import data.statehouse.fixture
import data.statehouse.aws_s3_versioning as policy

bad := [
	{"type": "aws_s3_bucket_versioning", "after": {"versioning_configuration": [{"status": "Suspended"}]}},
	{"type": "aws_s3_bucket_versioning", "after": {"versioning_configuration": [{"status": "Disabled"}]}},
]

good := [
	{"type": "aws_s3_bucket_versioning", "after": {"versioning_configuration": [{"status": "Enabled"}]}},
	{"type": "aws_s3_bucket_versioning", "after": {"versioning_configuration": [{}]}, "unknown": {"versioning_configuration": [{"status": true}]}},
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
