package statehouse.aws_ebs_encryption_test

import rego.v1

import data.statehouse.fixture
import data.statehouse.aws_ebs_encryption as policy

bad := [
	{"type": "aws_ebs_volume", "after": {"encrypted": false}},
	{"type": "aws_ebs_volume", "after": {}, "unknown": {"encrypted": true}},
	{"type": "aws_instance", "after": {"root_block_device": [{"encrypted": false}]}},
	{"type": "aws_instance", "after": {"ebs_block_device": [{"encrypted": true}, {"volume_size": 8}]}},
	{"type": "aws_launch_configuration", "after": {"root_block_device": [{"encrypted": null}]}},
	{"type": "aws_launch_template", "after": {"block_device_mappings": [{"ebs": [{"encrypted": "false"}]}]}},
]

good := [
	{"type": "aws_ebs_volume", "after": {"encrypted": true}},
	{"type": "aws_instance", "after": {"root_block_device": [{"encrypted": true}]}},
	{"type": "aws_instance", "after": {"root_block_device": null}, "unknown": {"root_block_device": true}},
	{"type": "aws_launch_template", "after": {"block_device_mappings": [{"ebs": [{"encrypted": "true"}]}]}},
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
