package statehouse.allowed_module_sources_test

import rego.v1

import data.statehouse.allowed_module_sources as policy

configuration(source, inner) := {"configuration": {"root_module": {"module_calls": {"outer": {
	"source": source,
	"module": {"module_calls": {"inner": {"source": inner, "module": {}}}},
}}}}}

test_sources_that_are_not_allowed_are_denied if {
	{denial.address | some denial in policy.deny} == {"module.outer"} with input as configuration("git::https://example.org/m.git", "./a")
	{denial.address | some denial in policy.deny} == {"module.outer.module.inner"} with input as configuration("./a", "stranger/m/aws")
	count(policy.deny) == 2 with input as configuration("https://example.org/m.zip", "/tmp/m")
}

test_allowed_sources_pass if {
	count(policy.deny) == 0 with input as configuration("./modules/a", "../b")
	count(policy.deny) == 0 with input as configuration("terraform-aws-modules/vpc/aws", "./modules/x")
	count(policy.deny) == 0 with input as {"resource_changes": []}
}
