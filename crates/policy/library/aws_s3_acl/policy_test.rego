package statehouse.aws_s3_acl_test

import rego.v1

import data.statehouse.fixture
import data.statehouse.aws_s3_acl as policy

bad := [
	{"type": "aws_s3_bucket_acl", "after": {"acl": "public-read"}},
	{"type": "aws_s3_bucket", "after": {"acl": "public-read-write"}},
	{"type": "aws_s3_object", "after": {"acl": "authenticated-read"}},
	{"type": "aws_s3_bucket_acl", "after": {"access_control_policy": [{"grant": [{"grantee": [{"uri": "http://acs.amazonaws.com/groups/global/AllUsers"}]}]}]}},
]

good := [
	{"type": "aws_s3_bucket_acl", "after": {"acl": "private"}},
	{"type": "aws_s3_bucket_acl", "after": {"acl": null}, "unknown": {"acl": true}},
	{"type": "aws_s3_bucket", "after": {"bucket": "b"}},
	{"type": "aws_s3_bucket_acl", "after": {"access_control_policy": [{"grant": [{"grantee": [{"id": "a", "uri": ""}]}]}]}},
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
