package statehouse.state_secrets_test

import rego.v1

import data.statehouse.state_secrets as policy

state(resources) := {"state": {"version": 4, "resources": resources}}

test_secrets_are_denied_wherever_they_are if {
	{denial.address | some denial in policy.deny} == {"tls_private_key.k", "module.m[0].random_password.p"} with input as state([
		{"mode": "managed", "type": "tls_private_key", "name": "k", "instances": []},
		{"module": "module.m[0]", "mode": "managed", "type": "random_password", "name": "p", "instances": []},
	])
}

test_other_resources_and_data_pass if {
	count(policy.deny) == 0 with input as state([{"mode": "managed", "type": "aws_vpc", "name": "v"}])
	count(policy.deny) == 0 with input as state([{"mode": "data", "type": "tls_private_key", "name": "k"}])
	count(policy.deny) == 0 with input as state([])
}
