package statehouse.aws_eks_endpoint_test

import rego.v1

import data.statehouse.fixture
import data.statehouse.aws_eks_endpoint as policy

bad := [
	{"type": "aws_eks_cluster", "after": {"vpc_config": [{"endpoint_public_access": true, "public_access_cidrs": ["0.0.0.0/0"]}]}},
	{"type": "aws_eks_cluster", "after": {"vpc_config": [{"endpoint_public_access": true}]}, "unknown": {"vpc_config": [{"public_access_cidrs": true}]}},
	{"type": "aws_eks_cluster", "after": {"vpc_config": [{"public_access_cidrs": null}]}},
]

good := [
	{"type": "aws_eks_cluster", "after": {"vpc_config": [{"endpoint_public_access": false}]}},
	{"type": "aws_eks_cluster", "after": {"vpc_config": [{"endpoint_public_access": true, "public_access_cidrs": ["192.0.2.0/24"]}]}},
	{"type": "aws_eks_cluster", "after": {}, "unknown": {"vpc_config": true}},
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
