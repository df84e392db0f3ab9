package statehouse.protected_types_test

import rego.v1

import data.statehouse.fixture
import data.statehouse.protected_types as policy

sample := {"type": "aws_db_instance", "after": {"identifier": "a"}}

test_destroying_is_denied if {
	count(policy.deny) == 2 with input as fixture.destroyed(sample)
	{denial.address | some denial in policy.deny} == {"aws_db_instance.sample", "module.inner.aws_db_instance.sample[0]"} with input as fixture.destroyed(sample)
	count(policy.deny) == 2 with input as fixture.destroyed({"type": "google_sql_database_instance", "after": {}})
}

test_replacing_is_denied_unless_allowed if {
	count(policy.deny) == 2 with input as fixture.replaced(sample)
	count(policy.deny) == 0 with input as fixture.replaced(sample) with data.parameters.protected_types as {"types": ["aws_db_instance"], "replacement": false}
}

test_the_reason_of_a_replacement_is_told if {
	changed := fixture.resource(sample, "", ["delete", "create"], {"replace_paths": [["identifier"], ["a", 0, "b"]]})
	some denial in policy.deny with input as {"resource_changes": [changed]}
	contains(denial.msg, "because of identifier, a.0.b;")
}

test_what_is_made_stays_or_is_forgotten_is_not_judged if {
	count(policy.deny) == 0 with input as {"resource_changes": [
		fixture.resource(sample, "", ["create"], {}),
		fixture.resource(sample, "[0]", ["no-op"], {}),
		fixture.resource(sample, "[1]", ["forget"], {}),
		fixture.resource(sample, "[2]", ["update"], {}),
		object.union(fixture.resource(sample, "", ["delete"], {}), {"mode": "data"}),
	]}
	count(policy.deny) == 0 with input as fixture.destroyed({"type": "aws_instance", "after": {}})
}
