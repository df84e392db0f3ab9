package statehouse.aws_rds_public_test

import rego.v1

import data.statehouse.fixture
import data.statehouse.aws_rds_public as policy

bad := [
	{"type": "aws_db_instance", "after": {"publicly_accessible": true}},
	{"type": "aws_rds_cluster_instance", "after": {"publicly_accessible": true}},
	{"type": "aws_redshift_cluster", "after": {"publicly_accessible": true}},
]

good := [
	{"type": "aws_db_instance", "after": {"publicly_accessible": false}},
	{"type": "aws_rds_cluster_instance", "after": {}, "unknown": {"publicly_accessible": true}},
	{"type": "aws_dms_replication_instance", "after": {"publicly_accessible": null}},
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
