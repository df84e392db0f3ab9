package statehouse.aws_instance_types_test

import rego.v1

import data.statehouse.fixture
import data.statehouse.aws_instance_types as policy

bad := [
	{"type": "aws_instance", "after": {"instance_type": "p5.48xlarge"}},
	{"type": "aws_db_instance", "after": {"instance_class": "db.r6i.32xlarge"}},
	{"type": "aws_eks_node_group", "after": {"instance_types": ["t3.small", "x2idn.32xlarge"]}},
]

good := [
	{"type": "aws_instance", "after": {"instance_type": "t3.micro"}},
	{"type": "aws_instance", "after": {}, "unknown": {"instance_type": true}},
	{"type": "aws_launch_template", "after": {"instance_type": null}},
	{"type": "aws_eks_node_group", "after": {"instance_types": ["t3.small"]}},
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
