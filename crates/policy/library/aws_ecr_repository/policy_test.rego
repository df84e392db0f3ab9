package statehouse.aws_ecr_repository_test

import rego.v1

import data.statehouse.fixture
import data.statehouse.aws_ecr_repository as policy

bad := [
	{"type": "aws_ecr_repository", "after": {"image_tag_mutability": "MUTABLE", "image_scanning_configuration": [{"scan_on_push": true}]}},
	{"type": "aws_ecr_repository", "after": {"image_tag_mutability": "IMMUTABLE", "image_scanning_configuration": []}},
	{"type": "aws_ecr_repository", "after": {"image_tag_mutability": "IMMUTABLE", "image_scanning_configuration": [{}]}, "unknown": {"image_scanning_configuration": [{"scan_on_push": true}]}},
]

good := [
	{"type": "aws_ecr_repository", "after": {"image_tag_mutability": "IMMUTABLE", "image_scanning_configuration": [{"scan_on_push": true}]}},
	{"type": "aws_ecr_repository", "after": {"image_tag_mutability": "IMMUTABLE_WITH_EXCLUSION", "image_scanning_configuration": [{"scan_on_push": true}]}},
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
